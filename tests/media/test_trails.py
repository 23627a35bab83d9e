"""Trails and cut-outs of persons whose way is known."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian import COCO17, InputError, Poses
from vitruvian.media.person_crop import HOLD, SIZE, PersonCrop
from vitruvian.media.trails import LONGEST, SECONDS, Trails, chosen_keypoints

BLACK = np.zeros((100, 200, 3), np.uint8)
WRIST = COCO17.keypoints.index("left_wrist")


def person(x: float, y: float, number: int = 1, score: float = 0.9) -> Poses:
    """Someone whose keypoints are all at a place, in a box of 40x80 around it."""
    box = np.float32([[x - 20, y - 40, x + 20, y + 40]])
    points = np.full((1, 17, 2), (x, y), np.float32)
    return Poses(box, np.ones(1), points, np.full((1, 17), score), COCO17, np.array([number]))


def lit(image: np.ndarray) -> list[int]:
    """The columns that something is drawn in."""
    return np.flatnonzero(image.any(axis=(0, 2))).tolist()


def test_words_choose_keypoints():
    assert chosen_keypoints(COCO17, ["wrist"]) == [9, 10]
    assert chosen_keypoints(COCO17, ["left_wrist", "nose", "wrist"]) == [9, 0, 10]
    for word in ("wing", "", "rist"):
        with pytest.raises(InputError, match="left_wrist"):
            chosen_keypoints(COCO17, [word])


def test_a_trail_is_the_way_of_the_last_second():
    trails = Trails(COCO17, ["left_wrist"])
    for frame in range(100):
        image = trails.draw(BLACK, person(10 + frame, 50), frame / 50)
    columns = lit(image)
    assert abs(columns[0] - (10 + 99 - 50 * SECONDS)) <= 2
    assert abs(columns[-1] - (10 + 99)) <= 2
    assert len(columns) == columns[-1] - columns[0] + 1
    assert not BLACK.any()
    # A second after the person has gone nothing is left, nor kept.
    assert lit(trails.draw(BLACK, Poses.empty(), 99 / 50 + SECONDS + 0.01)) == []
    assert trails._ways == {}


def test_a_trail_is_interrupted_where_its_keypoint_is_unsure():
    trails = Trails(COCO17, ["left_wrist"])
    for frame in range(40):
        score = 0.1 if 15 <= frame < 25 else 0.9
        image = trails.draw(BLACK, person(10 + 4 * frame, 50, score=score), frame / 50)
    columns = lit(image)
    assert not set(range(10 + 4 * 15, 10 + 4 * 24)) & set(columns)
    assert {20, 150} <= set(columns)


def test_trails_of_untracked_far_and_many_persons():
    trails = Trails(COCO17, ["wrist"])
    untracked = person(50, 50)
    for poses in (person(50, 50, number=0), Poses(untracked.boxes, [1], untracked.keypoints, untracked.scores)):
        for frame in range(3):
            assert lit(trails.draw(BLACK, poses, frame)) == []
    for frame in range(2000):
        trails.draw(BLACK, person(1e9 if frame % 2 else np.nan, 50), 10 + frame / 5000)
    assert [len(way) for way in trails._ways.values()] == [LONGEST]
    assert lit(trails.draw(BLACK, person(50, 50), 0.0)) == []  # time ran back: those of before are over


def test_a_cut_out_is_of_fixed_size_around_the_person():
    image = np.zeros((400, 600, 3), np.uint8)
    image[180:220, 290:310] = 255  # 20x40 around 300, 200
    crop = PersonCrop(1)
    assert crop(image, person(300, 200, number=2), 0.0) is None
    found = crop(image, person(300, 200), 0.04)
    assert found.shape == (*SIZE, 3)
    rows, columns = np.nonzero(found[..., 0] > 128)
    assert (rows.mean(), columns.mean()) == pytest.approx((SIZE[0] / 2, SIZE[1] / 2), abs=4)
    # The box of 80 pixels fills 1 / 1.25 of the height, and the mark is half as tall.
    assert np.ptp(rows) + 1 == pytest.approx(SIZE[0] / 1.25 / 2, abs=8)


def test_a_window_follows_steadily():
    rng = np.random.default_rng(0)
    crop, centres = PersonCrop(1), []
    shaken = 300 + rng.normal(0, 5, 200)
    for frame, x in enumerate(shaken):
        box = crop.box(person(x, 200), frame / 30)
        centres.append((box[0] + box[2]) / 2)
    assert np.std(np.diff(centres)) < 0.15 * np.std(np.diff(shaken))
    for frame in range(200, 260):
        box = crop.box(person(400, 200), frame / 30)
    assert (box[0] + box[2]) / 2 == pytest.approx(400, abs=1)


def test_a_window_stays_for_a_second():
    crop = PersonCrop(1)
    first = crop.box(person(300, 200), 5.0)
    assert crop.box(Poses.empty(), 5.0 + 0.9 * HOLD) is first
    assert crop.box(Poses.empty(), 5.0 + 1.1 * HOLD) is None
    assert crop.box(person(100, 200), 9.0)[0] == 80
    broken = person(300, 200)
    broken.boxes[:] = np.nan
    assert crop.box(broken, 9.04)[0] == 80
