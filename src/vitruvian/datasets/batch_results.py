"""Results of `vitruvian batch`, read back: as Arrow tables, data frames, poses, and as a teacher's annotations."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from typing import Any, Literal

from ..errors import InputError
from ..io import parse_json
from ..media.records import SCHEMA_VERSION
from ..poses import Poses
from ..skeletons import Skeleton
from ..stores import Store
from .batch_tables import BatchPicture, check_pyarrow, persons_table, pictures_of, pictures_table

JOB = "job.json"
DONE = "done"
VERSION = 1

Table = Literal["persons", "pictures"]


def is_batch(path: str | os.PathLike[str]) -> bool:
    """Whether a path is the folder of a batch job on this machine."""
    return os.path.isfile(os.path.join(path, JOB))


def read(folder: str | os.PathLike[str]) -> BatchResults:
    """The results of a batch job; arguments and errors are those of `BatchResults`."""
    return BatchResults(folder)


class BatchResults:
    """What a batch job has found so far: its committed partitions.

    Args:
        folder: of the job, a path or an address.

    Attributes:
        job: the content of its job.json: sources, settings, cards.
        skeleton: what the keypoints are.
        partitions: numbers of the committed partitions, in order.

    Raises:
        InputError: no job is there, it is of a later version, or pyarrow is missing.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        check_pyarrow()
        self.store = Store(folder)
        self.job = read_job(self.store)
        self.skeleton = skeleton_of(self.job, self.store)
        self.partitions = [int(name[5:-5]) for name in self.store.names(DONE) if name.endswith(".json")]

    def __len__(self) -> int:
        """How many partitions are committed."""
        return len(self.partitions)

    def __repr__(self) -> str:
        return f"BatchResults({self.store.root}, {len(self)} partitions, {self.skeleton.name})"

    def manifest(self, partition: int) -> dict[str, Any]:
        """What was committed of a partition: its files, counts, histograms. Raises InputError."""
        return read_record(self.store, f"{DONE}/part-{partition:06d}.json")

    def tables(self, partition: int) -> tuple[Any, Any]:
        """The `pyarrow.Table` of pictures and that of persons of a partition. Raises InputError for damaged files."""
        files = list(self.manifest(partition)["files"])
        metadata = {name: self.job.get(name) for name in ("skeleton", "pose", "detector")}
        if files[0].endswith(".parquet"):
            both = {name.split("/")[0]: self._parquet(name) for name in files}
            return both["pictures"], both["persons"]
        pictures = list(self._records(files[0]))
        return pictures_table(pictures, metadata), persons_table(pictures, self.skeleton, metadata)

    def to_arrow(self, table: Table = "persons") -> Any:
        """One `pyarrow.Table` of all partitions: a row a person, or a row a picture."""
        import pyarrow

        parts = [self.tables(number)[table == "persons"] for number in self.partitions]
        if parts:
            return pyarrow.concat_tables(parts)
        return persons_table([], self.skeleton, {}) if table == "persons" else pictures_table([], {})

    def to_pandas(self, table: Table = "persons") -> Any:
        """A `pandas.DataFrame` of all partitions: a row a person, or a row a picture."""
        return self.to_arrow(table).to_pandas()

    def batches(self) -> Iterator[list[BatchPicture]]:
        """The pictures with their `Poses`, a partition at a time, in constant memory."""
        for number in self.partitions:
            yield self.pictures(number)

    def pictures(self, partition: int) -> list[BatchPicture]:
        """The pictures of one partition with their `Poses`."""
        return list(pictures_of(*self.tables(partition), self.skeleton))

    def __iter__(self) -> Iterator[BatchPicture]:
        """The pictures with their `Poses`, one by one."""
        for batch in self.batches():
            yield from batch

    def _parquet(self, name: str) -> Any:
        from pyarrow import ArrowException, parquet

        try:
            return parquet.read_table(io.BytesIO(self._read(name)))
        except ArrowException as error:
            raise InputError(f"{self.store.path(name)} is damaged: {error}; remove it and resume the job") from None

    def _read(self, name: str) -> bytes:
        data = self.store.read(name)
        if data is None:
            raise InputError(f"{self.store.path(name)} is missing; remove its manifest in done/ and resume the job")
        return data

    def _records(self, name: str) -> Iterator[BatchPicture]:
        data = self._read(name)
        try:
            if name.endswith(".jsonl"):
                lines = data.splitlines()
            else:
                with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                    members = [member for member in archive if member.name.endswith(".json")]
                    lines = [content.read() for content in map(archive.extractfile, members) if content]
            for line in lines:
                yield self._picture(parse_json(line, self.store.path(name)))
        except (tarfile.TarError, KeyError, TypeError) as error:
            raise InputError(f"{self.store.path(name)} is damaged: {error!r}; remove it and resume the job") from None

    def _picture(self, record: dict[str, Any]) -> BatchPicture:
        poses = None if record["error"] is not None else Poses.from_dict(record, self.skeleton)
        fields = {name: record[name] for name in ("picture", "source", "time", "width", "height", "error")}
        return BatchPicture(**fields, frame=record["index"], poses=poses)


def read_job(store: Store) -> dict[str, Any]:
    """A job's job.json. Raises InputError."""
    if store.read(JOB) is None:
        raise InputError(f"{store.root} has no {JOB}; give the folder that vitruvian batch -o wrote")
    job = read_record(store, JOB)
    if job.get("version") != VERSION:
        raise InputError(
            f"{store.path(JOB)} is of version {job.get('version')}, and this Vitruvian reads {VERSION}: update it"
        )
    return job


def read_record(store: Store, name: str) -> dict[str, Any]:
    """A JSON object of a job's folder. Raises InputError."""
    data = store.read(name)
    if data is None:
        raise InputError(f"{store.path(name)}: no such file")
    record = parse_json(data, store.path(name))
    if not isinstance(record, dict):
        raise InputError(f"{store.path(name)} is no JSON object; it isn't what vitruvian batch wrote")
    return record


def skeleton_of(job: dict[str, Any], store: Store) -> Skeleton:
    """The skeleton of a job. Raises InputError where job.json has none."""
    try:
        return Skeleton.from_dict(job["skeleton"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{store.path(JOB)} has no skeleton ({error!r}); it isn't what vitruvian batch wrote"
        ) from None


def as_predictions(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The pictures of a job in the format of `vitruvian predict --json` (docs/output.md), without those that failed.

    Raises:
        InputError: see `BatchResults`; or pictures of shards or Parquet files, which are no files of their own.
    """
    results = read(folder)
    frames: list[dict[str, Any]] = []
    for one in results:
        if one.poses is None:
            continue
        if "#" in one.source and not os.path.exists(one.source):
            raise InputError(f"{one.source} is inside of another file; training reads pictures from files of their own")
        place = {"source": one.source, "index": len(frames), "time": one.time}
        persons = json.loads(json.dumps(one.poses.to_dict()["persons"]))
        frames.append(place | {"width": one.width, "height": one.height, "persons": persons})
    skeleton = results.skeleton
    sources = results.job.get("sources") or ["."]
    return {
        "version": SCHEMA_VERSION,
        "source": str(sources[0]) if len(sources) == 1 else ".",
        "skeleton": {"name": skeleton.name, "keypoints": skeleton.keypoints, "limbs": skeleton.limbs},
        "frames": frames,
    }
