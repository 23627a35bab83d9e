"""Steady keypoints, against motions whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from persons import numbers, persons

from vitruvian import InputError, Poses
from vitruvian.tracking import Smoother, SmoothingSettings, smooth

RATE = 25
STEP = 1 / RATE


def frames(offsets: np.ndarray, sure: float = 0.9, number: int = 1) -> list[Poses]:
    """One person; keypoints off by `offsets`, (T, 17, 2) or (T, 1, 2)."""
    base = replace(persons((100, 100), sure=sure), track_ids=np.array([number]))
    points = [(base.keypoints + offset).astype(np.float32) for offset in offsets]
    return [replace(base, keypoints=keypoints, scores=base.scores.copy()) for keypoints in points]


def online(given: list[Poses], settings: SmoothingSettings | None = None) -> np.ndarray:
    smoother = Smoother(settings)
    return np.array([smoother.update(poses, at * STEP).keypoints[0] for at, poses in enumerate(given)])


def offline(given: list[Poses], settings: SmoothingSettings | None = None) -> np.ndarray:
    return np.array([poses.keypoints[0] for poses in smooth(given, np.arange(len(given)) * STEP, settings)])


def test_it_is_the_one_euro_filter():
    """One coordinate by the formulas of the paper, box height 80."""
    settings = SmoothingSettings()
    moves = np.cumsum(np.random.default_rng(1).normal(0, 2, (30, 1, 1)), axis=0) * [1, 0]
    given = frames(moves)
    raw = [float(poses.keypoints[0, 0, 0]) for poses in given]
    got = online(given)[:, 0, 0]

    def weight(cutoff: float) -> float:
        tau = 1 / (2 * np.pi * cutoff)
        return 1 / (1 + tau / STEP)

    value, speed = raw[0], 0.0
    for measured, result in zip(raw[1:], got[1:], strict=True):
        now = (measured - value) / 80 / STEP
        speed += weight(settings.speed) * (now - speed)
        value += weight(settings.still + settings.moving * abs(speed)) * (measured - value)
        assert result == pytest.approx(value, abs=1e-3)


@pytest.mark.parametrize("run", [online, offline])
def test_noise_at_rest_gets_less(run):
    noise = np.random.default_rng(2).normal(0, 1, (100, 17, 2))
    given = frames(noise)
    raw = np.array([poses.keypoints[0] for poses in given])
    still = frames(np.zeros((1, 1, 2)))[0].keypoints[0]
    assert np.abs(run(given) - still)[10:-10].mean() < 0.6 * np.abs(raw - still)[10:-10].mean()


def test_offline_has_no_lag_and_keeps_parabolas():
    times = np.arange(50) * STEP
    path = np.stack([30 * times, 40 * times**2], axis=1)[:, None]
    given = frames(path)
    raw = np.array([poses.keypoints[0] for poses in given])
    assert np.abs(offline(given) - raw).max() < 0.02


def test_offline_is_a_fit_by_least_squares():
    moves = np.random.default_rng(3).normal(0, 3, (40, 17, 2))
    given = frames(moves)
    raw = np.array([poses.keypoints[0] for poses in given]).astype(float)
    at = np.arange(40)
    apart = (at - 17) * STEP / SmoothingSettings().width
    near = np.abs(apart) <= 3.2
    fitted = np.polyfit(apart[near], raw[near, 4, 0], 2, w=np.exp(-(apart[near] ** 2) / 4))
    assert offline(given)[17, 4, 0] == pytest.approx(fitted[-1], abs=0.02)


@pytest.mark.parametrize("run", [online, offline])
def test_a_guess_counts_less_than_what_is_sure(run):
    jump = np.zeros((21, 1, 2))
    jump[10] = 30
    sure, guess = frames(jump), frames(jump)
    guess[10].scores[:] = 0.05
    still = sure[0].keypoints[0]
    assert np.abs(run(guess)[10] - still).max() < 0.4 * np.abs(run(sure)[10] - still).max()


def test_what_is_not_finite_stays_so_and_spoils_nothing():
    given = frames(np.zeros((10, 1, 2)))
    given[4].keypoints[0, 3] = np.nan
    given[0].keypoints[0, 5] = np.nan
    given[6].scores[0, 2] = np.nan
    got = online(given)
    assert np.isnan(got[4, 3]).all()
    assert np.isnan(got[0, 5]).all()
    assert np.isfinite(np.delete(got, [0, 4], axis=0)).all()
    assert np.isfinite(got[4, :3]).all()
    assert np.isfinite(offline(given)).all()


def test_persons_are_filtered_apart_whatever_their_order():
    both = replace(persons((0, 0), (500, 0), sure=0.9), track_ids=np.array([4, 2]))
    smoother = Smoother()
    for frame in range(6):
        given = both if frame % 2 else both[[1, 0]]
        got = smoother.update(given, frame * STEP)
        assert np.allclose(got.keypoints, given.keypoints)
        assert numbers(got) == numbers(given)


def test_who_was_away_or_has_no_number_starts_anew():
    first, far = frames(np.array([[[0, 0]], [[200, 0]]]))
    smoother = Smoother()
    smoother.update(first, 0.0)
    assert np.array_equal(smoother.update(far, 1.5).keypoints, far.keypoints)
    unnumbered = replace(first, track_ids=np.array([0]))
    assert np.array_equal(smoother.update(unnumbered, 1.54).keypoints, first.keypoints)
    nobody = replace(Poses.empty(), track_ids=np.zeros(0, np.int64))
    assert len(smoother.update(nobody, 2.0)) == 0


@pytest.mark.parametrize("times", [[0.0] * 5, [0, 1, 0.5, 0.2, 0.1], [None] * 5])
def test_time_that_stands_still_or_runs_back(times):
    smoother = Smoother()
    for poses, time in zip(frames(np.zeros((5, 1, 2))), times, strict=True):
        assert np.allclose(smoother.update(poses, time).keypoints, poses.keypoints)


def test_short_gaps_are_filled_and_long_ones_are_not():
    moves = (np.arange(30) * [[2.0], [0]]).T[:, None]
    given = frames(moves)
    nobody = replace(Poses.empty(), track_ids=np.zeros(0, np.int64))
    short = [*given[:10], *[nobody] * 4, *given[14:]]
    times = np.arange(30) * STEP
    filled = smooth(short, times)
    assert [len(poses) for poses in filled] == [1] * 30
    assert np.abs(filled[12].keypoints - given[12].keypoints).max() < 0.1
    assert numbers(filled[12]) == [1]
    assert np.allclose(filled[12].boxes, given[12].boxes)
    long = [*given[:10], *[nobody] * 12, *given[22:]]
    assert [len(poses) for poses in smooth(long, times)] == [1] * 10 + [0] * 12 + [1] * 8


def test_wrong_use():
    given = frames(np.zeros((3, 1, 2)))
    with pytest.raises(InputError, match="track first"):
        Smoother().update(replace(given[0], track_ids=None))
    with pytest.raises(InputError, match="track first"):
        smooth([replace(given[0], track_ids=None)], [0.0])
    for times in ([0, 1], [0, 1, 1], [0, 1, np.nan]):
        with pytest.raises(InputError, match="each later than the one before"):
            smooth(given, times)
    with pytest.raises(InputError, match="still is 0"):
        SmoothingSettings(still=0)
