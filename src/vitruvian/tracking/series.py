"""Time series of a movement, such as a joint's angle: smoothing, speed, and counting of repetitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

# Gaussian weights end here, in deviations.
_REACH = 3.0
# Times of this many samples are fitted at once.
_ROWS = 4096
# Turning points lie this far from the ends of a series' range, if none are given.
_SHARE = 0.3


def smooth_series(times: ArrayLike, values: ArrayLike, width: float = 0.1) -> Array:
    """A series without noise and without lag: (S,), or (S, D) for several at once; see `speed` for the arguments."""
    return _local_lines(*_checked(times, values, width), width)[0]


def speed(times: ArrayLike, values: ArrayLike, width: float = 0.1) -> Array:
    """The change of a series per second, from a line fitted around each time with Gaussian weights.

    Args:
        times: (S,), seconds, increasing.
        values: (S,), such as an angle in degrees, or (S, D), such as the x and y of a keypoint; NaN where unknown.
        width: the deviation of the weights, seconds.

    Returns:
        float64 (S,) or (S, D), in the values' unit per second, with its sign; NaN with fewer than two nearby.

    Raises:
        InputError: times that don't increase, another number of values, or a width that isn't above 0.
    """
    return _local_lines(*_checked(times, values, width), width)[1]


def repetitions(
    times: ArrayLike,
    values: ArrayLike,
    low: float | None = None,
    high: float | None = None,
    *,
    min_range: float = 30.0,
    width: float = 0.1,
) -> Array:
    """When each repetition of a movement ends; how many there are is the length.

    The smoothed series goes below `low` and above `high` in turns, and a repetition ends when it is again where it was
    first: for squats that begin upright, when the knee is straight again. Noise between the two thresholds counts
    nothing.

    Args:
        times: (S,), seconds, increasing.
        values: (S,), such as an angle in degrees; NaN where unknown.
        low, high: thresholds; None takes them from the series, three tenths of its range from either end (the 5th and
            95th percentile, so that a single outlier doesn't count).
        min_range: a series that moves less than this counts none; for thresholds from the series only.
        width: of the smoothing, seconds; it has to be well below the time of one repetition.

    Returns:
        float64 (R,), seconds.

    Raises:
        InputError: as `speed`, or `low` that isn't below `high`.
    """
    seconds, series = _checked(times, values, width)
    if series.ndim != 1:
        raise InputError(f"repetitions are counted in one series (S,), not {series.shape}")
    smoothed = _local_lines(seconds, series, width)[0]
    known = np.flatnonzero(np.isfinite(smoothed) & np.isfinite(series))
    if not len(known):
        return np.zeros(0)
    bottom, top = np.percentile(smoothed[known], [5, 95])
    if (low is None or high is None) and top - bottom < min_range:
        return np.zeros(0)
    low = bottom + _SHARE * (top - bottom) if low is None else low
    high = top - _SHARE * (top - bottom) if high is None else high
    if not low < high:
        raise InputError(f"repetitions: low ({low:g}) must be below high ({high:g})")
    side = np.where(smoothed[known] <= low, -1, np.where(smoothed[known] >= high, 1, 0))
    reached = np.flatnonzero(side)
    turns = reached[1:][np.diff(side[reached]) != 0]
    return seconds[known[turns[1::2]]]


def _checked(times: ArrayLike, values: ArrayLike, width: float) -> tuple[Array, Array]:
    try:
        seconds, series = np.asarray(times, np.float64), np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"a series needs numbers: {error}") from None
    if seconds.ndim != 1 or not np.isfinite(seconds).all() or (np.diff(seconds) <= 0).any():
        raise InputError("the times of a series must be (S,), finite and increasing")
    if series.ndim not in (1, 2) or len(series) != len(seconds):
        raise InputError(f"a series of {len(seconds)} times needs as many values, not {series.shape}")
    if not (np.isfinite(width) and width > 0):
        raise InputError(f"width is {width}; seconds above 0 wanted")
    return seconds, series


def _local_lines(seconds: Array, values: Array, width: float) -> tuple[Array, Array]:
    """Value and slope at each time of the line fitted around it."""
    series = values[:, None] if values.ndim == 1 else values
    known = np.isfinite(series)
    filled = np.where(known, series, 0.0)
    results = np.full((2, *series.shape), np.nan)
    begin = np.searchsorted(seconds, seconds - _REACH * width)
    end = np.searchsorted(seconds, seconds + _REACH * width, side="right")
    for start in range(0, len(seconds), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(seconds)))
        near = begin[rows, None] + np.arange((end[rows] - begin[rows]).max())
        inside = near < end[rows, None]
        near = np.minimum(near, len(seconds) - 1)
        apart = (seconds[near] - seconds[rows, None]) / width
        weights = np.exp(-(apart**2) / 2)[..., None] * (inside[..., None] & known[near])
        powers = apart[..., None] ** np.arange(3)
        m0, m1, m2 = np.einsum("rnd,rnp->prd", weights, powers)
        s0, s1 = np.einsum("rnd,rnp->prd", weights * filled[near], powers[..., :2])
        spread = m0 * m2 - m1**2
        enough = (m0 > 1e-6) & (spread > 1e-9 * m0**2)
        with np.errstate(divide="ignore", invalid="ignore"):
            line = np.where(enough, (m2 * s0 - m1 * s1) / spread, np.where(m0 > 1e-6, s0 / m0, np.nan))
            slope = np.where(enough, (m0 * s1 - m1 * s0) / spread / width, np.nan)
        results[0, rows], results[1, rows] = line, slope
    smoothed, slopes = results.reshape(2, *values.shape)
    return smoothed, slopes
