"""Similarity and assignment against formulas worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.tracking.association import assign, box_iou, similarity

SIGMAS = np.array([0.05, 0.1, 0.1])
BOX = np.array([[0.0, 0, 10, 20]])


def test_iou_by_hand():
    first = np.array([[0, 0, 10, 10]], np.float32)
    second = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [3, 3, 3, 3]], np.float32)
    assert box_iou(first, second)[0] == pytest.approx([1, 1 / 3, 0, 0])


def alike(scores: tuple[float, ...], other: tuple[float, ...], drift: float = 0.0, shift: float = 5.0) -> float:
    """Of a track and a person `shift` pixels lower, whose keypoints are 2 pixels to the right."""
    points = np.array([[[2.0, 3], [5, 9], [7, 15]]])
    track = BOX, points, np.array([scores])
    person = BOX + np.array([0, shift, 0, shift]), points + np.array([2, 0]), np.array([other])
    return similarity(track, person, np.array([drift]), SIGMAS)[0, 0]


def test_half_boxes_and_half_keypoints():
    # 15 of 25 rows are shared: IoU 150/250, times the same for the height. OKS with sigmas doubled, area 200, and
    # weights 0.5 and twice 0.8.
    oks = [np.exp(-(2**2) / (2 * 200 * (4 * sigma) ** 2)) for sigma in SIGMAS]
    expected = (0.6 * 0.6 + (0.5 * oks[0] + 0.8 * oks[1] + 0.8 * oks[2]) / 2.1) / 2
    assert alike((0.9, 0.8, 0.8), (0.5, 0.9, 0.9)) == pytest.approx(expected)


def test_with_few_sure_keypoints_boxes_alone():
    assert alike((0.9, 0.8, 0.8), (0.2, 0.9, 0.9)) == pytest.approx(0.36)


def test_drift_lets_boxes_meet():
    assert alike((0,) * 3, (0,) * 3, shift=21) == 0
    # A quarter of 8 pixels on each side: 14 x 24 each, of which 14 x 3 are shared, and 3 of 45 rows.
    assert alike((0,) * 3, (0,) * 3, drift=8, shift=21) == pytest.approx(42 / (2 * 336 - 42) * 3 / 45)


def test_assignment_takes_the_best_pair_first():
    table = np.array([[0.9, 0.8, 0.0], [0.85, 0.1, 0.3], [0.0, 0.2, 0.25]])
    rows, columns = assign(table, 0.2)
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 0), (1, 2), (2, 1)]
    rows, columns = assign(table, 0.26)
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 0), (1, 2)]


def test_assignment_is_that_of_one_pair_after_the_other():
    rng = np.random.default_rng(5)
    for shape in [(7, 9), (30, 20), (1, 4), (0, 3), (3, 0)]:
        table = rng.random(shape)
        left, expected = table.copy(), []
        while left.size and left.max() >= 0.3:
            row, column = np.unravel_index(left.argmax(), shape)
            expected.append((row, column))
            left[row], left[:, column] = -1, -1
        assert sorted(zip(*assign(table, 0.3), strict=True)) == sorted(expected)
