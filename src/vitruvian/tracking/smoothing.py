"""Smoothing of keypoints: a One-Euro filter online, and local regression without lag offline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..poses import Poses

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

# Between two frames without a usable time.
FRAME_SECONDS = 1 / 30
# Gaussian weights end here, in deviations.
REACH = 3.0


@dataclass(frozen=True)
class SmoothingSettings:
    """Settings of `Smoother` and `smooth`. Speeds are in body heights per second, so that they fit any video.

    Args:
        still: cut-off frequency, Hz, of a keypoint at rest: the lower, the steadier.
        moving: what each height per second adds to it, Hz: the higher, the less a fast keypoint lags.
        speed: cut-off frequency, Hz, of the speed itself.
        score: keypoint score from which a measurement counts in full; a lower one moves the keypoint less.
        patience: seconds after which a person who wasn't seen starts anew.
        width: of `smooth`, the deviation of the Gaussian weights, seconds.
        gap: of `smooth`, the longest gap that is filled, seconds.

    Raises:
        InputError: a value that isn't above 0 (`moving`, `gap`: not below).
    """

    still: float = 0.5
    moving: float = 10.0
    speed: float = 2.0
    score: float = 0.5
    patience: float = 1.0
    width: float = 0.08
    gap: float = 0.25

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if not (math.isfinite(value) and (value > 0 or (value == 0 and name in ("moving", "gap")))):
                raise InputError(f"smoothing: {name} is {value}; a number above 0 wanted")


class Smoother:
    """Steadies the keypoints of tracked persons, frame by frame, each keypoint for itself.

    The One-Euro filter (Casiez, Roussel, Vogel, CHI 2012): a low-pass filter whose cut-off frequency rises with the
    speed, here in body heights per second, so that a person at rest is steady and a fast one isn't late.
    """

    def __init__(self, settings: SmoothingSettings | None = None) -> None:
        self.settings = settings or SmoothingSettings()
        self._numbers = np.zeros(0, np.int64)
        self._points = np.zeros((0, 0, 2))
        self._speeds = np.zeros((0, 0, 2))
        self._seen = np.zeros(0)
        self._clock = 0.0
        self._time: float | None = None

    def update(self, poses: Poses, time: float | None = None) -> Poses:
        """The persons with steadier keypoints; one without a number stays as it is.

        Args:
            poses: persons of the next frame, with `Poses.track_ids`; scores, boxes and order stay. A keypoint that
                isn't finite stays so.
            time: seconds; None, and a time that stands still or runs back, count as 1/30 s.

        Raises:
            InputError: poses without track_ids.
        """
        if poses.track_ids is None:
            raise InputError("smoothing needs to know who is who: track first (track=True, --track)")
        seconds = self._elapsed(time)
        self._clock += seconds
        self._forget(poses.keypoints.shape[1])
        rows = np.flatnonzero(poses.track_ids > 0)
        numbers = poses.track_ids[rows]
        measured = poses.keypoints[rows].astype(np.float64)
        at = np.searchsorted(self._numbers, numbers)
        known = at < len(self._numbers)
        known[known] = self._numbers[at[known]] == numbers[known]
        points, speeds = measured.copy(), np.zeros_like(measured)
        if known.any():
            scores = np.clip(np.nan_to_num(poses.scores[rows[known]].astype(np.float64)) / self.settings.score, 0, 1)
            passed = self._clock - self._seen[at[known]]
            points[known], speeds[known] = self._filtered(
                (self._points[at[known]], self._speeds[at[known]]),
                measured[known],
                scores[..., None],
                _heights(poses.boxes[rows[known]])[:, None, None],
                passed[:, None, None],
            )
        self._keep(numbers, points, speeds)
        keypoints = poses.keypoints.copy()
        keypoints[rows] = np.where(np.isfinite(measured), points, measured)
        return replace(poses, keypoints=keypoints)

    def _filtered(
        self, before: tuple[Array, Array], measured: Array, trust: Array, height: Array, seconds: Array
    ) -> tuple[Array, Array]:
        """New points and speeds, in pixels and in heights per second."""
        points, speeds = before
        settings = self.settings
        # What isn't measured stays where it was; what was never measured starts here.
        known, here = np.isfinite(points), np.isfinite(measured)
        step = np.where(known & here, measured - points, 0.0)
        # The speed is that between filtered and measured point: the measured ones alone differ by noise.
        speeds = speeds + _weight(settings.speed, seconds) * trust * (step / (height * seconds) - speeds)
        weight = _weight(settings.still + settings.moving * np.abs(speeds), seconds) * trust
        moved = points + weight * step
        return np.where(known, moved, measured), speeds

    def _elapsed(self, time: float | None) -> float:
        before, self._time = self._time, time if time is not None and math.isfinite(time) else None
        if before is None or self._time is None or self._time <= before:
            return FRAME_SECONDS
        return self._time - before

    def _forget(self, count: int) -> None:
        stay = self._clock - self._seen <= self.settings.patience
        if self._points.shape[1] != count:
            stay[:] = False
            self._points = self._speeds = np.zeros((len(stay), count, 2))
        self._numbers, self._seen = self._numbers[stay], self._seen[stay]
        self._points, self._speeds = self._points[stay], self._speeds[stay]

    def _keep(self, numbers: NDArray[np.int64], points: Array, speeds: Array) -> None:
        """Those of this frame, and those of before who aren't in it, in the order of their numbers."""
        rest = ~np.isin(self._numbers, numbers)
        joined = np.concatenate([self._numbers[rest], numbers])
        order = np.argsort(joined, kind="stable")
        self._numbers = joined[order]
        self._points = np.concatenate([self._points[rest], points])[order]
        self._speeds = np.concatenate([self._speeds[rest], speeds])[order]
        self._seen = np.concatenate([self._seen[rest], np.full(len(numbers), self._clock)])[order]


