"""What comes out: records by hand, and the formats against the libraries that read them."""

import json

import numpy as np
import pytest

import vitruvian as vt
from vitruvian import Boxes, InputError, Poses, Skeleton

TWO = Skeleton("two", ("left_end", "right_end"), ((0, 1),))


def poses(**changes: object) -> Poses:
    fields = {
        "boxes": np.array([[10, 20, 30, 60], [0.125, 0, 5, 5]], np.float32),
        "box_scores": np.array([0.5, 1.0], np.float32),
        "keypoints": np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], np.float32),
        "scores": np.array([[0.9, 0.1], [0.1, 0.2]], np.float32),
        "skeleton": TWO,
    }
    return Poses(**(fields | changes))


def test_person_score_is_box_score_times_mean_of_keypoints_above_the_threshold() -> None:
    # First: only 0.9 counts, so 0.5 * 0.9. Second: 0.2 is not above 0.2, so nothing counts.
    assert poses().person_scores == pytest.approx([0.45, 0.0])


def test_to_coco_is_the_results_format() -> None:
    first, second = poses().to_coco(image_id=7)
    assert first == {
        "image_id": 7,
        "category_id": 1,
        "keypoints": [1.0, 2.0, 0.9, 3.0, 4.0, 0.1],
        "bbox": [10.0, 20.0, 20.0, 40.0],
        "score": 0.45,
    }
    assert second["score"] == 0


def test_to_dict_is_json_and_rounds_to_hundredths_of_a_pixel() -> None:
    record = poses(track_ids=np.array([4, 9])).to_dict()
    assert record["skeleton"] == "two"
    assert [person["track_id"] for person in record["persons"]] == [4, 9]
    assert record["persons"][1]["box"] == [0.12, 0.0, 5.0, 5.0]
    assert json.loads(json.dumps(record)) == record
    assert poses().to_dict()["persons"][0]["track_id"] is None


def test_indexing_selects_persons() -> None:
    all_of_them = poses(track_ids=np.array([4, 9]))
    second = all_of_them[1]
    assert len(second) == 1
    assert second.track_ids == [9]
    assert second.keypoints.tolist() == [[[5, 6], [7, 8]]]
    assert len(all_of_them[all_of_them.box_scores > 0.7]) == 1
    assert len(poses()[:0]) == 0


def test_to_supervision_carries_the_same_numbers() -> None:
    supervision = pytest.importorskip("supervision", reason="the extra `supervision` is not installed")
    converted = poses().to_supervision()
    assert isinstance(converted, supervision.KeyPoints)
    assert np.array_equal(converted.xy, poses().keypoints)
    assert np.array_equal(converted.keypoint_confidence, poses().scores)


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ([[1, 2, 3]], "must be"),
        ([1, 2, 3, 4], "must be"),
        ([[5, 5, 5, 9]], "box 0"),
        ([[0, 0, 9, 9], [9, 9, 0, 0]], "box 1"),
        ([[0, 0, float("nan"), 9]], "box 0"),
        ([[0, 0, float("inf"), 9]], "box 0"),
        ("text", "numbers"),
        ([[0, 0, 1], [1, 2, 3, 4]], "numbers"),
    ],
)
def test_boxes_that_are_none_are_refused(boxes: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Boxes.given(boxes)


def test_no_boxes_are_no_persons() -> None:
    for empty in ([], np.zeros((0, 4))):
        assert len(Boxes.given(empty)) == 0
    assert vt.Boxes is Boxes
