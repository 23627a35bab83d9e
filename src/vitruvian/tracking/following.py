"""Persons followed between detections: when to detect, and boxes from the keypoints of the frame before."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ..errors import InputError
from ..geometry import solid
from ..poses import Boxes, Poses
from .association import DEFAULT_SIGMA, JOINT_SCORE, JOINTS
from .cuts import CutDetector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    Array = NDArray[np.float64]

DetectEvery: TypeAlias = int | Literal["auto"]
"""Detection on every n-th frame, or where enough has moved."""

# "auto" detects when this share of a thumbnail's cells differs by so many grey levels from the last detection's, and at
# least so often, in seconds; without usable times a frame counts as 1/30 s.
MOVED_SHARE = 0.06
MOVED_LEVELS = 24
LONGEST = 0.4
FRAME_SECONDS = 1 / 30
# Someone is lost whose keypoints' mean score falls to this share of what it was at the detection.
LOST = 0.4
# Two whose keypoints come to be this similar (OKS) are one, who was taken for two.
ONE_PERSON = 0.9
# Someone's way to the next frame is at most so many times that from the frame before.
LONGEST_STEP = 2.0


def check_every(every: DetectEvery) -> DetectEvery:
    """The setting itself. Raises InputError for what is neither a number from 1 nor "auto"."""
    if every == "auto" or (isinstance(every, int) and not isinstance(every, bool) and every >= 1):
        return every
    raise InputError(f"detect_every is {every!r}; a whole number from 1, or auto, wanted (--detect-every N|auto)")


class DetectionSchedule:
    """The frames to detect on: every n-th or where enough moved, the first of a scene, and where time runs back.

    It needs the pictures alone, so that detection can run ahead of poses and tracking.

    Args:
        every: see `DetectEvery`.
    """

    def __init__(self, every: DetectEvery) -> None:
        self._every = check_every(every)
        self._cuts = CutDetector()
        self._then: Image | None = None
        self._passed = 0
        self._seconds = 0.0
        self._time: float | None = None

    def due(self, image: Image, time: float | None = None) -> bool:
        """Whether to detect on this frame, RGB uint8 (H, W, 3) at `time` in seconds; call it for each frame once."""
        cut = self._cuts.is_cut(image)
        step = self._step(time)
        self._passed += 1
        self._seconds += step
        late = self._moved() if self._every == "auto" else self._passed >= self._every
        if self._then is not None and not (cut or late or step <= 0):
            return False
        self._then, self._passed, self._seconds = self._cuts.last, 0, 0.0
        return True

    def _step(self, time: float | None) -> float:
        before, self._time = self._time, time if time is not None and math.isfinite(time) else None
        return FRAME_SECONDS if before is None or self._time is None else self._time - before

    def _moved(self) -> bool:
        if self._then is None or self._cuts.last is None or self._seconds >= LONGEST - 1e-9:
            return True
        change = np.abs(self._cuts.last.astype(np.int16) - self._then).max(axis=2)
        return bool((change > MOVED_LEVELS).mean() > MOVED_SHARE)


class Follower:
    """Boxes of persons on frames without detection, from their keypoints on the frame before.

    Trackers of single persons do it so (BlazePose, arXiv 2006.10204). A box is the mean of two: the detected one, moved
    as far as the median of the keypoints since, and one that keeps the distances to the keypoints' extent that the
    detected one had. The first doesn't follow single keypoints that are wrong, the second follows raised arms.
    Keypoints count where they are sure in both frames.
    """

    def __init__(self) -> None:
        self._detected = self._last = self._before = Poses.empty()
        self._times: tuple[float | None, float | None] = (None, None)

    def start(self, poses: Poses, time: float | None = None) -> None:
        """Take the persons of a frame with detection, with their track_ids, at `time` in seconds."""
        self.seen(poses, time)
        self._detected = poses

    def boxes(self, size: tuple[int, int], time: float | None = None) -> Boxes:
        """Where the persons are on the next frame; those out of the picture are followed no more.

        Args:
            size: (height, width) of the picture.
            time: of that frame, in seconds.
        """
        shift = self._shift(time)
        points = self._last.keypoints + shift[:, None]
        first, second = _sure(self._detected), _sure(self._last)
        common = first & second
        boxes = self._detected.boxes.astype(np.float64)
        moved = boxes + np.tile(_median(points - self._detected.keypoints, common), 2)
        before, now = _extent(self._detected.keypoints, common), _extent(points, common)
        everything = _extent(points, second)
        with np.errstate(invalid="ignore"):
            low = np.minimum(now[:, :2] - np.maximum(before[:, :2] - boxes[:, :2], 0), everything[:, :2])
            high = np.maximum(now[:, 2:] + np.maximum(boxes[:, 2:] - before[:, 2:], 0), everything[:, 2:])
            mean = (moved + np.concatenate([low, high], axis=1)) / 2
        known = common.sum(axis=1) >= JOINTS
        found = np.where(known[:, None], mean, self._last.boxes + np.tile(shift, 2))
        found = np.clip(found, 0, [size[1], size[0]] * 2).astype(np.float32)
        inside = solid(found)
        self._detected, self._last = self._detected[inside], self._last[inside]
        return Boxes(found[inside], self._last.box_scores)

    def kept(self, poses: Poses) -> Poses:
        """The persons of the boxes that `boxes` gave who are still there, each of them once."""
        if not len(poses):
            return poses
        trust, before = _trust(self._detected, poses), _trust(self._detected, self._detected)
        kept = trust >= LOST * before
        for row, other in _pairs(poses, self._detected):
            if kept[row] and kept[other]:
                kept[row if trust[row] < trust[other] else other] = False
        self._detected = self._detected[kept]
        return poses[kept]

    def seen(self, poses: Poses, time: float | None = None) -> None:
        """Take what `kept` gave, with its track_ids, at `time` in seconds."""
        self._before, self._last = self._last, poses
        self._times = self._times[1], time

    def _shift(self, time: float | None) -> Array:
        """How far each person moves until the next frame, if it goes on as from the frame before: (N, 2), pixels.

        0 for those without a number, and for those who weren't there before.
        """
        last, before = self._last, self._before
        shift = np.zeros((len(last), 2))
        if last.track_ids is None or before.track_ids is None:
            return shift
        rows, columns = np.nonzero((last.track_ids[:, None] == before.track_ids) & (last.track_ids[:, None] > 0))
        both = _sure(last)[rows] & _sure(before)[columns]
        moved = _median(last.keypoints[rows] - before.keypoints[columns], both)
        shift[rows] = moved * _time_ratio(*self._times, time)
        return shift


def _sure(poses: Poses) -> NDArray[np.bool_]:
    sure: NDArray[np.bool_] = (poses.scores > JOINT_SCORE) & np.isfinite(poses.keypoints).all(axis=2)
    return sure


def _time_ratio(first: float | None, second: float | None, third: float | None) -> float:
    """How long the second of two steps takes compared with the first, 0..LONGEST_STEP; 1 where that isn't known."""
    if first is None or second is None or third is None or not (first < second < third < math.inf):
        return 1.0
    return min((third - second) / (second - first), LONGEST_STEP)


