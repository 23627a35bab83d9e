"""Prediction files of `vitruvian predict --json`, read as annotations: a teacher's poses to train on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from ..errors import InputError
from ..poses import RESCORING_THRESHOLD
from .json_records import BOX_SHARE, unique


def is_poses(data: Any) -> bool:
    """Whether a file's content is that of `vitruvian predict --json`."""
    return isinstance(data, Mapping) and "frames" in data and "annotations" not in data


def as_annotations(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Convert predictions to COCO's format, with keypoint scores; a keypoint that scores 0.2 or less is not labelled.

    A picture's name is its path below the folder that was given to `predict`, or its file name.

    Args:
        name: the file, for messages.
        data: its content, see docs/output.md.

    Raises:
        InputError: something is missing or of another type, or the poses are a video's.
    """
    try:
        skeleton, folder = data["skeleton"], PurePath(data["source"])
        images: list[dict[str, Any]] = [
            {"id": number, "file_name": _name(PurePath(frame["source"]), folder)}
            | {name: frame[name] for name in ("width", "height")}
            for number, frame in enumerate(data["frames"])
        ]
        category = {"id": 1, "name": "person", "keypoints": list(skeleton["keypoints"])}
        category["skeleton"] = [[first + 1, second + 1] for first, second in skeleton["limbs"]]
        persons = list(_persons(data["frames"]))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{name} is not what vitruvian predict --json writes: {error!r}") from None
    if any(frame.get("time") is not None for frame in data["frames"]):
        raise InputError(f"{name}: these are the poses of a video; training reads pictures, so save its frames as such")
    unique((image["file_name"] for image in images), f"{name}: the pictures")
    return {"images": images, "categories": [category], "annotations": persons}


def _name(source: PurePath, folder: PurePath) -> str:
    return str(source.relative_to(folder)) if source.is_relative_to(folder) and source != folder else source.name


def _persons(frames: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The annotations, numbered from 1. Persons without a keypoint above the threshold have ``num_keypoints`` 0."""
    rows = ((number, person) for number, frame in enumerate(frames) for person in frame["persons"])
    for count, (number, person) in enumerate(rows, 1):
        scores = np.array(person["keypoint_scores"], float)
        points = np.array(person["keypoints"], float).reshape(len(scores), 2)
        left, top, right, bottom = map(float, person["box"])
        labelled = scores > RESCORING_THRESHOLD
        yield {
            "id": count,
            "image_id": number,
            "category_id": 1,
            "keypoints": np.column_stack([points, 2 * labelled]).reshape(-1).tolist(),
            "keypoint_scores": scores.tolist(),
            "num_keypoints": int(labelled.sum()),
            "bbox": [left, top, right - left, bottom - top],
            "score": float(person["score"]),
            "area": (right - left) * (bottom - top) * BOX_SHARE,
        }
