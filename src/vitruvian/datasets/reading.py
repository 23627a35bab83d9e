"""Annotations of files: COCO-style keypoints (https://cocodataset.org/#format-data), read and checked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..io import read_json
from ..skeletons import Skeleton
from .annotations import Annotations
from .batch_results import as_predictions, is_batch
from .cvat import read_cvat
from .json_records import BOX_SHARE, PLACE, UNREADABLE, boxes_of, is_id, listed, unique
from .prediction_files import as_annotations, is_poses
from .yolo import description, read_yolo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

WANTED = "COCO-style keypoint annotations such as person_keypoints_val2017.json"


def read_annotations(
    source: str | os.PathLike[str] | Mapping[str, Any], boxes_alone: bool = False, split: str = "val"
) -> Annotations:
    """Read the annotations of the category that has keypoints.

    Persons without an ``area``, or with one of 0 or less, get 0.53 of their box, as in CrowdPose's evaluation; persons
    without ``iscrowd`` are no crowd. Persons without labelled keypoints are kept, and count neither as found nor as
    missed.

    Args:
        source: a JSON file, or its content; also a file of `vitruvian predict --json`, see `as_annotations`, the
            folder of a `vitruvian batch` job, the ``data.yaml`` of a YOLO data set, see `read_yolo`, or CVAT's XML, see
            `read_cvat`.
        boxes_alone: don't require keypoints. Without any, the category named person is taken, or the only one.
        split: the split of a YOLO data set: train, val or test.

    Raises:
        InputError: no such file, no JSON, no keypoints, ids that occur twice or don't exist, numbers not finite.
    """
    name = "the annotations" if isinstance(source, Mapping) else os.fspath(source)
    data = source if isinstance(source, Mapping) else read_content(source, split)
    if isinstance(data, list):
        raise InputError(
            f"{name} is a list, such as COCO's results, which name no pictures; give {WANTED}, or what vitruvian "
            "predict --json or --coco with --coco-mode dataset writes"
        )
    for key in ("images", "annotations", "categories"):
        if not isinstance(data, Mapping) or not isinstance(data.get(key), list):
            raise InputError(f"{name} has no list {key!r}; give {WANTED}")
        if not all(isinstance(record, Mapping) for record in data[key]):
            raise InputError(f"{name}: its list {key!r} has entries that are no objects; give {WANTED}")
    images = _images(name, data["images"])
    category, skeleton, notes = _category(name, data["categories"], boxes_alone)
    notes = [*map(str, data.get("notes") or ()), *notes]
    persons = [record for record in data["annotations"] if record.get("category_id") == category]
    found = _persons(name, images, category, skeleton, persons, notes)
    unreadable = data.get(UNREADABLE)
    if isinstance(unreadable, list) and unreadable:
        found = replace(
            found, notes=(*found.notes, unreadable_note(unreadable)), unreadable=tuple(map(str, unreadable))
        )
    if not boxes_alone and not found.counted.any():
        raise InputError(f"{name}: none of its {len(found)} persons has labelled keypoints to measure by, or to learn")
    return found


def unreadable_note(files: Sequence[str]) -> str:
    """The note about pictures that are missing or damaged."""
    return f"{len(files)} pictures can't be read, and are left out: {listed(files)}"


def read_content(path: str | os.PathLike[str], split: str = "val") -> Any:
    """A file's content in COCO's format, unchecked. Raises InputError as `read_annotations` does."""
    if is_batch(path):
        return as_annotations(os.fspath(path), as_predictions(path))
    if (described := description(path)) is not None:
        return read_yolo(described, split)
    if os.fspath(path).lower().endswith(".xml"):
        return read_cvat(path)
    data = read_json(path, WANTED)
    return as_annotations(os.fspath(path), data) if is_poses(data) else data


def _images(name: str, records: Sequence[Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    for record in records:
        if not is_id(record.get("id")) or not isinstance(record.get("file_name"), str):
            raise InputError(f"{name}: an image needs an integer id and a file_name; this has not: {dict(record)}")
    unique((record["id"] for record in records), f"{name}: the image ids")
    return {record["id"]: record for record in records}


def _category(name: str, records: Sequence[Mapping[str, Any]], boxes_alone: bool) -> tuple[int, Skeleton, list[str]]:
    having = [record for record in records if record.get("keypoints")]
    if boxes_alone and not having:
        # COCO's instances have eighty categories, and keypoints in a file of their own.
        having = [record for record in records if record.get("name") == "person"] or list(records)[: len(records) == 1]
        if not having:
            raise InputError(f"{name}: no category is called person; give COCO-style annotations of persons")
    if not having:
        raise InputError(
            f"{name}: no category names its keypoints, so these are no keypoint annotations; give {WANTED}"
        )
    chosen = next((record for record in having if record.get("name") == "person"), having[0])
    notes = [f"only the category {chosen.get('name')!r} is measured"] if len(having) > 1 else []
    try:
        names = tuple(map(str, chosen.get("keypoints") or ()))
        limbs = tuple((int(first) - 1, int(second) - 1) for first, second in chosen.get("skeleton") or ())
        sigmas = tuple(float(sigma) for sigma in chosen.get("sigmas") or ())
        pairs = tuple((names.index(left), names.index(right)) for left, right in chosen.get("flip_pairs") or ())
        number = int(chosen["id"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name}: the category {chosen.get('name')!r} can't be read: {error}") from None
    if any(not 0 <= end < len(names) for limb in limbs for end in limb):
        raise InputError(f"{name}: the skeleton joins keypoints that don't exist; it counts from 1 to {len(names)}")
    if sigmas and (len(sigmas) != len(names) or not all(0 < sigma < np.inf for sigma in sigmas)):
        raise InputError(f"{name}: {len(names)} keypoints need as many sigmas, above 0, not {list(sigmas)}")
    return number, Skeleton(str(chosen.get("name", "person")), names, limbs, sigmas, pairs), notes


def _persons(
    name: str,
    images: Mapping[int, Mapping[str, Any]],
    category: int,
    skeleton: Skeleton,
    records: Sequence[Mapping[str, Any]],
    notes: list[str],
) -> Annotations:
    for record in records:
        if not is_id(record.get("id")):
            raise InputError(f"{name}: an annotation's id is {record.get('id')!r}; it must be an integer")
        if not is_id(record.get("image_id")) or record["image_id"] not in images:
            raise InputError(
                f"{name}: annotation {record['id']} is of image {record.get('image_id')!r}, which isn't there"
            )
    unique((record["id"] for record in records), f"{name}: the annotation ids")
    crowd = np.array([bool(record.get("iscrowd")) for record in records], bool)
    keypoints = _keypoints(name, records, crowd, len(skeleton))
    boxes = boxes_of(records, lambda row: f"{name}: annotation {records[row]['id']}")
    visible = (keypoints[..., 2] > 0).sum(axis=1)
    labelled = _column(name, records, "num_keypoints", visible).astype(np.int64)
    areas = _column(name, records, "area", boxes[:, 2:].prod(axis=1) * BOX_SHARE)
    missing = sum(record.get("area") is None for record in records)
    if missing:
        notes.append(
            f"{missing} persons have no area; {BOX_SHARE} x box area is used instead (normal for YOLO and CVAT)"
        )
    empty = (areas <= 0) & (boxes[:, 2:] > 0).all(axis=1)
    if empty.any():
        notes.append(f"{int(empty.sum())} persons have an area of 0 or less; {BOX_SHARE} x box area is used instead")
        areas = np.where(empty, boxes[:, 2:].prod(axis=1) * BOX_SHARE, areas)
    disagree = int((labelled != visible)[~crowd].sum())
    if disagree:
        notes.append(f"num_keypoints of {disagree} persons isn't the number of their labelled keypoints; it is kept")
    return Annotations(
        name,
        images,
        category,
        skeleton,
        np.array([record["id"] for record in records], np.int64),
        np.array([record["image_id"] for record in records], np.int64),
        keypoints,
        boxes,
        areas,
        crowd,
        labelled,
        _heads(name, records),
        _keypoint_scores(name, records, len(skeleton)),
        _column(name, records, "score", np.ones(len(records))),
        tuple(notes),
        tuple(str(record[PLACE]) for record in records) if all(PLACE in record for record in records) else (),
    )


def _keypoints(name: str, records: Sequence[Mapping[str, Any]], crowd: NDArray[np.bool_], count: int) -> Array:
    """float64 (T, K, 3); zeros for crowds and for persons without labelled keypoints."""
    rows = []
    for record, many in zip(records, crowd, strict=True):
        row = record.get("keypoints") or [0] * 3 * count
        if not isinstance(row, list):
            raise InputError(f"{name}: annotation {record['id']} has {row!r} as keypoints; a list of numbers is needed")
        if len(row) != 3 * count and not many:
            raise InputError(
                f"{name}: annotation {record['id']} has {len(row)} numbers as keypoints; "
                f"the category's {count} keypoints need {3 * count}: x, y, visibility of each"
            )
        rows.append(row if len(row) == 3 * count else [0] * 3 * count)
    try:
        keypoints = np.array(rows, float).reshape(len(records), count, 3)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name}: its keypoints are no numbers: {error}") from None
    bad = ~np.isfinite(keypoints).all(axis=(1, 2))
    if bad.any():
        numbers = listed([records[row]["id"] for row in np.flatnonzero(bad).tolist()])
        raise InputError(f"{name}: the keypoints of annotation {numbers} aren't finite")
    return keypoints


def _column(name: str, records: Sequence[Mapping[str, Any]], field: str, default: NDArray[Any]) -> Array:
    """A number of each annotation, float64 (T,); `default` (T,) where it has none."""
    try:
        rows = zip(records, default.tolist(), strict=True)
        values = np.array([own if record.get(field) is None else record[field] for record, own in rows], float)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name}: the field {field} of an annotation is no number: {error}") from None
    if not np.isfinite(values).all():
        number = records[int((~np.isfinite(values)).argmax())]["id"]
        raise InputError(f"{name}: the {field} of annotation {number} isn't finite")
    return values


def _heads(name: str, records: Sequence[Mapping[str, Any]]) -> Array:
    unknown = [np.nan] * 4
    try:
        return np.array([record.get("head_box") or unknown for record in records], float).reshape(-1, 4)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name}: a head_box must be four numbers x1, y1, x2, y2: {error}") from None


def _keypoint_scores(name: str, records: Sequence[Mapping[str, Any]], count: int) -> Array:
    try:
        scores = np.array([record.get("keypoint_scores") or [1.0] * count for record in records], float)
        scores = scores.reshape(len(records), count)
        if not ((scores >= 0) & (scores <= 1)).all():
            raise ValueError("one is out of range")
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name}: keypoint_scores must be {count} numbers in 0..1: {error}") from None
    return scores