def _median(moves: NDArray[np.floating], which: NDArray[np.bool_]) -> Array:
    """The median (N, 2) of some of the rows of (N, K, 2); 0 without any."""
    order = np.sort(np.where(which[..., None], moves, np.inf).astype(np.float64), axis=1)
    count = which.sum(axis=1)[:, None, None]
    if not order.size:
        return np.zeros((len(moves), 2))
    low, high = (np.take_along_axis(order, np.maximum(at, 0), axis=1)[:, 0] for at in ((count - 1) // 2, count // 2))
    return np.where(count[:, 0] > 0, (low + high) / 2, 0.0)


def _extent(points: NDArray[np.floating], which: NDArray[np.bool_]) -> Array:
    """Boxes (N, 4) xyxy around some of the keypoints (N, K, 2); infinite without any."""
    low = np.where(which[..., None], points, np.inf).min(axis=1, initial=np.inf)
    high = np.where(which[..., None], points, -np.inf).max(axis=1, initial=-np.inf)
    return np.concatenate([low, high], axis=1).astype(np.float64)


def _trust(detected: Poses, poses: Poses) -> Array:
    """Mean score (N,) of the keypoints that were sure at the detection, of all where none was."""
    sure = _sure(detected)
    sure |= ~sure.any(axis=1, keepdims=True)
    scores = np.nan_to_num(poses.scores.astype(np.float64))
    mean: Array = (scores * sure).sum(axis=1) / np.maximum(sure.sum(axis=1), 1)
    return mean


def _pairs(poses: Poses, detected: Poses) -> list[tuple[int, int]]:
    """Pairs of persons who have become one, and weren't at the detection."""
    now, then = _oks(poses), _oks(detected)
    rows, columns = np.nonzero(np.triu((now > ONE_PERSON) & (then <= ONE_PERSON), 1))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _oks(poses: Poses) -> Array:
    """OKS of each person with each other, (N, N), over the keypoints that are sure in both."""
    points, sure = np.nan_to_num(poses.keypoints.astype(np.float64)), _sure(poses)
    count = points.shape[1]
    own = poses.skeleton.sigmas
    sigmas = np.array(own if len(own) == count else [DEFAULT_SIGMA] * count)
    extent = np.clip(poses.boxes[:, 2:].astype(np.float64) - poses.boxes[:, :2], 1, None)
    area = extent.prod(axis=1)
    both = sure[:, None] & sure[None]
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=3)
    close = np.exp(-squared / (2 * (2 * sigmas) ** 2 * ((area[:, None] + area) / 2)[..., None]))
    shared = both.sum(axis=2)
    return np.where(shared >= JOINTS, (close * both).sum(axis=2) / np.maximum(shared, 1), 0.0)
