"""Matching, PCK and the kinds of errors, worked by hand on a person whose keypoints are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from coco_examples import annotations, person
from vitruvian.evaluation import breakdown, pck, read_annotations
from vitruvian.evaluation.accuracy import KINDS, Matches, RankedPersons, match

SIGMAS = (0.1, 0.1, 0.1)
PAIRS = ((1, 2),)
# A box of 100x100 and an area of 10,000: a similarity of exp(-d² / 800).
TRUTH = np.array([[50.0, 0, 2], [0, 100, 2], [100, 100, 1]])
BOX: dict[str, Any] = {"bbox": [0, 0, 100, 100], "area": 10_000.0}


def matched(found: list[np.ndarray], ranks: list[float], *others: np.ndarray, **fields: Any) -> tuple[Any, Matches]:
    persons = [person(row + 1, 1, points, **BOX, **fields) for row, points in enumerate((TRUTH, *others))]
    truth = read_annotations(annotations(persons=persons))
    keypoints = np.array(found).reshape(-1, 3, 2)
    predicted = RankedPersons(keypoints, np.ones(keypoints.shape[:2]), np.array(ranks))
    return truth, match(truth, {1: predicted}, SIGMAS, PAIRS)


def moved(*steps: tuple[float, float]) -> np.ndarray:
    return TRUTH[:, :2] + np.array(steps)


def test_the_better_ranked_chooses_first():
    good, fair = moved((0, 0), (0, 0), (0, 0)), moved((5, 0), (0, 0), (0, 0))
    _, matches = matched([good, fair], [0.2, 0.9])
    assert matches.oks == pytest.approx([(np.exp(-25 / 800) + 2) / 3])
    assert matches.keypoints[0].tolist() == fair.tolist()


def test_what_is_hardly_similar_is_no_match():
    truth, matches = matched([moved((500, 0), (500, 0), (500, 0))], [0.9])
    assert (matches.found.tolist(), matches.oks.tolist()) == ([False], [0])
    assert np.isnan(matches.keypoints).all()
    assert pck(truth, matches)["PCK@0.2"] == 0
    assert breakdown(truth, matches, SIGMAS) == {name: float(name == "person missed") for name in KINDS}


def test_nobody_predicted():
    truth, matches = matched([], [])
    assert not matches.found.any()
    assert pck(truth, matches)["AUC"] == 0


def test_pck_by_hand():
    # 4, 8 and 30 of 100 pixels off; the area is over 0.01 ... 0.20.
    truth, matches = matched([moved((4, 0), (0, 8), (30, 0))], [1.0])
    numbers = pck(truth, matches)
    assert [numbers[name] for name in ("PCK@0.05", "PCK@0.1", "PCK@0.2")] == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert numbers["AUC"] == pytest.approx((3 * 0 + 4 * 1 + 13 * 2) / 3 / 20)
    assert "PCKh@0.5" not in numbers


def test_pck_counts_labelled_keypoints_only():
    other = TRUTH.copy()
    other[2, 2] = 0
    persons = [person(1, 1, other, **BOX)]
    truth = read_annotations(annotations(persons=persons))
    found = RankedPersons(moved((0, 0), (0, 0), (90, 0))[None], np.ones((1, 3)), np.ones(1))
    assert pck(truth, match(truth, {1: found}, SIGMAS, PAIRS))["PCK@0.05"] == 1


def test_pckh_is_measured_by_the_head():
    # The head's diagonal is 50, so its size is 30: half of it is 15 pixels, a tenth 3.
    truth, matches = matched([moved((2, 0), (0, 10), (16, 0))], [1.0], head_box=[0, 0, 30, 40])
    numbers = pck(truth, matches)
    assert numbers["PCKh@0.5"] == pytest.approx(2 / 3)
    assert numbers["PCKh@0.1"] == pytest.approx(1 / 3)


def shares(found: list[np.ndarray], *others: np.ndarray) -> dict[str, float]:
    truth, matches = matched(found, [1.0 - row / 10 for row in range(len(found))], *others)
    numbers = breakdown(truth, matches, SIGMAS)
    assert sum(numbers.values()) == pytest.approx(1)
    return {name: value for name, value in numbers.items() if value}


def test_good_and_jitter():
    # exp(-d² / 800) is 0.85 at 11.4 pixels and 0.5 at 23.5.
    assert shares([moved((11, 0), (12, 0), (0, 23))]) == pytest.approx({"good": 1 / 3, "jitter": 2 / 3})


def test_inversion_is_on_the_other_side():
    sides = moved((0, 0), (95, 0), (-95, 0))
    assert shares([sides]) == pytest.approx({"good": 1 / 3, "inversion": 2 / 3})


def test_swap_is_on_another_person():
    other = TRUTH + np.array([300, 0, 0])
    assert shares([moved((300, 0), (0, 0), (0, 0)), other[:, :2]], other) == pytest.approx(
        {"good": 5 / 6, "swap": 1 / 6}
    )


def test_a_miss_is_on_nothing():
    assert shares([moved((0, -60), (0, 0), (0, 0))]) == pytest.approx({"good": 2 / 3, "miss": 1 / 3})
