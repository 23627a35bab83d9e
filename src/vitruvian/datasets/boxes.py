"""Pictures with person boxes, read from annotation files as arrays for training a detector."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .annotations import Annotations
from .json_records import listed
from .persons import DataSource, missing_note, picture_files
from .reading import read_annotations

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class BoxedPictures:
    """P pictures and the T boxes in them, sorted by picture.

    Args:
        files: paths of the pictures.
        ids: int64 (P,), the pictures' ids in their annotations.
        sizes: float64 (P, 2), width and height in pixels as annotated; NaN where unknown.
        ends: int64 (P + 1,): the boxes of picture p are the rows ends[p] to ends[p + 1].
        boxes: float32 (T, 4) xyxy in pixels of their picture.
        confidences: float32 (T,) in 0..1, 1 for annotated boxes, the score for a teacher's boxes.
        crowd: bool (T,), regions of many persons; detections there count neither as right nor as wrong.
        copies: float64 (P,), how often an epoch has each picture.
        notes: what was left out, one sentence each.
    """

    files: NDArray[np.str_]
    ids: NDArray[np.int64]
    sizes: NDArray[np.float64]
    ends: NDArray[np.int64]
    boxes: NDArray[np.float32]
    confidences: NDArray[np.float32]
    crowd: NDArray[np.bool_]
    copies: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, rows: NDArray[np.intp]) -> BoxedPictures:
        """The pictures of an index array, with their boxes."""
        counts = np.diff(self.ends)[rows]
        ends = np.concatenate([[0], np.cumsum(counts)])
        within = np.repeat(self.ends[rows] - ends[:-1], counts) + np.arange(ends[-1])
        pictures = {name: getattr(self, name)[rows] for name in ("files", "ids", "sizes", "copies")}
        boxes = {name: getattr(self, name)[within] for name in ("boxes", "confidences", "crowd")}
        return BoxedPictures(ends=ends, notes=self.notes, **pictures, **boxes)

    def box_rows(self, row: int) -> slice:
        """The rows of the boxes of picture `row`."""
        return slice(int(self.ends[row]), int(self.ends[row + 1]))


def read_boxes(sources: Sequence[DataSource]) -> BoxedPictures:
    """Read the pictures and person boxes of data sets; pictures without persons are negative examples.

    Raises:
        InputError: a file can't be used, or no person has both a box and a picture.
    """
    if not sources:
        raise InputError("no data: give annotations and the folder of their images")
    parts = [
        _pictures(source, read_annotations(source.annotations, boxes_alone=True, split=source.split))
        for source in sources
    ]
    names = ("files", "ids", "sizes", "boxes", "confidences", "crowd", "copies")
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    ends = np.concatenate([[0], np.cumsum(np.concatenate([np.diff(part.ends) for part in parts]))])
    found = BoxedPictures(ends=ends, notes=tuple(note for part in parts for note in part.notes), **columns)
    if not (~found.crowd).any():
        raise InputError(f"{listed([source.annotations for source in sources])}: no person has a box and a picture")
    return found


def _pictures(source: DataSource, truth: Annotations) -> BoxedPictures:
    files = picture_files(source, truth)
    there = np.array([os.path.isfile(file) for file in files], bool)
    if not there.any():
        raise InputError(f"{source.folder} has none of the images of {source.annotations}; is this their folder?")
    notes = missing_note(source, [file for file, known in zip(files, there.tolist(), strict=True) if not known])
    sizes = np.array([_size(record) for record in truth.images.values()], float).reshape(-1, 2)
    solid = np.all(truth.boxes[:, 2:] > 0, axis=1)
    if flat := int((~solid).sum()):
        notes.append(f"{source.annotations}: {flat} boxes have no area, and are left out")
    pictures, rows = truth.pictures, np.flatnonzero(solid)
    rows = rows[np.argsort(pictures[rows], kind="stable")]
    found = BoxedPictures(
        np.array(files, np.str_),
        np.array(list(truth.images), np.int64),
        sizes,
        np.searchsorted(pictures[rows], np.arange(len(files) + 1)),
        truth.xyxy[rows].astype(np.float32),
        np.clip(truth.confidences[rows], 0, 1).astype(np.float32),
        truth.crowd[rows],
        np.full(len(files), source.weight),
        tuple(notes),
    )
    return found[np.flatnonzero(there)]


def _size(record: Any) -> tuple[float, float]:
    width, height = record.get("width"), record.get("height")
    known = all(isinstance(side, (int, float)) and 0 < side < np.inf for side in (width, height))
    return (float(width), float(height)) if known else (np.nan, np.nan)
