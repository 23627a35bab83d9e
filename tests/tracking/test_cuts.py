"""Scene cuts, on real videos spliced together and on what only looks like a cut."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from persons import numbers, persons

from vitruvian.media import open_source
from vitruvian.tracking import Tracker, TrackerSettings
from vitruvian.tracking.cuts import CutDetector

VIDEOS = ("basketball.mp4", "dance.avi", "hug.mp4")


def scene(seed: int, size: tuple[int, int] = (120, 160)) -> np.ndarray:
    """A picture of coloured patches."""
    patches = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return patches.repeat(size[0] // 6, axis=0).repeat(size[1] // 8, axis=1)


def cuts(frames) -> list[int]:
    detector = CutDetector()
    return [index for index, frame in enumerate(frames) if detector.is_cut(frame)]


@pytest.mark.parametrize("step", [1, 5])
def test_real_videos_have_cuts_where_they_are_spliced(shared, step):
    several = [[frame.image for frame in islice(open_source(shared / "videos" / name), 0, 60, step)] for name in VIDEOS]
    ends = np.cumsum([len(frames) for frames in several])
    assert cuts(frame for frames in [*several, several[0]] for frame in frames) == ends.tolist()


def test_a_flash_a_pan_and_noise_are_no_cuts():
    rng = np.random.default_rng(0)
    still = scene(1)
    flash = np.clip(still.astype(int) + 90, 0, 255).astype(np.uint8)
    assert cuts([still, still, flash, still]) == []
    assert cuts([np.roll(still, 3 * step, axis=1) for step in range(10)]) == []
    assert cuts([np.clip(still + rng.normal(0, 15, still.shape), 0, 255).astype(np.uint8) for _ in range(5)]) == []


def test_pictures_of_one_colour():
    black, white = (np.full((90, 90, 3), value, np.uint8) for value in (0, 255))
    assert cuts([black, black, scene(1), scene(1), white]) == [2, 4]


def test_sizes_may_change():
    assert cuts([scene(1), scene(1, (240, 320)), scene(2, (6, 8)), np.zeros((1, 1, 3), np.uint8)]) == [2, 3]


def test_numbers_do_not_leap_across_a_cut():
    there = persons((30, 20), sure=0.9)
    for settings, after in ((TrackerSettings(), 2), (TrackerSettings(cuts=False), 1)):
        tracker = Tracker(settings)
        for frame in range(10):
            assert numbers(tracker.update(there, frame / 25, scene(1))) == [1]
        assert numbers(tracker.update(there, 0.4, scene(2))) == [after]
