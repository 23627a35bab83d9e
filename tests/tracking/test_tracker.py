"""Identities over time, on motions whose truth is known, and on input that nobody should give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from persons import numbers, persons

from vitruvian import Boxes, InputError, Poses
from vitruvian.skeletons import unnamed
from vitruvian.tracking import Tracker, TrackerSettings

AT_ONCE = TrackerSettings(confirm=0)


def joined(*several: Poses) -> Poses:
    names = ("boxes", "box_scores", "keypoints", "scores")
    return Poses(*(np.concatenate([getattr(poses, name) for poses in several]) for name in names))


@pytest.mark.parametrize("rate", [5, 25, 60])
def test_two_who_pass_each_other_keep_their_numbers_at_any_frame_rate(rate):
    tracker = Tracker()
    for frame in range(2 * rate):
        time = frame / rate
        x = 100 * time
        assert numbers(tracker.update(persons((x, 100), (200 - x, 130)), time)) == [1, 2]


def test_the_order_of_the_persons_does_not_matter():
    tracker = Tracker()
    assert numbers(tracker.update(persons((0, 0), (200, 0)))) == [1, 2]
    assert numbers(tracker.update(persons((201, 0), (1, 0)))) == [2, 1]


def test_poses_come_back_as_they_were_but_for_the_numbers():
    given = persons((0, 0), (200, 0), sure=0.7)
    got = Tracker().update(given, 0.0)
    for name in ("boxes", "box_scores", "keypoints", "scores"):
        assert np.array_equal(getattr(got, name), getattr(given, name))
    assert got.track_ids.dtype == np.int64


@pytest.mark.parametrize(("unseen", "same"), [(0.8, True), (1.3, False)])
@pytest.mark.parametrize("rate", [10, 30])
def test_patience_is_in_seconds(rate, unseen, same):
    tracker = Tracker(AT_ONCE)
    times = np.arange(0, 1, 1 / rate)
    for time in times:
        tracker.update(persons((50 * time, 0)), time)
    back = times[-1] + unseen
    for time in np.arange(times[-1] + 1 / rate, back - 1e-6, 1 / rate):
        assert numbers(tracker.update(persons(), time)) == []
    assert numbers(tracker.update(persons((50 * back, 0)), back)) == [1 if same else 2]


def test_a_newcomer_is_numbered_once_confirmed():
    tracker = Tracker(TrackerSettings(confirm=0.1))
    got = [numbers(tracker.update(persons((0, 0), *[(300, 0)] * (frame > 0)), frame / 20)) for frame in range(5)]
    assert got == [[1], [1, 0], [1, 0], [1, 2], [1, 2]]


def test_one_seen_for_a_single_frame_gets_no_number():
    tracker = Tracker()
    tracker.update(persons((0, 0)), 0.0)
    assert numbers(tracker.update(persons((0, 0), (300, 0)), 0.04)) == [1, 0]
    tracker.update(persons((0, 0)), 0.08)
    assert numbers(tracker.update(persons((0, 0), (300, 0)), 0.12)) == [1, 0]


def test_a_newcomer_with_a_sure_pose_or_on_request_is_numbered_at_once():
    newcomers = joined(persons((0, 0)), persons((300, 0), sure=0.8))
    tracker = Tracker()
    tracker.update(persons((0, 0)), 0.0)
    assert numbers(tracker.update(newcomers, 0.04)) == [1, 2]
    tracker = Tracker(AT_ONCE)
    tracker.update(persons((0, 0)), 0.0)
    assert numbers(tracker.update(persons((0, 0), (300, 0)), 0.04)) == [1, 2]


def test_faint_persons_continue_tracks_but_start_none():
    tracker = Tracker(AT_ONCE)
    assert numbers(tracker.update(persons((0, 0), score=0.3))) == [0]
    assert numbers(tracker.update(persons((0, 0)))) == [1]
    assert numbers(tracker.update(persons((2, 0), score=0.3))) == [1]
    assert numbers(tracker.update(persons((2, 0), score=0.05))) == [0]


def test_who_is_followed_by_no_one_is_left_out_on_request():
    tracker = Tracker()
    frames = [
        persons((0, 0)),
        joined(persons((0, 0), (300, 0)), persons((3, 2), score=0.3), persons((600, 0), score=0.3)),
    ]
    assert numbers(tracker.update(frames[0], 0.0, followed_only=True)) == [1]
    # The faint twin of number 1 and the faint stranger go; the newcomer stays.
    got = tracker.update(frames[1], 0.04, followed_only=True)
    assert numbers(got) == [1, 0]
    assert got.boxes[1, 0] == 300


def test_a_second_box_of_someone_numbered_starts_no_track():
    tracker = Tracker(AT_ONCE)
    tracker.update(persons((0, 0), sure=0.9), 0.0)
    twice = persons((0, 0), (2, 2), sure=0.9)
    for frame in range(1, 5):
        assert numbers(tracker.update(twice, frame / 25)) == [1, 0]
    assert numbers(tracker.update(twice, 0.24, followed_only=True)) == [1]


def test_keypoints_tell_apart_whom_boxes_do_not():
    """Two in the same box whose poses differ, given in turn in both orders."""
    tracker = Tracker(replace(AT_ONCE, twin=1.0))
    first, second = persons((100, 100), sure=0.9), persons((100, 100), sure=0.9)
    second.keypoints[:, :, 0] = 240 - second.keypoints[:, :, 0]
    assert numbers(tracker.update(joined(first, second), 0.0)) == [1, 2]
    for frame in range(1, 10):
        pair = (second, first) if frame % 2 else (first, second)
        assert numbers(tracker.update(joined(*pair), frame / 25)) == ([2, 1] if frame % 2 else [1, 2])


def test_prediction_moves_boxes_and_keypoints_on_and_changes_nothing():
    tracker = Tracker(AT_ONCE)
    for frame in range(25):
        tracker.update(persons((100 + 4 * frame, 50), (500, 50), sure=0.8), frame / 25)
    expected = tracker.predict(1.0 + 0.16)  # 5 frames on
    assert numbers(expected) == [1, 2]
    assert expected.boxes[:, 0] == pytest.approx([100 + 4 * 29, 500], abs=2)
    truth = persons((100 + 4 * 29, 50), (500, 50))
    assert np.abs(expected.keypoints - truth.keypoints).max() < 2
    assert expected.scores == pytest.approx(np.full((2, 17), 0.8))
    assert numbers(tracker.update(persons((200, 50), (500, 50), sure=0.8), 1.0)) == [1, 2]
    assert len(Tracker().predict(3.0)) == 0


def test_faint_boxes_matter_where_a_track_is_expected():
    boxes = Boxes(persons((2, 0), (300, 0), (300, 0), (2, 0)).boxes, np.array([0.3, 0.3, 0.9, 0.01], np.float32))
    tracker = Tracker()
    assert tracker.may_matter(boxes, 0.0).tolist() == [False, False, True, False]
    tracker.update(persons((0, 0)), 0.0)
    assert tracker.may_matter(boxes, 0.04).tolist() == [True, False, True, False]


@pytest.mark.parametrize("times", [[0.0] * 6, [0, 0.04, 0.03, 0.02, 0.01, 0.05], [None] * 6])
def test_time_that_stands_still_or_runs_back_a_little(times):
    tracker = Tracker()
    for frame, time in enumerate(times):
        assert numbers(tracker.update(persons((3 * frame, 0)), time)) == [1]


def test_time_that_jumps_back_ends_all_tracks():
    tracker = Tracker()
    assert numbers(tracker.update(persons((0, 0)), 60.0)) == [1]
    assert numbers(tracker.update(persons((0, 0)), 0.0)) == [2]


def test_tracks_end_even_if_time_stands_still():
    tracker = Tracker()
    tracker.update(persons((0, 0)), 5.0)
    for _ in range(31):
        tracker.update(persons(), 5.0)
    assert len(tracker.predict(5.0)) == 0


@pytest.mark.parametrize("time", [float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(time):
    with pytest.raises(InputError, match="time is"):
        Tracker().update(persons((0, 0)), time)


def test_long_without_anyone():
    tracker = Tracker()
    tracker.update(persons((0, 0)), 0.0)
    for frame in range(500):
        assert numbers(tracker.update(persons(), frame / 25)) == []
    assert numbers(tracker.update(persons((0, 0)), 20.04)) == [0]
    assert numbers(Tracker().update(persons(), 0.0)) == []


def test_what_is_not_finite_disturbs_no_one():
    tracker = Tracker()
    bad = persons((0, 0), (200, 0), (400, 0), (600, 0), sure=0.9)
    assert numbers(tracker.update(bad, 0.0)) == [1, 2, 3, 4]
    bad.keypoints[0, 3:] = np.nan
    bad.scores[1] = np.nan
    bad.scores[0, :2] = np.inf
    bad.boxes[2, 1] = np.inf
    bad.box_scores[3] = np.nan
    assert numbers(tracker.update(bad, 0.04)) == [1, 2, 0, 0]
    assert numbers(tracker.update(persons((0, 0), (200, 0), (400, 0), (600, 0), sure=0.9), 0.08)) == [1, 2, 3, 4]
    assert np.isfinite(tracker.predict(0.12).boxes).all()


def test_empty_boxes_are_followed_by_no_one():
    tracker = Tracker(AT_ONCE)
    flat = persons((0, 0), (100, 0))
    flat.boxes[0, 2] = flat.boxes[0, 0]
    assert numbers(tracker.update(flat, 0.0)) == [0, 1]


def test_another_skeleton_is_refused():
    tracker = Tracker()
    tracker.update(persons((0, 0)), 0.0)
    other = Poses(*(np.zeros(shape, np.float32) for shape in ((1, 4), (1,), (1, 5, 2), (1, 5))), unnamed(5))
    with pytest.raises(InputError, match="17 keypoints, and now of 5"):
        tracker.update(other, 0.04)


def test_five_hundred_persons_keep_their_numbers():
    rng = np.random.default_rng(4)
    corners = np.stack(np.meshgrid(np.arange(25) * 60, np.arange(20) * 100), axis=-1).reshape(-1, 2)
    speed = rng.uniform(-1, 1, corners.shape)
    tracker = Tracker()
    for frame in range(8):
        order = rng.permutation(500)
        there = (corners + speed * frame)[order]
        assert numbers(tracker.update(persons(*map(tuple, there), sure=0.8), frame / 25)) == (order + 1).tolist() or (
            frame == 0
        )
        if frame == 0:
            # Numbers go by the order of the first frame.
            corners, speed = there, speed[order]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"high": 1.5}, "high is 1.5"),
        ({"patience": -1}, "patience is -1"),
        ({"noise": 0}, "noise is 0"),
        ({"low": 0.6}, r"low \(0.6\) is above high"),
        ({"acceleration": float("nan")}, "acceleration is nan"),
    ],
)
def test_settings_out_of_range(wrong, words):
    with pytest.raises(InputError, match=words):
        TrackerSettings(**wrong)
