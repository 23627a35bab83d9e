"""Data files of poses: JSON, CSV and COCO results, written picture by picture in constant memory."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..angles import MIN_SCORE, angles, joints
from ..errors import OutputError
from ..io import why_not_written
from ..poses import RESCORING_THRESHOLD
from .output_file import is_special
from .pictures import ImageFiles, PictureList

if TYPE_CHECKING:
    from ..poses import Poses
    from ..skeletons import Skeleton
    from .frames import Frame, Source

SCHEMA_VERSION = 1
STDOUT = Path("-")


class RecordFile(ABC):
    """A text file that grows picture by picture, from the first one on: without any, what was there before stays.

    The path ``-`` is standard output. Where writing fails, a file is cut back to the last pictures that fit and is
    complete, or removed if there are none.

    Errors of writing become OutputError and name the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        # What a picture adds, before it is written as a whole.
        self._file = io.StringIO()
        self._raw: io.FileIO | None = None
        self._ends = array("q")
        self._pending = self._closed = False

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append the persons of one picture."""
        with self._output_errors():
            if self._raw is None:
                self._open()
                self._start()
            self._append(frame, poses)
            self._pending = True
            self._flush()
            self._pending = False
            if self._raw is not None and self._raw.seekable():
                self._ends.append(self._raw.tell())

    def close(self) -> None:
        """Complete the file; harmless a second time."""
        if self._raw is None or self._closed:
            return
        self._closed = True
        with self._output_errors(), closing(self._raw):
            self._finish()
            self._flush()

    @abstractmethod
    def _start(self) -> None:
        """Write what comes before the first picture."""

    @abstractmethod
    def _append(self, frame: Frame, poses: Poses) -> None:
        """Write the persons of one picture."""

    def _finish(self) -> None:  # noqa: B027 (most formats need nothing)
        """Write what the end of the file needs."""

    def _drop(self) -> None:  # noqa: B027 (most formats need nothing)
        """Forget the last picture, which didn't fit."""

    def _open(self) -> None:
        if self.path == STDOUT:
            if sys.stdout is None:
                raise OutputError("standard output is closed: give a file")
            sys.stdout.flush()
            self._raw = open(sys.stdout.fileno(), "wb", buffering=0, closefd=False)  # noqa: SIM115
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._raw = open(self.path, "wb", buffering=0)  # noqa: SIM115

    def _flush(self) -> None:
        # Names of files are any bytes, so not all of them are valid text.
        left = memoryview(self._file.getvalue().encode("utf-8", "backslashreplace"))
        self._file = io.StringIO()
        while left and self._raw is not None:
            left = left[self._raw.write(left) :]

    @contextmanager
    def _output_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self._raw is not None and self.path != STDOUT:
                self._cut_back()
            raise OutputError(why_not_written(str(self.path), error)) from None

    def _cut_back(self) -> None:
        """Complete the file with the pictures that fit into what it holds of the disk; remove it if there are none."""
        self._closed = True
        raw = self._raw
        assert raw is not None
        with suppress(OSError), closing(raw):
            if is_special(str(self.path)):
                return
            if self._pending:
                self._drop()
            held = os.fstat(raw.fileno()).st_size
            while self._ends:
                self._file = io.StringIO()
                self._finish()
                tail = len(self._file.getvalue().encode("utf-8", "backslashreplace"))
                if self._ends[-1] + tail <= held:
                    raw.seek(self._ends[-1])
                    self._flush()
                    raw.truncate()
                    return
                self._ends.pop()
                self._drop()
            self.path.unlink()


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
        self._header = header_record(source, skeleton)

    def _start(self) -> None:
        self._file.write(json.dumps(self._header)[:-1] + ', "frames": [')

    def _append(self, frame: Frame, poses: Poses) -> None:
        self._append_record(frame_record(frame, poses, MIN_SCORE if self._with_angles else None))

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


