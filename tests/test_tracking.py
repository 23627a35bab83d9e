"""Identities over time, on motions whose truth is known."""

import numpy as np
import pytest

from vitruvian import Poses
from vitruvian.tracking import PATIENCE, Tracker, box_iou


def persons(*boxes: tuple[float, float], score: float = 0.9) -> Poses:
    corners = np.array([[x, y, x + 40, y + 80] for x, y in boxes], np.float32).reshape(-1, 4)
    count = len(corners)
    return Poses(
        corners,
        np.full(count, score, np.float32),
        np.zeros((count, 17, 2), np.float32),
        np.zeros((count, 17), np.float32),
    )


def test_iou_by_hand() -> None:
    first = np.array([[0, 0, 10, 10]], np.float32)
    second = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [3, 3, 3, 3]], np.float32)
    assert box_iou(first, second)[0] == pytest.approx([1, 1 / 3, 0, 0])


def test_two_who_pass_each_other_keep_their_numbers() -> None:
    tracker = Tracker()
    for step in range(40):
        numbers = tracker.update(persons((step * 10, 100), (400 - step * 10, 160)))
        assert numbers.tolist() == [1, 2]


def test_order_of_the_boxes_does_not_matter() -> None:
    tracker = Tracker()
    assert tracker.update(persons((0, 0), (200, 0))).tolist() == [1, 2]
    assert tracker.update(persons((201, 0), (1, 0))).tolist() == [2, 1]


def test_hidden_for_a_while_is_the_same_person_and_for_long_a_new_one() -> None:
    tracker = Tracker()
    for step in range(10):
        tracker.update(persons((step * 5, 0)))
    for _ in range(4):
        assert tracker.update(persons()).tolist() == []
    assert tracker.update(persons((14 * 5, 0))).tolist() == [1]
    for _ in range(PATIENCE + 1):
        tracker.update(persons())
    assert tracker.update(persons((70, 0))).tolist() == [2]


def test_faint_boxes_continue_tracks_but_start_none() -> None:
    tracker = Tracker()
    assert tracker.update(persons((0, 0), score=0.3)).tolist() == [0]
    assert tracker.update(persons((0, 0))).tolist() == [1]
    assert tracker.update(persons((2, 0), score=0.3)).tolist() == [1]
