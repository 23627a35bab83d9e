"""Faces made unrecognisable, where the keypoints say that they are."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..skeletons import Skeleton
    from .drawable import Drawable

_FACE = {"nose", "eye", "eyes", "ear", "ears", "face", "mouth", "chin", "forehead"}
_HEAD = {"head", "neck"}
# Squares across a blurred face: a person isn't known by so few.
_SQUARES = 6
# A standing person's head has a radius of 0.08 of the height; a box as wide as 0.4 of it has the side (area's root)
# of 0.63 of it.
_LEAST = 0.13
# Ears are half a head's width from the middle, the chin 0.7 of it, hair and its like further.
_REACH = 1.8


def blur_faces(canvas: NDArray[np.uint8], poses: Drawable, seen: NDArray[np.bool_]) -> None:
    """Blur a circle around the face of every person, in place, whether it is seen or only supposed.

    Args:
        canvas: RGB uint8 (H, W, 3).
        poses: the persons.
        seen: (N, K), keypoints to be relied on; of a person who shows none of the face all of its keypoints are used.

    Raises:
        InputError: the skeleton has no keypoints of a face or a head.
    """
    check_faces(poses.skeleton)
    points = list(_face_points(poses.skeleton))
    for person, box in enumerate(poses.boxes):
        sure = poses.keypoints[person, points][seen[person, points]]
        around = sure if len(sure) else poses.keypoints[person, points]
        _blur(canvas, *_circle(around[np.isfinite(around).all(axis=1)], box))


def check_faces(skeleton: Skeleton) -> None:
    """Raises InputError for a skeleton without keypoints of a face or a head."""
    if not _face_points(skeleton):
        raise InputError(f"the skeleton {skeleton.name} has no keypoints of a face: faces can't be blurred")


@cache
def _face_points(skeleton: Skeleton) -> tuple[int, ...]:
    """The keypoints of the face; of skeletons without, those of the head and the neck."""
    words = [set(re.findall("[a-z]+", name.lower())) for name in skeleton.keypoints]
    face = tuple(index for index, parts in enumerate(words) if parts & _FACE)
    return face or tuple(index for index, parts in enumerate(words) if parts & _HEAD)


def _circle(points: NDArray[np.float32], box: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """Centre and radius in pixels."""
    width, height = np.clip(box[2:] - box[:2], 0, 1e6).astype(np.float64)
    least = _LEAST * float(np.sqrt(width * height))
    if not len(points):
        return np.array([box[0] + width / 2, box[1] + least]), least
    centre = np.clip(points, -1e6, 1e6).astype(np.float64).mean(axis=0)
    reach = float(np.linalg.norm(np.clip(points, -1e6, 1e6) - centre, axis=1).max())
    return centre, max(_REACH * reach, least, 2.0)


def _blur(canvas: NDArray[np.uint8], centre: NDArray[np.float64], radius: float) -> None:
    import cv2

    limit = np.array(canvas.shape[1::-1])
    left, top = np.clip(np.floor(centre - radius), 0, limit).astype(int)
    right, bottom = np.clip(np.ceil(centre + radius) + 1, 0, limit).astype(int)
    region = canvas[top:bottom, left:right]
    if not region.size:
        return
    few = cv2.resize(region, (min(_SQUARES, right - left), min(_SQUARES, bottom - top)), interpolation=cv2.INTER_AREA)
    blurred = cv2.resize(few, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    y, x = np.ogrid[top:bottom, left:right]
    inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2
    region[inside] = blurred[inside]
