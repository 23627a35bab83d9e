"""Speed and repetitions of series whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian import InputError
from vitruvian.tracking import repetitions, smooth_series, speed


def squats(count: int, rate: float = 30, seconds: float = 2.0, noise: float = 0.0, seed: int = 0):
    """The knee's angle in `count` squats from 170 to 80 degrees and back, with rests before and after."""
    times = np.arange(0, count * seconds + 2, 1 / rate)
    phase = np.clip(times - 1, 0, count * seconds) / seconds
    values = 125 + 45 * np.cos(2 * np.pi * phase)
    return times, values + np.random.default_rng(seed).normal(0, noise, len(times))


@pytest.mark.parametrize("count", [0, 1, 7, 40])
@pytest.mark.parametrize("rate", [12, 30, 120])
@pytest.mark.parametrize("noise", [0, 4])
def test_repetitions_are_counted(count, rate, noise):
    times, values = squats(count, rate, noise=noise)
    ends = repetitions(times, values)
    assert len(ends) == count
    # Each ends before the knee is straight again, after the deepest point.
    for number, end in enumerate(ends):
        assert 1 + 2 * number + 1 < end <= 1 + 2 * number + 2


def test_repetitions_that_begin_at_the_bottom_or_are_unfinished():
    times, values = squats(5)
    part = times >= 2.0  # from the bottom of the first on: four times down to it again
    assert len(repetitions(times[part], values[part])) == 4
    part = times < 1 + 2 * 4 + 1.2  # the fifth is at its bottom
    assert len(repetitions(times[part], values[part])) == 4


def test_noise_around_a_threshold_counts_nothing():
    rng = np.random.default_rng(0)
    times = np.arange(0, 20, 1 / 30)
    assert len(repetitions(times, 100 + rng.normal(0, 5, len(times)))) == 0
    once = np.where(times < 10, 170, 110) + rng.normal(0, 8, len(times))
    assert len(repetitions(times, once, low=110, high=150)) == 0
    half = 125 + 20 * np.cos(2 * np.pi * times / 2)  # between the thresholds only
    assert len(repetitions(times, half, low=100, high=150)) == 0
    assert len(repetitions(times, half, low=110, high=140)) == 10


def test_gaps_and_single_outliers_count_nothing_and_lose_nothing():
    rng = np.random.default_rng(1)
    times, values = squats(10, noise=2)
    values[rng.random(len(times)) < 0.2] = np.nan
    values[100:104] = np.nan
    assert len(repetitions(times, values)) == 10
    values[::97] = 0
    assert len(repetitions(times, values, low=100, high=150, width=0.15)) == 10
    assert len(repetitions(times, np.full(len(times), np.nan))) == 0
    assert len(repetitions([], [])) == 0


def test_speed_of_lines_is_exact_even_with_gaps_and_uneven_times():
    times = np.cumsum(np.random.default_rng(2).uniform(0.01, 0.05, 300))
    values = np.stack([3 - 40 * times, 12 * times], axis=1)
    values[50:55] = np.nan
    assert speed(times, values) == pytest.approx(np.tile([-40, 12], (300, 1)), abs=1e-6)
    assert smooth_series(times, values[:, 0])[[0, 52, -1]] == pytest.approx(3 - 40 * times[[0, 52, -1]])


def test_speed_of_a_swing_within_what_the_width_blurs():
    times, values = squats(10, rate=60)
    inner = (times > 1.3) & (times < 20.7)
    truth = -45 * np.pi * np.sin(np.pi * (times - 1))
    # A Gaussian of deviation s damps a frequency w by exp(-(w s)^2 / 2).
    assert speed(times, values, 0.1)[inner] == pytest.approx(truth[inner] * np.exp(-((0.1 * np.pi) ** 2) / 2), abs=2)


def test_speed_of_what_is_not_known():
    assert np.isnan(speed([0, 1, 2], [5, np.nan, np.nan], 0.1)).all()
    assert np.isnan(speed([0], [5])).all()
    assert speed([], []).shape == (0,)


@pytest.mark.parametrize("times", [[0, 0], [1, 0], [0, np.nan], [[0, 1]], [0, 1, 2], ["a", "b"]])
def test_times_that_are_none(times):
    with pytest.raises(InputError, match=r"times|numbers"):
        speed(times, [1, 2])


def test_settings_that_are_none():
    for bad in (0, -1, np.nan):
        with pytest.raises(InputError, match="width"):
            speed([0, 1], [0, 1], bad)
    with pytest.raises(InputError, match="below high"):
        repetitions(*squats(3), low=150, high=100)
    with pytest.raises(InputError, match="one series"):
        repetitions([0, 1], np.zeros((2, 2)))
