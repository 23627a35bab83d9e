"""Boxes of persons in files: COCO annotations or results, CSV tables, and what `vitruvian predict` wrote."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path, PurePath
from typing import Any, Final, NamedTuple

import numpy as np

from ..errors import InputError
from ..geometry import solid
from ..io import read_json
from ..poses import Boxes
from .frames import Frame

_WANTED: Final = (
    "COCO annotations or results (JSON), or a CSV table with the columns x1, y1, x2, y2, and source or frame"
)
_COLUMNS: Final = ("x1", "y1", "x2", "y2")


class _Row(NamedTuple):
    """One box: the picture's name, its number (an id, or the place in its source), x1 y1 x2 y2, and the score."""

    name: str | None
    number: int | None
    box: list[float]
    score: float


class BoxFile:
    """Boxes of persons by picture, read from a file.

    COCO annotations name their pictures; COCO results number them, as `vitruvian predict --coco` does. A CSV table has
    the columns ``x1``, ``y1``, ``x2``, ``y2`` in pixels, ``source`` (the picture's name), ``frame`` (its place in the
    source, from 0) or both, and maybe ``score``: what ``--csv`` writes is one. What ``--json`` writes is read,
    too. Names are compared by as much of their path as both have; frames of a video by its name and their place.

    Args:
        path: the file.
        score: boxes scored lower are dropped, 0..1; those without a score have 1.
        max_persons: at most so many boxes of a picture, the best scored; None takes all.

    Attributes:
        path: the file.

    Raises:
        InputError: the file can't be read, is of another format, or has a box that isn't finite or has no area.
    """

    def __init__(self, path: str | os.PathLike[str], score: float = 0.0, max_persons: int | None = None) -> None:
        self.path = os.fspath(path)
        self._score = score
        self._max_persons = max_persons
        rows, self._ids = _read(self.path)
        self._boxes = self._checked(rows)
        self._scores = np.array([row.score for row in rows], np.float32)
        self._numbered: dict[int | None, list[int]] = {}
        self._named: dict[tuple[str, ...], dict[int | None, list[int]]] = {}
        for index, row in enumerate(rows):
            places = self._numbered if row.name is None else self._named.setdefault(PurePath(row.name).parts, {})
            places.setdefault(row.number, []).append(index)
        self._ends = _ends(self._named)

    def _checked(self, rows: list[_Row]) -> np.ndarray[Any, np.dtype[np.float32]]:
        try:
            with np.errstate(over="ignore"):
                boxes = np.array([row.box for row in rows], np.float32).reshape(len(rows), 4)
        except (ValueError, TypeError, OverflowError) as error:
            raise InputError(f"{self.path}: every box needs four numbers: {error}") from None
        bad = ~solid(boxes)
        if bad.any():
            row = int(bad.argmax())
            raise InputError(
                f"{self.path}: box {row} is {boxes[row].tolist()}: finite x1 y1 x2 y2 with x2 > x1 and y2 > y1 wanted"
            )
        return boxes

    def of(self, frame: Frame, image_id: Callable[[Frame], int]) -> Boxes | None:
        """The persons of a frame, best score first; None for one that the file doesn't know.

        Args:
            frame: the frame.
            image_id: number of a frame's picture in COCO results, see `vitruvian.media.image_ids`.

        Raises:
            InputError: several pictures of the file may be this one.
        """
        found = self._numbered.get(image_id(frame) if self._ids else frame.index)
        name = self._name_of(frame.source) if found is None else None
        if name is not None:
            places = self._named[name]
            # A picture has another place when it comes in another folder.
            found = places.get(frame.index) if frame.time is not None else [*chain(*places.values())]
        if found is None:
            return None
        rows = np.array(found, np.intp)
        rows = rows[self._scores[rows] >= self._score]
        rows = rows[np.argsort(-self._scores[rows], kind="stable")][: self._max_persons]
        return Boxes(self._boxes[rows], self._scores[rows])

    def _name_of(self, source: str) -> tuple[str, ...] | None:
        parts = PurePath(source).parts
        for first in range(len(parts)):
            end = parts[first:]
            if end in self._named:
                return end
            if end in self._ends:
                name = self._ends[end]
                if name is None:
                    raise InputError(f"{self.path}: several of its pictures are called {'/'.join(end)}, as {source} is")
                return name
        return None


def _ends(names: Mapping[tuple[str, ...], Any]) -> dict[tuple[str, ...], tuple[str, ...] | None]:
    """The ends of all names, and whose they are; None for those of several."""
    found: dict[tuple[str, ...], tuple[str, ...] | None] = {}
    for name in names:
        for first in range(1, len(name)):
            found[name[first:]] = None if name[first:] in found else name
    return found


def _read(path: str) -> tuple[list[_Row], bool]:
    """The boxes of a file, and whether the numbers are ids of pictures, not places in a source."""
    if Path(path).suffix.lower() == ".csv":
        return list(_table(path)), False
    data = read_json(path, _WANTED)
    try:
        if isinstance(data, list):
            return [_Row(None, int(entry["image_id"]), *_boxed(entry)) for entry in data], True
        if "annotations" in data:
            names = {image["id"]: str(image["file_name"]).replace("\\", "/") for image in data["images"]}
            persons = [entry for entry in data["annotations"] if not entry.get("iscrowd")]
            return [_Row(names[entry["image_id"]], None, *_boxed(entry)) for entry in persons], True
        frames = [(str(frame["source"]), int(frame["index"]), frame["persons"]) for frame in data["frames"]]
        return [
            _Row(name, place, person["box"], float(person["score"])) for name, place, them in frames for person in them
        ], False
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{path} has no boxes of persons ({error!r}); give {_WANTED}") from None


def _boxed(entry: Mapping[str, Any]) -> tuple[list[float], float]:
    x, y, width, height = map(float, entry["bbox"])
    return [x, y, x + width, y + height], _in_range(entry.get("score", 1.0))


def _in_range(score: Any) -> float:
    value = float(score)
    if not 0 <= value <= 1:
        raise ValueError(f"a score of {score!r}, where 0..1 is wanted")
    return value


def _table(path: str) -> Iterator[_Row]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            columns = table.fieldnames or ()
            if not {*_COLUMNS} <= {*columns} or not {"source", "frame"} & {*columns}:
                raise InputError(f"{path} has the columns {', '.join(columns) or 'of nothing'}; give {_WANTED}")
            for row in table:
                try:
                    box = [float(row[name]) for name in _COLUMNS]
                    number = int(row["frame"]) if row.get("frame") else None
                    yield _Row(row.get("source") or None, number, box, _in_range(row.get("score") or 1.0))
                except (TypeError, ValueError) as error:
                    raise InputError(f"{path}, line {table.line_num}: {error}") from None
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}; give {_WANTED}") from None
    except (csv.Error, UnicodeError) as error:
        raise InputError(f"{path} can't be read as a CSV table: {error}") from None