def smooth(frames: Sequence[Poses], times: ArrayLike, settings: SmoothingSettings | None = None) -> list[Poses]:
    """All frames of a video with steadier keypoints, without lag: each is estimated from before and after it.

    A quadratic is fitted to each keypoint over time, around each frame, by least squares with weights that fall with
    distance and rise with the keypoint's score: with equal times and scores, a Savitzky-Golay filter with Gaussian
    weights. A person who is missing between two frames at most `SmoothingSettings.gap` apart is filled in, box and
    scores by linear interpolation. Persons without a number stay as they are and
    come first, the others in the order of their numbers.

    Args:
        frames: the persons of each of T frames, with `Poses.track_ids`.
        times: (T,), seconds, rising.
        settings: of which `score`, `width` and `gap` count here.

    Raises:
        InputError: poses without track_ids, or times that don't rise.
    """
    settings = settings or SmoothingSettings()
    seconds = np.asarray(times, np.float64)
    if seconds.shape != (len(frames),) or not (np.isfinite(seconds).all() and (np.diff(seconds) > 0).all()):
        raise InputError(
            f"smoothing {len(frames)} frames needs as many times in seconds, each later than the one before"
        )
    ids = [poses.track_ids for poses in frames if poses.track_ids is not None]
    if len(ids) < len(frames):
        raise InputError("smoothing needs to know who is who: track first (track=True, --track)")
    result = [[poses[numbers <= 0]] for poses, numbers in zip(frames, ids, strict=True)]
    where: dict[int, list[tuple[int, int]]] = {}
    for at, numbers in enumerate(ids):
        for at_row in np.flatnonzero(numbers > 0).tolist():
            where.setdefault(int(numbers[at_row]), []).append((at, at_row))
    for number, places in sorted(where.items()):
        seen_in = np.array([frame for frame, _ in places])
        person = Poses.concatenate([frames[frame][row] for frame, row in places])
        for part in np.split(np.arange(len(places)), np.flatnonzero(np.diff(seconds[seen_in]) > settings.gap) + 1):
            first, last = int(seen_in[part[0]]), int(seen_in[part[-1]])
            steady = _regress(person[part], seconds[seen_in[part]], seconds[first : last + 1], number, settings)
            for row, others in enumerate(result[first : last + 1]):
                others.append(steady[row])
    return [Poses.concatenate(persons) for persons in result]


def _regress(person: Poses, seen: Array, wanted: Array, number: int, settings: SmoothingSettings) -> Poses:
    """A person, seen at `seen` (S,), at the times `wanted` (T,)."""
    points = person.keypoints.astype(np.float64)
    usable = np.asarray(np.isfinite(points).all(axis=2))
    weights = np.where(usable, np.clip(np.nan_to_num(person.scores) / settings.score, 1e-3, 1), 0.0)
    values = np.where(usable[..., None], points, 0.0)
    keypoints = np.full((len(wanted), *points.shape[1:]), np.nan)
    for row, time in enumerate(wanted):
        apart = (seen - time) / settings.width
        near = np.flatnonzero(np.abs(apart) <= max(REACH, settings.gap / settings.width))
        keypoints[row] = _quadratic(apart[near], values[near], weights[near])
    lines = np.concatenate([person.boxes, person.box_scores[:, None], np.nan_to_num(person.scores)], axis=1)
    drawn = np.stack([np.interp(wanted, seen, column) for column in lines.T], axis=1).astype(np.float32)
    return Poses(
        drawn[:, :4],
        drawn[:, 4],
        keypoints.astype(np.float32),
        drawn[:, 5:],
        person.skeleton,
        np.full(len(wanted), number, np.int64),
    )


def _quadratic(apart: Array, values: Array, weights: Array) -> Array:
    """The value at 0, (K, 2), of the quadratics nearest to values (S, K, 2) at `apart` (S,); NaN without any."""
    bell = weights * np.exp(-(apart**2) / 2)[:, None]
    powers = apart[:, None] ** np.arange(5)
    moments = np.einsum("sk,sp->kp", bell, powers)
    normal = moments[:, [[0, 1, 2], [1, 2, 3], [2, 3, 4]]]
    # With few points around, the curve becomes a line and then a mean.
    normal = normal + np.diag([1e-12, 1e-6, 1e-3])
    right = np.einsum("sk,sp,skc->kpc", bell, powers[:, :3], values)
    result: Array = np.linalg.solve(normal, right)[:, 0]
    result[moments[:, 0] < 1e-9] = np.nan
    return result


def _weight(cutoff: float | Array, seconds: Array) -> Array:
    """The weight of a new measurement in a first-order low-pass filter."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * seconds))


def _heights(boxes: NDArray[np.float32]) -> Array:
    heights = boxes[:, 3].astype(np.float64) - boxes[:, 1]
    return np.where(np.isfinite(heights), np.maximum(heights, 1.0), 1.0)
