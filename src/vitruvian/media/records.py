"""Data files of poses: JSON, CSV and COCO results, written picture by picture in constant memory."""

from __future__ import annotations

import csv
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from .._version import __version__
from ..angles import angles, joints
from ..errors import OutputError
from ..io import why_not_written
from .pictures import ImageFiles

if TYPE_CHECKING:
    from ..poses import Poses
    from ..skeletons import Skeleton
    from .frames import Frame, Source

SCHEMA_VERSION = 1
STDOUT = Path("-")


class RecordFile(ABC):
    """A text file that grows picture by picture, from the first one on: without any, what was there before stays.

    The path ``-`` is standard output.

    Errors of writing become OutputError and name the file.
    """

    _file: TextIO

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self._started = False

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append the persons of one picture."""
        with self._output_errors():
            if not self._started:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                # Standard output stays open: the file is a view of it, in UTF-8 wherever it goes.
                target, own = (sys.stdout.fileno(), False) if self.path == STDOUT else (self.path, True)
                # Names of files are any bytes, so not all of them are valid text.
                self._file = open(target, "w", encoding="utf-8", errors="backslashreplace", newline="", closefd=own)  # noqa: SIM115
                self._started = True
                self._start()
            self._append(frame, poses)

    def close(self) -> None:
        """Complete the file; harmless a second time."""
        if not self._started or self._file.closed:
            return
        with self._output_errors(), closing(self._file):
            self._finish()

    @abstractmethod
    def _start(self) -> None:
        """Write what comes before the first picture."""

    @abstractmethod
    def _append(self, frame: Frame, poses: Poses) -> None:
        """Write the persons of one picture."""

    def _finish(self) -> None:  # noqa: B027 (most formats need nothing)
        """Write what the end of the file needs."""

    @contextmanager
    def _output_errors(self) -> Iterator[None]:
        try:
            yield
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
        with_angles: write the joint angles of each person too.
    """

    def __init__(self, path: Path, source: str, skeleton: Skeleton, with_angles: bool = False) -> None:
        super().__init__(path)
        self._with_angles = with_angles
        self._header = {
            "version": SCHEMA_VERSION,
            "generator": f"vitruvian {__version__}",
            "source": source,
            "skeleton": {"name": skeleton.name, "keypoints": skeleton.keypoints, "limbs": skeleton.limbs},
        }

    def _start(self) -> None:
        self._file.write(json.dumps(self._header)[:-1] + ', "frames": [')

    def _append(self, frame: Frame, poses: Poses) -> None:
        height, width = frame.image.shape[:2]
        time = None if frame.time is None else round(frame.time, 6)
        record = {"source": frame.source, "index": frame.index, "time": time, "width": width, "height": height}
        persons = poses.to_dict()["persons"]
        if self._with_angles:
            for person, values in zip(persons, _angles(poses), strict=True):
                person["angles"] = dict(zip(joints(poses.skeleton), values, strict=True))
        self._append_record(record | {"persons": persons})

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

    def _start(self) -> None:
        self._file.write("[")

    def _append(self, frame: Frame, poses: Poses) -> None:
        for record in poses.to_coco(self._image_id(frame)):
            self._append_record(record)

    def _finish(self) -> None:
        self._file.write("\n]\n")


class CsvFile(RecordFile):
    """One row a person: where it is from, its box, and x, y, score of each keypoint under the keypoint's name.

    Args:
        path: the file to write; its folder is made.
        skeleton: what the keypoints are.
        with_angles: write the joint angles too.
    """

    def __init__(self, path: Path, skeleton: Skeleton, with_angles: bool = False) -> None:
        super().__init__(path)
        self._with_angles = with_angles
        self._columns = ["source", "frame", "time", "person", "track_id", "score", "x1", "y1", "x2", "y2"]
        self._columns += [f"{name}_{part}" for name in skeleton.keypoints for part in ("x", "y", "score")]
        self._columns += [f"{name}_angle" for name in joints(skeleton)] if with_angles else []

    def _start(self) -> None:
        self._writer = csv.writer(self._file)
        self._writer.writerow(self._columns)

    def _append(self, frame: Frame, poses: Poses) -> None:
        time = None if frame.time is None else round(frame.time, 6)
        extra = _angles(poses) if self._with_angles else [[] for _ in range(len(poses))]
        for number, (person, values) in enumerate(zip(poses.to_dict()["persons"], extra, strict=True)):
            row = [frame.source, frame.index, time, number, person["track_id"], person["score"], *person["box"]]
            for point, score in zip(person["keypoints"], person["keypoint_scores"], strict=True):
                row += [*point, score]
            self._writer.writerow(row + values)


def _angles(poses: Poses) -> list[list[float | None]]:
    """Degrees of each person's joints, None where they aren't known."""
    return [[None if value != value else round(value, 2) for value in row] for row in angles(poses).tolist()]


def image_ids(source: Source) -> Callable[[Frame], int]:
    """How COCO results number the pictures of a source.

    By the file names where all of them are different numbers, as COCO's are (000000000139.jpg is 139); else by their
    place in the source, from 0.
    """
    stems = [Path(path).stem for path in (source.paths if isinstance(source, ImageFiles) else ())]
    if stems and all(stem.isascii() and stem.isdigit() for stem in stems) and len(set(map(int, stems))) == len(stems):
        return lambda frame: int(Path(frame.source).stem)
    return lambda frame: frame.index
