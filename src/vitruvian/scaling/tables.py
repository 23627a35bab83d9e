"""Rows of one partition: collected picture by picture, and written as Parquet, JSON lines or tar shards."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from ..choices import BatchFormat
from ..datasets.batch_tables import BatchPicture, persons_table, pictures_table
from ..io import as_text
from ..poses import Poses

if TYPE_CHECKING:
    from ..skeletons import Skeleton

FOLDERS = ("pictures", "persons", "poses", "shards")
"""Folders of a job's rows, by format."""

# Bits of a picture's number: the item in its partition, and the place in the item.
_ITEM_BITS, _PLACE_BITS = 20, 21
# Bins of the report's histograms.
COUNTS, BINS, TALLEST = 21, 20, 1000
_EXAMPLES = 5


def picture_number(partition: int, item: int, place: int) -> int:
    """A number for each picture of a job, int64, in the order of the pictures, and the same in every run."""
    return (partition << (_ITEM_BITS + _PLACE_BITS)) | (item << _PLACE_BITS) | min(place, 2**_PLACE_BITS - 1)


def item_of(number: int) -> int:
    """The item of a picture's number."""
    return (number >> _PLACE_BITS) & (2**_ITEM_BITS - 1)


class Rows:
    """The pictures of one partition.

    Args:
        partition: its number.
        skeleton: what the keypoints are.

    Attributes:
        pictures: in the order they came in.
        encoded: bytes of pictures by their number, for WebDataset.
    """

    def __init__(self, partition: int, skeleton: Skeleton) -> None:
        self.partition = partition
        self.skeleton = skeleton
        self.pictures: list[BatchPicture] = []
        self.encoded: dict[int, bytes] = {}

    def add(
        self,
        item: int,
        place: int,
        source: str,
        size: tuple[int, int] | None,
        poses: Poses | None,
        error: str | None = None,
        frame: int | None = None,
        time: float | None = None,
    ) -> int:
        """Append a picture.

        Args:
            item, place: where it is in the partition.
            source: what it is called.
            size: (width, height) in pixels.
            poses: its persons.
            error: why it has none.
            frame, time: of a video's frame, its index and time in seconds.

        Returns:
            Its number.
        """
        width, height = size or (None, None)
        number = picture_number(self.partition, item, place)
        if error is not None:
            error = as_text(error)
        self.pictures.append(BatchPicture(number, as_text(source), frame, time, width, height, poses, error))
        return number

    def sort(self) -> None:
        """Put the pictures in the order of their numbers."""
        self.pictures.sort(key=lambda one: one.picture)

    def files(self, kind: BatchFormat, metadata: Mapping[str, Any], token: str) -> dict[str, bytes]:
        """The content of the partition's files by their names, which have the token of the try in them."""
        stem = f"part-{self.partition:06d}-{token}"
        if kind == "parquet":
            return {
                f"pictures/{stem}.parquet": _parquet(pictures_table(self.pictures, metadata)),
                f"persons/{stem}.parquet": _parquet(persons_table(self.pictures, self.skeleton, metadata)),
            }
        lines = [json.dumps(record(one)) for one in self.pictures]
        if kind == "jsonl":
            return {f"poses/{stem}.jsonl": "".join(f"{line}\n" for line in lines).encode()}
        return {f"shards/{stem}.tar": self._tar(lines)}

    def _tar(self, lines: list[str]) -> bytes:
        output = io.BytesIO()
        with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for one, line in zip(self.pictures, lines, strict=True):
                parts = {"json": line.encode()}
                if one.picture in self.encoded:
                    suffix = PurePosixPath(one.source.rsplit("#", 1)[-1]).suffix.lower().lstrip(".")
                    parts[suffix if suffix.isalnum() else "image"] = self.encoded[one.picture]
                for suffix, data in parts.items():
                    # WebDataset takes what is before the first dot for the sample's key.
                    member = tarfile.TarInfo(f"{one.picture:019d}.{suffix}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
        return output.getvalue()

    def summary(self) -> dict[str, Any]:
        """Counts and histograms of the partition, for its manifest."""
        good = [one.poses for one in self.pictures if one.poses is not None]
        errors = [one.error for one in self.pictures if one.error is not None]
        everybody = Poses.concatenate(good) if good else Poses.empty(self.skeleton)
        counts = np.bincount([min(len(poses), COUNTS - 1) for poses in good], minlength=COUNTS)
        heights = np.clip(everybody.boxes[:, 3] - everybody.boxes[:, 1], 0, TALLEST - 1)
        return {
            "pictures": len(self.pictures),
            "persons": len(everybody),
            "failed": len(errors),
            "histograms": {
                "persons": counts.tolist(),
                "scores": np.histogram(everybody.box_scores, BINS, (0, 1))[0].tolist(),
                "keypoint_scores": np.histogram(everybody.scores, BINS, (0, 1))[0].tolist(),
                "heights": np.histogram(heights, BINS, (0, TALLEST))[0].tolist(),
            },
            "errors": errors[:_EXAMPLES],
        }


def encoded_in(shard: bytes) -> dict[int, bytes]:
    """The pictures' own bytes in a shard that `Rows.files` made, by the pictures' numbers. Raises tarfile.TarError."""
    with tarfile.open(fileobj=io.BytesIO(shard)) as archive:
        members = [member for member in archive if not member.name.endswith(".json")]
        contents = {member.name: archive.extractfile(member) for member in members}
        return {int(name.partition(".")[0]): content.read() for name, content in contents.items() if content}


def record(one: BatchPicture) -> dict[str, Any]:
    """A picture as `vitruvian predict --json` has its frames (docs/output.md), with its number and its error."""
    place = {"picture": one.picture, "source": one.source, "index": one.frame, "time": one.time}
    persons = [] if one.poses is None else one.poses.to_dict()["persons"]
    return place | {"width": one.width, "height": one.height, "error": one.error, "persons": persons}


def _parquet(table: Any) -> bytes:
    import pyarrow
    from pyarrow import parquet

    output = pyarrow.BufferOutputStream()
    parquet.write_table(table, output, compression="zstd")
    return bytes(output.getvalue())
