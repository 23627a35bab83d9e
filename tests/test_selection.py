"""One person of several: by size, place, number and point, and followed over time."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian import InputError, Poses
from vitruvian.poses import Boxes
from vitruvian.selection import LOST, Selection, Selector

SIZE = (200, 100)
# Best score first: a small one at the left, a large one at the right, one around the middle.
BOXES = np.array([[0, 40, 20, 80], [120, 0, 200, 100], [80, 30, 120, 70]], np.float32)


def poses(ids: list[int], boxes: np.ndarray = BOXES) -> Poses:
    count = len(boxes)
    return Poses(
        boxes, np.linspace(0.9, 0.5, count), np.zeros((count, 17, 2)), np.ones((count, 17)), track_ids=np.array(ids)
    )


@pytest.mark.parametrize(
    ("text", "row"),
    [("largest", 1), ("central", 2), ("1", 0), ("3", 2), ("150,50", 1), ("100,50", 2), ("120, 50", 2), ("10,60", 0)],
)
def test_the_selected_person_of_a_picture(text, row):
    found = Selector(Selection.parse(text)).of_boxes(Boxes(BOXES, np.array([0.9, 0.8, 0.7])), SIZE)
    assert found.xyxy.tolist() == [BOXES[row].tolist()]


@pytest.mark.parametrize("text", ["4", "60,50", "-5,1e3"])
def test_nobody_is_there(text):
    assert len(Selector(Selection.parse(text)).of_boxes(Boxes(BOXES, np.ones(3)), SIZE)) == 0


@pytest.mark.parametrize("text", ["largest", "central", "1", "5,5"])
def test_nobody_is_there_at_all(text):
    selector = Selector(Selection.parse(text))
    assert len(selector.of_boxes(Boxes.empty(), SIZE)) == 0
    assert len(selector.of_tracks(poses([], BOXES[:0]), 0.0, SIZE)) == 0


@pytest.mark.parametrize("text", ["", "smallest", "0", "-1", "1.5", "1,2,3", "nan,2", "inf,1", "a,b"])
def test_what_selects_nobody_is_refused(text):
    with pytest.raises(InputError, match="largest, central, a number from 1 on, or a point X,Y"):
        Selection.parse(text)


def test_a_tracked_person_is_followed_however_large_others_become():
    selector = Selector(Selection.parse("largest"))
    assert selector.of_tracks(poses([4, 7, 2]), 0.0, SIZE).track_ids.tolist() == [7]
    grown = BOXES.copy()
    grown[0] = (0, 0, 190, 100)
    assert selector.of_tracks(poses([4, 7, 2], grown), 0.1, SIZE).track_ids.tolist() == [7]
    # Who isn't there is nobody, until the track is given up.
    assert len(selector.of_tracks(poses([4, 8, 2], grown), 0.2, SIZE)) == 0
    assert selector.of_tracks(poses([4, 8, 2], grown), 0.2 + LOST, SIZE).track_ids.tolist() == [4]


def test_only_those_with_a_number_are_chosen():
    selector = Selector(Selection.parse("largest"))
    assert len(selector.of_tracks(poses([0, 0, 0]), 0.0, SIZE)) == 0
    assert selector.of_tracks(poses([1, 0, 2]), 0.1, SIZE).track_ids.tolist() == [2]


def test_a_track_by_its_number():
    selector = Selector(Selection.parse("2"))
    assert len(selector.of_tracks(poses([1, 3, 4]), 0.0, SIZE)) == 0
    assert selector.of_tracks(poses([1, 3, 2]), 99.0, SIZE).boxes.tolist() == [BOXES[2].tolist()]
