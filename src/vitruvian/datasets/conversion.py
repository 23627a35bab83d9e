"""Conversion of annotations between COCO keypoints, YOLO-pose, CVAT's XML and prediction files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from ..errors import InputError
from ..io import write_file
from .annotations import Annotations
from .cvat import write_cvat
from .prediction_files import as_poses
from .reading import read_annotations
from .yolo import SPLITS, description, splits, write_yolo

Format = Literal["coco", "yolo", "cvat", "poses"]
FORMATS: tuple[Format, ...] = get_args(Format)


def convert(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    to: Format | None = None,
    images: str | os.PathLike[str] | None = None,
    split: str = "train",
    allow_outside: bool = False,
    overwrite: bool = False,
) -> tuple[Annotations, list[str]]:
    """Convert the persons of one category.

    Args:
        source: a file that `read_annotations` reads.
        output: the file to write, or for YOLO the folder.
        to: "coco" (keypoints), "yolo", "cvat" or "poses" (as `vitruvian predict --json` writes); None takes coco for
            .json, cvat for .xml, and yolo for a name without a suffix.
        images: the folder of the pictures; YOLO data sets get copies of them.
        split: the split of a YOLO data set, read or written.
        allow_outside: see `picture_paths`.
        overwrite: replace a split of a YOLO data set; files are replaced in any case.

    Returns:
        The annotations, and what was assumed, changed or left out, one sentence each.

    Raises:
        InputError: a file can't be read, or an argument isn't known.
        OutputError: a file can't be written.
    """
    chosen = to or _format_of(Path(output))
    if chosen not in FORMATS:
        raise InputError(f"the format to write is {chosen!r}; it can be {', '.join(FORMATS)}")
    if split not in SPLITS:
        raise InputError(f"the split is {split!r}; it can be {', '.join(SPLITS)}")
    truth = read_annotations(source, boxes_alone=True, split=split)
    writers: dict[Format, Callable[[], list[str]]] = {
        "coco": lambda: _write_json(as_coco(truth), output),
        "poses": lambda: _write_json(as_poses(truth, os.fspath(images or ".")), output),
        "cvat": lambda: write_cvat(truth, output),
        "yolo": lambda: write_yolo(truth, output, images, split, allow_outside, overwrite),
    }
    return truth, [*truth.notes, *_other_splits(source, split), *writers[chosen]()]


def _other_splits(source: str | os.PathLike[str], split: str) -> list[str]:
    """A note about the splits of a YOLO data set that aren't converted, if there are any."""
    described = description(source)
    others = [name for name in splits(described) if name != split] if described else []
    more = " or ".join(f"--split {name}" for name in others)
    return [f"only the split {split} of {source} is converted; the others: {more}"] if others else []


def _format_of(output: Path) -> Format:
    formats: dict[str, Format] = {".json": "coco", ".xml": "cvat", "": "yolo"}
    suffix = "" if output.is_dir() else output.suffix.lower()
    if suffix not in formats:
        raise InputError(f"{output}: say which format to write, {', '.join(FORMATS)} (--to)")
    return formats[suffix]


def _write_json(content: dict[str, Any], output: str | os.PathLike[str]) -> list[str]:
    write_file(Path(output), f"{json.dumps(content)}\n".encode())
    return []


def as_coco(truth: Annotations) -> dict[str, Any]:
    """Annotations in COCO's keypoint format (https://cocodataset.org/#format-data), without segmentations.

    Confidences that aren't 1 are kept, as ``score`` and ``keypoint_scores``; a skeleton's pairs as ``flip_pairs``.
    """
    skeleton = truth.skeleton
    name = truth.skeleton.name
    category: dict[str, Any] = {"id": truth.category, "name": name, "supercategory": name}
    if len(skeleton):
        category |= {"keypoints": list(skeleton.keypoints), "skeleton": [[a + 1, b + 1] for a, b in skeleton.limbs]}
    if skeleton.pairs:
        category["flip_pairs"] = [[skeleton.keypoints[a], skeleton.keypoints[b]] for a, b in skeleton.pairs]
    if skeleton.sigmas:
        category["sigmas"] = list(skeleton.sigmas)
    content = truth.to_coco()
    fields = ("id", "file_name", "width", "height")
    content["images"] = [{name: record[name] for name in fields if name in record} for record in truth.images.values()]
    content["categories"] = [category]
    unsure = np.flatnonzero(truth.confidences != 1).tolist()
    weighed = np.flatnonzero((truth.keypoint_scores != 1).any(axis=1)).tolist() if len(skeleton) else []
    for row in unsure:
        content["annotations"][row]["score"] = float(truth.confidences[row])
    for row in weighed:
        content["annotations"][row]["keypoint_scores"] = truth.keypoint_scores[row].tolist()
    if not len(skeleton):
        for record in content["annotations"]:
            del record["keypoints"], record["num_keypoints"]
    return content
