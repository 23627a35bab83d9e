"""Options of batch jobs: what is written of which inputs, and the workers that do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from ..choices import BatchFormat
from ..errors import InputError

MAX_PARTITION = 100_000
"""Most pictures of a partition: its rows are in memory until they are written."""

MODEL_KEYWORDS = (
    *("pose", "detector", "preset", "img_size", "pose_size", "score", "iou", "max_persons", "refine", "flip"),
    *("skeleton", "runtime", "device", "precision", "compile"),
)
"""Keywords of `vitruvian.load` that a job takes."""

# Those that say where a network runs, and not what it answers.
_PLACE = ("device", "compile")


@dataclass(frozen=True)
class BatchOptions:
    """What a job reads and writes. All of it must be the same when a job is resumed, but for the last three.

    Args:
        format: "parquet", "jsonl" or "webdataset", see docs/batch.md.
        partition: pictures of a partition, which is committed as a whole; tar shards and row groups aren't divided.
        recursive: take the folders below a folder, too.
        column: of CSV and Parquet manifests, the column with paths or bytes; None finds it by its name or type.
        stride: of the frames of videos one of so many is taken.
        segment: frames of a video that one worker takes; a video has 8 segments at most, and with `track` one.
        track: number the persons of videos over time.
        smooth: steady the keypoints of tracked persons.
        batch: pictures that go through the networks together.
        resume: go on with the unfinished job in the folder.
        retry_failed: try the failed pictures of a job again.

    Raises:
        InputError: a value out of its range, or `smooth` without `track`.
    """

    format: BatchFormat = "parquet"
    partition: int = 1000
    recursive: bool = False
    column: str | None = None
    stride: int = 1
    segment: int = 3000
    track: bool = False
    smooth: bool = False
    batch: int = 16
    resume: bool = False
    retry_failed: bool = False

    def __post_init__(self) -> None:
        if self.format not in get_args(BatchFormat):
            raise InputError(f"format is {self.format!r}; it can be {', '.join(get_args(BatchFormat))}")
        for name, most in (("partition", MAX_PARTITION), ("stride", 10**6), ("segment", 10**6), ("batch", 1024)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
                raise InputError(f"{name} is {value!r}; a whole number from 1 to {most:,} wanted (--{name})")
        if self.smooth and not self.track:
            raise InputError("smooth needs track (--smooth needs --track)")
        if self.track and self.stride > 1:
            raise InputError("tracking takes every frame: leave out stride (--stride), or track (--track)")

    @property
    def settings(self) -> dict[str, Any]:
        """What decides on the rows of a job, as plain values."""
        names = ("format", "partition", "recursive", "column", "stride", "segment", "track", "smooth")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Workers:
    """The machines and processes that a job may use.

    Args:
        most: workers, each with the networks in its memory; None is as many as the cluster has room for, those of nodes
            that join later too, and there are never more than that.
        least: workers that are kept while there is work.
        gpus: GPUs of a worker, also a fraction such as 0.5; 0 runs the networks on CPUs.
        threads: CPU threads of a worker's networks.
        decode_cpus: CPUs that Ray sets aside for each task that decodes pictures; those of a worker are its threads
            less this, so that both have room on one machine.
        ahead: bytes of decoded pictures that a worker lets wait for it.
        address: of a Ray cluster, or "auto" for that of this machine; None takes the environment's (RAY_ADDRESS), or
            starts Ray on this machine.
        store_memory: bytes of Ray's object store where it is started here; None is 512 MiB, or with more than 4 workers
            128 MiB for each.

    Raises:
        InputError: a value out of its range.
    """

    most: int | None = None
    least: int = 1
    gpus: float = 0.0
    threads: int = 1
    decode_cpus: float = 0.25
    ahead: int = 96 * 2**20
    address: str | None = None
    store_memory: int | None = None

    def __post_init__(self) -> None:
        if self.least < 1 or (self.most is not None and self.most < self.least):
            raise InputError(f"workers are {self.least} to {self.most}; at least 1 and no fewer at most wanted")
        if self.gpus < 0 or (self.gpus > 1 and self.gpus != int(self.gpus)):
            raise InputError(f"gpus is {self.gpus}; a fraction below 1 or a whole number wanted (--gpus)")
        if self.threads < 1 or not 0 < self.decode_cpus <= 1 or self.ahead < 2**20:
            raise InputError("threads must be 1 or more, decode_cpus above 0 and up to 1, ahead 1 MiB or more")

    @property
    def cpus(self) -> float:
        """CPUs that Ray sets aside for a worker."""
        return self.threads - self.decode_cpus if self.threads > self.decode_cpus else self.threads / 2


def checked_model(keywords: dict[str, Any]) -> dict[str, Any]:
    """Keywords of `vitruvian.load` without those that are None. Raises InputError for others."""
    strange = sorted(set(keywords) - set(MODEL_KEYWORDS))
    if strange:
        raise InputError(f"{', '.join(strange)}: no such setting of a model; there are {', '.join(MODEL_KEYWORDS)}")
    return {name: value for name, value in keywords.items() if value is not None}


def answers(model: dict[str, Any]) -> dict[str, Any]:
    """The keywords that decide on what a model answers, as JSON has them."""
    kept = {name: value for name, value in sorted(model.items()) if name not in _PLACE}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}
