"""Inputs of an evaluation: picture files, and the boxes of persons, annotated or from a file of detections."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.annotations import Annotations
from ..datasets.json_records import boxes_of, is_id, is_number, listed
from ..datasets.locations import picture_paths
from ..datasets.persons import folder_of
from ..errors import InputError
from ..geometry import solid
from ..io import read_json
from ..poses import Boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

WANTED = "detections in COCO's results format, a list of image_id, category_id, bbox, score"


@dataclass(frozen=True, eq=False)
class EvaluatedPicture:
    """A picture to evaluate on.

    Args:
        image_id: its id in the annotations.
        path: its file.
        size: (width, height) as annotated; None where unknown.
        boxes: the persons' boxes; None for a detector to find them.
    """

    image_id: int
    path: Path
    size: tuple[int, int] | None
    boxes: Boxes | None


@dataclass(frozen=True, eq=False)
class Detections:
    """Detected boxes of the annotations' category, by image id.

    Args:
        boxes: float32 xyxy in pixels and scores, those of a picture best first.
        problems: parts of the file that can't be used, one sentence each.
    """

    boxes: Mapping[int, Boxes]
    problems: tuple[str, ...] = ()


def read_detections(source: str | os.PathLike[str] | Sequence[Mapping[str, Any]], truth: Annotations) -> Detections:
    """Read detections in the format of the published ``COCO_val2017_detections_AP_H_56_person.json``.

    Other categories, pictures that the annotations don't have, and boxes without an area are left out; `problems`
    has the last two.

    Raises:
        InputError: no such file, no JSON, no list of detections, a number that isn't finite, or no usable detection.
    """
    name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else "the detections"
    records = read_json(source, WANTED) if isinstance(source, (str, os.PathLike)) else source
    if not isinstance(records, Sequence) or not all(isinstance(record, Mapping) for record in records):
        raise InputError(f"{name} is no list of detections; give {WANTED}")
    for number, record in enumerate(records):
        if not is_id(record.get("image_id")) or not is_number(record.get("score")):
            raise InputError(f"{name}: entry {number} needs an integer image_id and a score; give {WANTED}")
    chosen = [
        (number, record) for number, record in enumerate(records) if record.get("category_id", 1) == truth.category
    ]
    xywh = boxes_of([record for _, record in chosen], lambda row: f"{name}: entry {chosen[row][0]}")
    scores = np.array([record["score"] for _, record in chosen], float)
    if not np.isfinite(scores).all():
        raise InputError(
            f"{name}: entry {chosen[int((~np.isfinite(scores)).argmax())][0]} has a score that isn't finite"
        )
    image_ids = np.array([record["image_id"] for _, record in chosen], np.int64)
    known = np.isin(image_ids, list(truth.images))
    with np.errstate(over="ignore"):
        croppable = solid(np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1))
    problems = []
    if not known.all():
        others = np.unique(image_ids[~known]).tolist()
        problems.append(
            f"{name}: {(~known).sum()} detections of images that the annotations don't have: {listed(others)}"
        )
    if not croppable.all():
        problems.append(f"{name}: {(~croppable).sum()} boxes have no area")
    usable = known & croppable
    if not usable.any():
        raise InputError(
            f"{name}: of its {len(records)} detections none is of category {truth.category} "
            f"and of an image of {truth.name}"
        )
    return Detections(_by_image(image_ids[usable], xywh[usable], scores[usable]), tuple(problems))


def _by_image(image_ids: NDArray[np.int64], xywh: NDArray[np.float64], scores: NDArray[np.float64]) -> dict[int, Boxes]:
    xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1).astype(np.float32)
    order = np.lexsort((-scores, image_ids))
    numbers, starts = np.unique(image_ids[order], return_index=True)
    return {
        int(number): Boxes(xyxy[rows], scores[rows].astype(np.float32))
        for number, rows in zip(numbers, np.split(order, starts[1:]), strict=True)
    }


def annotated(truth: Annotations, clip: bool) -> dict[int, Boxes]:
    """The boxes of the counted persons with a score of 1, by image id; see `Procedure.clip_boxes`."""
    xyxy = truth.clipped if clip else truth.xyxy
    usable = truth.counted & solid(xyxy)
    boxes = xyxy.astype(np.float32)
    rows: dict[int, list[int]] = {number: [] for number in truth.images}
    for row in np.flatnonzero(usable).tolist():
        rows[int(truth.image_ids[row])].append(row)
    return {number: Boxes(boxes[own], np.ones(len(own), np.float32)) for number, own in rows.items()}


def gather(
    truth: Annotations,
    folder: str | os.PathLike[str] | None,
    boxes: Mapping[int, Boxes] | None,
    allow_outside: bool = False,
) -> tuple[list[EvaluatedPicture], list[str]]:
    """The pictures whose files exist, and the names of the missing ones.

    Args:
        folder: of the pictures; None for that of a YOLO data set.
        boxes: by image id; pictures without an entry are left out. None if a detector finds them.
        allow_outside: see `picture_paths`.

    Raises:
        InputError: no such folder, a name that leads out of it, or none of the pictures is in it.
    """
    folder = folder_of(truth.name, folder)
    pictures, missing = [], []
    paths = picture_paths(list(truth.images.values()), folder, truth.name, allow_outside)
    for (number, record), file in zip(truth.images.items(), paths, strict=True):
        if boxes is not None and number not in boxes:
            continue
        path = Path(file)
        if not path.is_file():
            missing.append(str(record["file_name"]))
            continue
        sides = record.get("width"), record.get("height")
        size = (int(sides[0]), int(sides[1])) if isinstance(sides[0], int) and isinstance(sides[1], int) else None
        pictures.append(EvaluatedPicture(number, path, size, None if boxes is None else boxes[number]))
    if not pictures:
        raise InputError(f"{folder} has none of the images of {truth.name}, such as {listed(missing)}")
    return pictures, missing
