"""Ray actors that hold the networks, and the tasks that decode for them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..hub.downloads import file_digest
from ..loading import load
from ..stores import Store
from .decoding import Decoded, TaskLost, decode
from .options import BatchOptions, Workers
from .partition import Attempt, PartitionWork

if TYPE_CHECKING:
    from ..pipeline import TopDown
    from .entries import Entry


def import_ray() -> Any:
    """The module ray. Raises InputError where it isn't installed."""
    try:
        import ray
    except ImportError:
        raise InputError("batch jobs need packages more: pip install 'vitruvian[ray]'") from None
    return ray


@dataclass(frozen=True)
class WorkerSpec:
    """What a worker is made of.

    Args:
        model: keywords of `vitruvian.load`.
        options: of the job.
        workers: their threads and memory.
        output: the job's folder.
        cwd: folder that relative paths are taken from.
    """

    model: Mapping[str, Any]
    options: BatchOptions
    workers: Workers
    output: str
    cwd: str


@dataclass(frozen=True)
class Description:
    """What a worker says of itself when its networks are loaded.

    Args:
        node: the id of its machine in Ray.
        fingerprint: digest of the networks' files, cards and settings: the same rows come of the same one.
        metadata: for the tables' schemas: skeleton, pose and detector cards.
    """

    node: str
    fingerprint: str
    metadata: Mapping[str, Any]


class RayTasks:
    """Decoding in Ray tasks.

    Args:
        cpus: that Ray sets aside for each.
        keep: return the encoded bytes, too.
        node: id of the machine to run on, as long as it is there; "" for any.
    """

    at_once = 4

    def __init__(self, cpus: float, keep: bool, node: str = "") -> None:
        self._ray = import_ray()
        options: dict[str, Any] = {"num_cpus": cpus, "max_retries": 0}
        if node:
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(node, soft=True)
        self._decode = self._ray.remote(**options)(decode)
        self._keep = keep

    def submit(self, entries: Sequence[Entry]) -> Any:
        """Begin to decode; what it returns is for `result`."""
        return self._decode.remote(entries, self._keep)

    def result(self, handle: Any) -> list[Decoded]:
        """The first pictures, at least one. Raises TaskLost."""
        errors = self._ray.exceptions
        try:
            found: list[Decoded] = self._ray.get(handle)
            return found
        except errors.RayTaskError:
            raise
        except errors.RayError as error:
            raise TaskLost(str(error)) from None


class Worker:
    """An actor with the networks in its memory, which does one partition after the other."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._work: PartitionWork | None = None

    def describe(self) -> Description:
        """Load the networks. Raises InputError, ModelError."""
        import cv2

        ray, spec = import_ray(), self._spec
        cv2.setNumThreads(spec.workers.threads)
        model = load(**spec.model, threads=spec.workers.threads)
        node = ray.get_runtime_context().get_node_id()
        metadata = metadata_of(model)
        # Decoded pictures stay on the machine of a worker on CPUs; other machines may decode for GPUs.
        tasks = RayTasks(
            spec.workers.decode_cpus, spec.options.format == "webdataset", "" if spec.workers.gpus else node
        )
        self._work = PartitionWork(
            model, spec.options, Store(spec.output), tasks, spec.workers.ahead, spec.cwd, metadata
        )
        return Description(node, fingerprint(model), metadata)

    def process(self, attempt: Attempt, witness: Any) -> dict[str, Any]:
        """Do one partition; see `PartitionWork.run`."""
        assert self._work is not None
        ray = import_ray()

        def begin(item: int, place: int) -> None:
            # Waits, so that it is known even if this process ends with the picture.
            ray.get(witness.note.remote(attempt.partition, item, place))

        return self._work.run(attempt, begin)

    def pid(self) -> int:
        """The process's id."""
        return os.getpid()


class Witness:
    """An actor without work of its own that knows which picture each careful worker is at."""

    def __init__(self) -> None:
        self._at: dict[int, tuple[int, int]] = {}

    def note(self, partition: int, item: int, place: int) -> None:
        """A picture of a partition is begun."""
        self._at[partition] = item, place

    def last(self, partition: int) -> tuple[int, int] | None:
        """The picture of a partition that was begun last; it is then forgotten."""
        return self._at.pop(partition, None)


def metadata_of(model: TopDown) -> dict[str, Any]:
    """Skeleton and cards, as JSON has them."""
    detector = model.detector
    return {
        "skeleton": asdict(model.pose.skeleton),
        "pose": json.loads(model.pose.card.to_json()),
        "detector": None if detector is None else json.loads(detector.card.to_json()),
    }


def fingerprint(model: TopDown) -> str:
    """A digest of all that poses depend on: files of networks, cards, settings."""
    digest = hashlib.sha256(json.dumps(metadata_of(model), sort_keys=True).encode())
    detector = model.detector
    for part in (model.pose, detector):
        path = getattr(getattr(part, "runtime", None), "path", None)
        if path is not None and Path(path).is_file():
            digest.update(bytes.fromhex(file_digest(Path(path))))
    limits = [getattr(detector, name, None) for name in ("score", "iou", "max_persons")]
    digest.update(repr((model.pose.flip, limits)).encode())
    return digest.hexdigest()
