"""Trails of chosen keypoints of tracked persons, drawn onto pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..drawing import PERSONS
from ..drawing.persons import FAR
from ..errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..pictures import Image
    from ..poses import Poses
    from ..skeletons import Skeleton

SECONDS = 1.0
# A trail has at most so many points, however many frames a second has.
LONGEST = 256


def chosen_keypoints(skeleton: Skeleton, words: Sequence[str]) -> list[int]:
    """Indices of the keypoints that are called so, or have the word in their name: "wrist" is both wrists.

    Raises:
        InputError: a word that fits none.
    """
    found: list[int] = []
    for word in words:
        fits = [index for index, name in enumerate(skeleton.keypoints) if name == word or word in name.split("_")]
        if not fits:
            raise InputError(f"no keypoint of {skeleton.name} is a {word!r}; there are {', '.join(skeleton.keypoints)}")
        found += [index for index in fits if index not in found]
    return found


class Trails:
    """The way of chosen keypoints over the last second, in each track's colour. Memory is constant.

    Args:
        skeleton: what the keypoints are.
        words: which keypoints, see `chosen_keypoints`.
        keypoint_score: keypoints scored lower, 0..1, interrupt their trail.

    Raises:
        InputError: a word that fits no keypoint.
    """

    def __init__(self, skeleton: Skeleton, words: Sequence[str], keypoint_score: float = 0.3) -> None:
        self._chosen = chosen_keypoints(skeleton, words)
        self._score = keypoint_score
        self._ways: dict[int, deque[tuple[float, NDArray[np.float32]]]] = {}

    def draw(self, image: Image, poses: Poses, time: float) -> Image:
        """A copy of the next frame, RGB uint8 (H, W, 3) at `time` in seconds, with the trails up to it."""
        self._take(poses, time)
        canvas = np.ascontiguousarray(image).copy()
        width = max(round(min(image.shape[:2]) / 240), 1)
        for number, way in self._ways.items():
            points = np.array([point for _, point in way])
            for column in range(points.shape[1]):
                self._draw_line(canvas, points[:, column], PERSONS[(number - 1) % len(PERSONS)], width)
        return canvas

    def _take(self, poses: Poses, time: float) -> None:
        numbers = [] if poses.track_ids is None else poses.track_ids.tolist()
        points = np.where((poses.scores >= self._score)[..., None], poses.keypoints, np.nan)[:, self._chosen]
        points = np.where(np.abs(points) < FAR, points, np.nan)
        for number, row in zip(numbers, points, strict=False):
            if number:
                self._ways.setdefault(number, deque(maxlen=LONGEST)).append((time, row))
        for number, way in list(self._ways.items()):
            while way and not time - SECONDS <= way[0][0] <= time:
                way.popleft()
            if not way:
                del self._ways[number]

    @staticmethod
    def _draw_line(canvas: Image, points: NDArray[np.float32], colour: tuple[int, int, int], width: int) -> None:
        import cv2

        known = np.isfinite(points).all(axis=1)
        gaps = np.flatnonzero(~known)
        for part in np.split(points, gaps):
            part = part[np.isfinite(part).all(axis=1)]
            if len(part) > 1:
                cv2.polylines(canvas, [np.round(part * 16).astype(np.int32)], False, colour, width, cv2.LINE_AA, 4)
