"""Poses as data: JSON, CSV and COCO results, written picture by picture so that memory stays constant."""

from __future__ import annotations

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import OutputError
from .files import why_not_written
from .pictures import ImageFiles

if TYPE_CHECKING:
    from ..poses import Poses
    from ..skeletons import Skeleton
    from .frames import Frame, Source

SCHEMA_VERSION = 1


class RecordFile(ABC):
    """A text file that grows picture by picture. Errors of writing become OutputError and name the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self._file = self._attempt(self._open)

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append the persons of one picture."""
        self._attempt(lambda: self._append(frame, poses))

    def close(self) -> None:
        """Complete the file; harmless a second time."""
        if self._file.closed:
            return
        try:
            self._attempt(self._finish)
        finally:
            # What could not be flushed would raise once more; the first error said it all.
            self._attempt(self._file.close)

    def _open(self) -> Any:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self.path.open("w", encoding="utf-8", newline="")

    @abstractmethod
    def _append(self, frame: Frame, poses: Poses) -> None:
        """Write the persons of one picture."""

    def _finish(self) -> None:  # noqa: B027 (most formats need nothing)
        """Write what the end of the file needs."""

    def _attempt(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except OSError as error:
            raise OutputError(why_not_written(str(self.path), error)) from None


class _JsonList(RecordFile):
    """Records one after the other in a JSON list, each on a line of its own."""

    _written = 0

    def _append_record(self, record: Any) -> None:
        self._file.write(",\n" if self._written else "\n")
        json.dump(record, self._file)
        self._written += 1


class JsonFile(_JsonList):
    """The project's own format; docs/output.md has its schema.

    Args:
        path: the file to write; its folder is made.
        source: what the pictures come from.
        skeleton: what the keypoints are.
    """

    def __init__(self, path: Path, source: str, skeleton: Skeleton) -> None:
        super().__init__(path)
        header = {
            "version": SCHEMA_VERSION,
            "generator": f"vitruvian {__version__}",
            "source": source,
            "skeleton": {"name": skeleton.name, "keypoints": skeleton.keypoints, "limbs": skeleton.limbs},
        }
        self._attempt(lambda: self._file.write(json.dumps(header)[:-1] + ', "frames": ['))

    def _append(self, frame: Frame, poses: Poses) -> None:
        height, width = frame.image.shape[:2]
        time = None if frame.time is None else round(frame.time, 6)
        record = {"source": frame.source, "index": frame.index, "time": time, "width": width, "height": height}
        self._append_record(record | {"persons": poses.to_dict()["persons"]})

    def _finish(self) -> None:
        self._file.write("\n]}\n")


class CocoFile(_JsonList):
    """COCO's keypoint results format, https://cocodataset.org/#format-results.

    Args:
        path: the file to write; its folder is made.
        image_id: the number of a frame's picture in the annotations.
    """

    def __init__(self, path: Path, image_id: Callable[[Frame], int]) -> None:
        super().__init__(path)
        self._image_id = image_id
        self._attempt(lambda: self._file.write("["))

    def _append(self, frame: Frame, poses: Poses) -> None:
        for record in poses.to_coco(self._image_id(frame)):
            self._append_record(record)

    def _finish(self) -> None:
        self._file.write("\n]\n")


class CsvFile(RecordFile):
    """One row a person: where it is from, its box, and x, y, score of each keypoint under the keypoint's name."""

    def __init__(self, path: Path, skeleton: Skeleton) -> None:
        super().__init__(path)
        self._writer = csv.writer(self._file)
        columns = ["source", "frame", "time", "person", "track_id", "score", "x1", "y1", "x2", "y2"]
        columns += [f"{name}_{part}" for name in skeleton.keypoints for part in ("x", "y", "score")]
        self._attempt(lambda: self._writer.writerow(columns))

    def _append(self, frame: Frame, poses: Poses) -> None:
        time = None if frame.time is None else round(frame.time, 6)
        for number, person in enumerate(poses.to_dict()["persons"]):
            row = [frame.source, frame.index, time, number, person["track_id"], person["score"], *person["box"]]
            for point, score in zip(person["keypoints"], person["keypoint_scores"], strict=True):
                row += [*point, score]
            self._writer.writerow(row)


def image_ids(source: Source) -> Callable[[Frame], int]:
    """How COCO results number the pictures of a source.

    By the file names where all of them are different numbers, as COCO's are (000000000139.jpg is 139); else by their
    place in the source, from 0.
    """
    stems = [Path(path).stem for path in (source.paths if isinstance(source, ImageFiles) else ())]
    if stems and all(stem.isascii() and stem.isdigit() for stem in stems) and len(set(map(int, stems))) == len(stems):
        return lambda frame: int(Path(frame.source).stem)
    return lambda frame: frame.index