class CocoDataset(_JsonList):
    """COCO's annotation format with images and categories, https://cocodataset.org/#format-data, for CVAT and FiftyOne.

    Keypoints that score 0.2 or less are not labelled, the others visible; all scores are in ``keypoint_scores``.

    Args:
        path: the file to write; its folder is made.
        image_id: the number of a frame's picture.
        source: what the pictures come from; their ``file_name`` is relative to it where it is a folder.
        skeleton: what the keypoints are.
    """

    def __init__(self, path: Path, image_id: Callable[[Frame], int], source: Source, skeleton: Skeleton) -> None:
        super().__init__(path)
        self._image_id, self._source = image_id, source
        limbs = [[first + 1, second + 1] for first, second in skeleton.limbs]
        person = {"id": 1, "name": "person", "supercategory": "person", "keypoints": skeleton.keypoints}
        self._category = {**person, "skeleton": limbs}
        self._images: list[str] = []
        self._before = array("q")

    def _start(self) -> None:
        self._file.write(f'{{"categories": {json.dumps([self._category])}, "annotations": [')

    def _append(self, frame: Frame, poses: Poses) -> None:
        height, width = frame.image.shape[:2]
        number = self._image_id(frame)
        image = {"id": number, "file_name": self._name(frame), "width": width, "height": height}
        self._images.append(json.dumps(image))
        self._before.append(self._written)
        for record in poses.to_coco(number):
            triplets = record.pop("keypoints")
            points, scores = [], triplets[2::3]
            for x, y, score in zip(triplets[::3], triplets[1::3], scores, strict=True):
                points += [x, y, 2] if score > RESCORING_THRESHOLD else [0, 0, 0]
            labelled = sum(score > RESCORING_THRESHOLD for score in scores)
            area = round(record["bbox"][2] * record["bbox"][3], 2)
            more = {"keypoints": points, "num_keypoints": labelled, "keypoint_scores": scores, "area": area}
            self._append_record({"id": self._written + 1, **record, **more, "iscrowd": 0})

    def _name(self, frame: Frame) -> str:
        if self._source.kind != "images":
            return f"frame_{frame.index:06d}.png"
        path = PurePath(frame.source)
        return str(path.relative_to(self._source.name)) if path.is_relative_to(self._source.name) else path.name

    def _drop(self) -> None:
        self._images.pop()
        self._written = self._before.pop()

    def _finish(self) -> None:
        images = ",\n".join(self._images)
        self._file.write(f'\n], "images": [\n{images}\n]}}\n')


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
        self._columns += [*skeleton.columns, *(angle_columns(skeleton) if with_angles else [])]

    def _start(self) -> None:
        csv.writer(self._file).writerow(self._columns)

    def _append(self, frame: Frame, poses: Poses) -> None:
        writer = csv.writer(self._file)
        time = None if frame.time is None else round(frame.time, 6)
        extra = angle_rows(poses) if self._with_angles else [[] for _ in range(len(poses))]
        for number, (person, values) in enumerate(zip(poses.to_dict()["persons"], extra, strict=True)):
            row = [frame.source, frame.index, time, number, person["track_id"], person["score"], *person["box"]]
            for point, score in zip(person["keypoints"], person["keypoint_scores"], strict=True):
                row += [*point, score]
            writer.writerow(row + values)


def header_record(source: str, skeleton: Skeleton) -> dict[str, Any]:
    """What the JSON output says before its frames (docs/output.md)."""
    return {
        "version": SCHEMA_VERSION,
        "generator": f"vitruvian {__version__}",
        "source": source,
        "skeleton": {"name": skeleton.name, "keypoints": skeleton.keypoints, "limbs": skeleton.limbs},
    }


def frame_record(frame: Frame, poses: Poses, angles_from: float | None = None) -> dict[str, Any]:
    """A frame of the JSON output (docs/output.md).

    Args:
        frame: the picture.
        poses: its persons.
        angles_from: write the joint angles, of keypoints scored so, 0..1; None leaves them out.
    """
    height, width = frame.image.shape[:2]
    time = None if frame.time is None else round(frame.time, 6)
    record = {"source": frame.source, "index": frame.index, "time": time, "width": width, "height": height}
    persons = poses.to_dict()["persons"]
    if angles_from is not None:
        for person, values in zip(persons, angle_rows(poses, angles_from), strict=True):
            person["angles"] = dict(zip(joints(poses.skeleton), values, strict=True))
    return record | {"persons": persons}


def angle_columns(skeleton: Skeleton) -> list[str]:
    """The names of the columns of joint angles in tables."""
    return [f"{name}_angle" for name in joints(skeleton)]


def angle_rows(poses: Poses, min_score: float = MIN_SCORE) -> list[list[float | None]]:
    """Degrees of each person's joints, None where they aren't known."""
    return [[None if value != value else round(value, 2) for value in row] for row in angles(poses, min_score).tolist()]


_COCO_NAME = re.compile(r"(?:COCO_[A-Za-z0-9]+_)?([0-9]+)")


def image_ids(source: Source) -> Callable[[Frame], int]:
    """How COCO results number the pictures of a source.

    By the file names where all of them are different numbers, as COCO's are (000000000139.jpg is 139, and so is
    COCO_val2014_000000000139.jpg); else by their place in the source, from 0.
    """
    numbers = _numbers(source)
    if numbers:
        return lambda frame: numbers[frame.source]
    return lambda frame: frame.index


def numbered_by_place(source: Source) -> str:
    """A note where `image_ids` can't number several pictures by their names; empty where it can."""
    if _numbers(source) or (source.kind == "images" and source.length == 1):
        return ""
    if source.kind != "images":
        return "COCO's image_id counts the frames from 0"
    return "COCO's image_id counts the pictures from 0, because not every file name is a number of its own"


def _numbers(source: Source) -> dict[str, int]:
    """The number of each picture's name; empty unless all have one of their own."""
    paths = source.paths if isinstance(source, (ImageFiles, PictureList)) else []
    names = {path: _COCO_NAME.fullmatch(Path(path).stem) for path in paths}
    numbers = {path: int(name[1]) for path, name in names.items() if name and name[1].isascii() and len(name[1]) < 19}
    return numbers if len(set(numbers.values())) == len(paths) else {}
