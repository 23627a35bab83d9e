"""Which frames are detected on, and boxes that follow persons whose motion is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from persons import persons

from vitruvian import InputError, Poses
from vitruvian.tracking import DetectionSchedule, Follower, Tracker, TrackerSettings

SIZE = (1000, 1000)


def scene(seed: int) -> np.ndarray:
    """A picture of large flat patches."""
    colours = np.random.default_rng(seed).integers(0, 255, (4, 4, 3))
    return np.kron(colours, np.ones((64, 64, 1))).astype(np.uint8)


def detections(schedule: DetectionSchedule, pictures: list[np.ndarray], rate: float = 25) -> list[int]:
    return [index for index, picture in enumerate(pictures) if schedule.due(picture, index / rate)]


def test_every_nth_frame_and_the_first_of_a_scene():
    assert detections(DetectionSchedule(5), [scene(0)] * 12) == [0, 5, 10]
    assert detections(DetectionSchedule(5), [scene(0)] * 7 + [scene(1)] * 8) == [0, 5, 7, 12]
    assert detections(DetectionSchedule(1), [scene(0)] * 3) == [0, 1, 2]


def test_time_that_runs_back_needs_a_detection():
    schedule = DetectionSchedule(100)
    assert [schedule.due(scene(0), time) for time in (5.0, 5.1, 0.0, 0.1)] == [True, False, True, False]
    schedule = DetectionSchedule(3)
    assert [schedule.due(scene(0), None) for _ in range(4)] == [True, False, False, True]


def test_auto_detects_where_much_moves_and_a_few_times_a_second_where_nothing_does():
    still = detections(DetectionSchedule("auto"), [scene(0)] * 51)
    assert still == [0, 10, 20, 30, 40, 50]  # at 25 frames/s each 0.4 s
    assert detections(DetectionSchedule("auto"), [scene(0)] * 5, rate=2) == [0, 1, 2, 3, 4]
    moving = detections(DetectionSchedule("auto"), [np.roll(scene(0), 8 * index, axis=1) for index in range(51)])
    assert len(moving) > 2 * len(still)


@pytest.mark.parametrize("every", [0, -1, 2.5, "often", True, None])
def test_a_schedule_that_is_none(every):
    with pytest.raises(InputError, match="auto"):
        DetectionSchedule(every)


def follow(several: list[Poses], tracker: Tracker | None = None) -> list[np.ndarray]:
    """Boxes of the frames after the first, of which the pose net would give the keypoints of `several`."""
    follower, tracker = Follower(), tracker or Tracker(TrackerSettings(confirm=0))
    follower.start(tracker.update(several[0], 0.0), 0.0)
    found = []
    for index, poses in enumerate(several[1:], 1):
        boxes = follower.boxes(SIZE, index / 25)
        found.append(boxes.xyxy)
        got = replace(poses[: len(boxes)], boxes=boxes.xyxy, box_scores=boxes.scores)
        follower.seen(tracker.update(follower.kept(got), index / 25), index / 25)
    return found


def test_boxes_move_with_the_keypoints():
    several = [persons((100 + 4 * index, 200), (600, 300), sure=0.8) for index in range(10)]
    for index, boxes in enumerate(follow(several), 1):
        # At most one frame's way behind: the keypoints are those of the frame before.
        assert np.abs(boxes - several[index].boxes).max() <= 4.01
    assert np.abs(follow(several)[-1] - several[-1].boxes).max() < 0.01  # the way of a frame is known by then


def test_the_way_grows_with_the_time_between_frames():
    first, second = persons((100, 200), sure=0.8), persons((110, 200), sure=0.8)
    for time, expected in ((0.1, 110 + 10), (0.15, 110 + 20), (9.0, 110 + 20), (0.05, 110 + 10), (None, 110 + 10)):
        follower = Follower()
        follower.start(replace(first, track_ids=np.array([1])), 0.0)
        follower.seen(replace(second, track_ids=np.array([1])), 0.05)
        moved = follower.boxes(SIZE, time).xyxy[0] - first.boxes[0]
        assert moved == pytest.approx([expected - 100, 0, expected - 100, 0], abs=1e-3)
    follower = Follower()
    follower.start(replace(first, track_ids=np.array([1])), 0.0)
    follower.seen(replace(second, track_ids=np.array([2])), 0.05)  # someone else: no way is known
    assert follower.boxes(SIZE, 0.1).xyxy[0] - first.boxes[0] == pytest.approx([10, 0, 10, 0], abs=1e-3)


def test_one_keypoint_that_leaps_moves_its_side_of_the_box_by_half():
    first = persons((100, 200), sure=0.9)
    raised = replace(first, keypoints=first.keypoints.copy())
    top = first.keypoints[0, :, 1].argmin()
    raised.keypoints[0, top, 1] -= 50
    *_, boxes = follow([first, raised, raised])
    assert boxes[0] == pytest.approx(first.boxes[0] - [0, 25, 0, 0], abs=1e-3)


def test_keypoints_that_are_not_sure_or_finite_move_nothing():
    first = persons((100, 200), sure=0.9)
    off = replace(first, keypoints=first.keypoints.copy(), scores=first.scores.copy())
    off.keypoints[0, 0], off.scores[0, 0] = 5000, 0.1
    off.keypoints[0, 1] = np.nan
    least = np.delete(first.keypoints[0], [0, 1], axis=0)
    *_, boxes = follow([first, off, off])
    assert (boxes[0, :2] <= least.min(axis=0)).all()
    assert (boxes[0, 2:] >= least.max(axis=0)).all()
    assert np.abs(boxes[0] - first.boxes[0]).max() < 40
    nothing = replace(off, scores=np.zeros_like(off.scores))
    follower = Follower()
    follower.start(replace(nothing, track_ids=np.array([1])))
    assert follower.boxes(SIZE).xyxy == pytest.approx(first.boxes)


def test_who_leaves_the_picture_is_followed_no_more():
    several = [persons((960 - 4 * index, 10), (900 + 20 * index, 300), sure=0.8) for index in range(8)]
    assert [len(boxes) for boxes in follow(several)][-1] == 1


def test_who_is_no_longer_there_or_has_become_another_is_left_out():
    pair = replace(persons((100, 100), (300, 100), sure=0.8), track_ids=np.array([1, 2]))
    for change in ("faint", "same"):
        follower = Follower()
        follower.start(pair)
        follower.boxes(SIZE)
        later = replace(pair, scores=pair.scores.copy(), keypoints=pair.keypoints.copy())
        later.scores[1] = 0.1 if change == "faint" else 0.7
        if change == "same":
            later.keypoints[1] = later.keypoints[0]
        kept = follower.kept(later)
        assert len(kept) == 1
        assert np.array_equal(kept.keypoints[0], pair.keypoints[0])
        follower.seen(replace(kept, track_ids=np.array([1])))
        assert follower.boxes(SIZE).xyxy == pytest.approx(pair.boxes[:1])
