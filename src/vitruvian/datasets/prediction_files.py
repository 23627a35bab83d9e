"""Prediction files of `vitruvian predict --json`, read as annotations: a teacher's poses to train on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from .._version import __version__
from ..errors import InputError
from ..media.records import SCHEMA_VERSION
from ..poses import RESCORING_THRESHOLD, Poses
from .json_records import BOX_SHARE, unique
from .locations import SOURCE_PATH

if TYPE_CHECKING:
    from .annotations import Annotations


def is_poses(data: Any) -> bool:
    """Whether a file's content is that of `vitruvian predict --json`."""
    return isinstance(data, Mapping) and "frames" in data and "annotations" not in data


def as_annotations(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Convert predictions to COCO's format, with keypoint scores; a keypoint that scores 0.2 or less is not labelled.

    A picture's name is its path below the folder that was given to `predict`, or below the one that holds all pictures.

    Args:
        name: the file, for messages.
        data: its content, see docs/output.md.

    Raises:
        InputError: something is missing or of another type, or the poses are a video's.
    """
    try:
        skeleton = data["skeleton"]
        names = _names([str(frame["source"]) for frame in data["frames"]], str(data["source"]))
        images: list[dict[str, Any]] = [
            {"id": number, "file_name": own, SOURCE_PATH: frame["source"]}
            | {name: frame[name] for name in ("width", "height")}
            for number, (own, frame) in enumerate(zip(names, data["frames"], strict=True))
        ]
        category = {"id": 1, "name": "person", "keypoints": list(skeleton["keypoints"])}
        category["skeleton"] = [[first + 1, second + 1] for first, second in skeleton["limbs"]]
        persons = list(_persons(data["frames"]))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{name} is not what vitruvian predict --json writes: {error!r}") from None
    if any(frame.get("time") is not None for frame in data["frames"]):
        raise InputError(
            f"{name} has the poses of a video, which aren't read as annotations; save its frames as pictures (such as "
            "ffmpeg -i VIDEO frames/%06d.png), and run predict --json on them"
        )
    unique((image["file_name"] for image in images), f"{name}: the pictures")
    return {"images": images, "categories": [category], "annotations": persons}


def _names(sources: list[str], given: str) -> list[str]:
    """Each picture's path below the folder that was given, or else below the folder that holds all of them."""
    paths, folder = [PurePath(source) for source in sources], PurePath(given)
    if all(path.is_relative_to(folder) and path != folder for path in paths):
        return [str(path.relative_to(folder)) for path in paths]
    try:
        common = os.path.commonpath([path.parent for path in paths])
    except ValueError:  # absolute paths among relative ones
        return [path.name for path in paths]
    return [str(path.relative_to(common)) for path in paths]


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


def as_poses(truth: Annotations, source: str = ".") -> dict[str, Any]:
    """Convert annotations to the format of `vitruvian predict --json` (docs/output.md); crowds are left out.

    Keypoints that aren't labelled score 0, the others what the annotations say, 1 without scores.

    Args:
        truth: the annotations.
        source: the folder of the pictures.
    """
    scores = truth.keypoint_scores * (truth.keypoints[..., 2] > 0)
    frames = []
    for index, (record, rows) in enumerate(zip(truth.images.values(), truth.by_picture, strict=True)):
        own = rows[~truth.crowd[rows]]
        boxes, sure = truth.xyxy[own].astype(np.float32), truth.confidences[own].astype(np.float32)
        points = truth.keypoints[own, :, :2].astype(np.float32)
        poses = Poses(boxes, sure, points, scores[own].astype(np.float32), truth.skeleton)
        sides = {side: record.get(side) for side in ("width", "height")}
        place = {"source": os.path.join(source, str(record["file_name"])), "index": index, "time": None, **sides}
        frames.append(place | {"persons": poses.to_dict()["persons"]})
    names, limbs = truth.skeleton.keypoints, truth.skeleton.limbs
    return {
        "version": SCHEMA_VERSION,
        "generator": f"vitruvian {__version__}",
        "source": source,
        "skeleton": {"name": truth.skeleton.name, "keypoints": names, "limbs": limbs},
        "frames": frames,
    }
