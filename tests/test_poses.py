"""What comes out: records by hand, and the formats against the libraries that read them."""

import json
import sys

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
    assert np.array_equal(converted.detection_confidence, poses().box_scores)
    assert np.array_equal(converted.data["xyxy"], poses().boxes)
    assert "tracker_id" not in converted.data
    # Boxes and track numbers go with their persons, as supervision selects and converts.
    tracked = poses(track_ids=np.array([4, 9])).to_supervision()
    assert tracked[1:].data["tracker_id"].tolist() == [9]
    detections = tracked.as_detections()
    assert detections.confidence == pytest.approx([0.5, 1.0])
    assert detections.data["tracker_id"].tolist() == [4, 9]


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


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"boxes": np.zeros((2, 5))}, r"boxes must be \(N, 4\), not \(2, 5\)"),
        ({"boxes": np.zeros(4)}, r"boxes must be \(N, 4\), not \(4\)"),
        ({"box_scores": np.zeros(3)}, r"box_scores must be \(2\), not \(3\)"),
        ({"keypoints": np.zeros((2, 3, 2))}, r"keypoints must be \(2, 2, 2\), not \(2, 3, 2\)"),
        ({"scores": np.zeros((2, 2, 1))}, r"scores must be \(2, 2\), not \(2, 2, 1\)"),
        ({"skeleton": vt.COCO17}, r"keypoints must be \(2, 17, 2\)"),
        ({"skeleton": "coco17"}, "must be a vitruvian.Skeleton"),
        ({"track_ids": [1]}, r"track_ids must be \(2\), not \(1\)"),
        ({"box_scores": ["a", "b"]}, "box_scores must be numbers"),
        ({"keypoints": [[[1, 2], [3]], [[1, 2], [3, 4]]]}, "keypoints must be numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        poses(**changes)


def test_boxes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"xyxy must be \(N, 4\), not \(1, 3\)"):
        Boxes(np.zeros((1, 3)), np.zeros(1))
    with pytest.raises(InputError, match=r"scores must be \(2\), not \(1\)"):
        Boxes(np.zeros((2, 4)), np.zeros(1))


def test_lists_become_arrays() -> None:
    one = Poses([[0, 0, 1, 1]], [1], [[[1, 2], [3, 4]]], [[1, 0]], TWO, [3])
    assert (one.boxes.dtype, one.keypoints.dtype, one.track_ids.dtype) == (np.float32, np.float32, np.int64)


def test_iteration_gives_what_indices_give() -> None:
    everybody = poses(track_ids=np.array([4, 9]))
    persons = list(everybody)
    assert [person.track_ids.tolist() for person in persons] == [[4], [9]]
    assert [person.to_dict() for person in persons] == [everybody[0].to_dict(), everybody[1].to_dict()]
    assert list(Poses.empty(TWO)) == []
    boxes = Boxes(everybody.boxes, everybody.box_scores)
    assert [box.xyxy.tolist() for box in boxes] == [[[10, 20, 30, 60]], [[0.125, 0, 5, 5]]]


def test_empty_has_the_skeleton_s_shape() -> None:
    nobody = Poses.empty(TWO)
    assert (nobody.boxes.shape, nobody.keypoints.shape, nobody.scores.shape) == ((0, 4), (0, 2, 2), (0, 2))
    assert Poses.empty().keypoints.shape == (0, 17, 2)
    assert len(Boxes.empty()) == 0


def test_concatenate_takes_apart_and_puts_together() -> None:
    tracked = poses(track_ids=np.array([4, 9]))
    assert Poses.concatenate(list(tracked)).to_dict() == tracked.to_dict()
    assert Poses.concatenate([tracked[1], tracked[0]]).track_ids.tolist() == [9, 4]
    assert Poses.concatenate([poses(), tracked]).track_ids.tolist() == [0, 0, 4, 9]
    assert Poses.concatenate([poses(), Poses.empty(TWO)]).track_ids is None
    assert len(Poses.concatenate([])) == 0
    with pytest.raises(InputError, match="two and of coco17"):
        Poses.concatenate([poses(), Poses.empty()])


def test_from_dict_is_the_inverse_of_to_dict() -> None:
    for before in (poses(), poses(track_ids=np.array([4, 0])), Poses.empty(TWO)):
        record = json.loads(json.dumps(before.to_dict()))
        after = Poses.from_dict(record, TWO)
        assert after.to_dict() == record
        assert np.abs(after.keypoints - before.keypoints).max(initial=0) <= 0.005
    assert Poses.from_dict(poses().to_dict(), TWO).track_ids is None
    assert Poses.from_dict(Poses.empty().to_dict()).skeleton is vt.COCO17
    three = Poses.empty(vt.skeletons.unnamed(3))
    assert Poses.from_dict(three.to_dict()).skeleton == three.skeleton


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (poses().to_dict(), "no skeleton is called 'two'; there are coco17"),
        ({"skeleton": "coco17"}, "KeyError: 'persons'"),
        ({"skeleton": "coco17", "persons": [{"box": [1, 2, 3, 4]}]}, "KeyError: 'score'"),
        ({"skeleton": "coco17", "persons": 5}, "TypeError"),
        ({"skeleton": "coco17", "persons": ["me"]}, "TypeError"),
        ([], "TypeError"),
        ({**poses().to_dict(), "skeleton": "coco17"}, r"keypoints must be \(2, 17, 2\)"),
    ],
)
def test_records_that_are_no_poses_are_refused(record: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Poses.from_dict(record)


def test_repr_is_short() -> None:
    assert repr(poses(track_ids=np.array([4, 9]))) == "Poses(2 persons, two, scores 0.50..1.00, tracks 4 9)"
    assert repr(Poses.empty()) == "Poses(0 persons, coco17)"
    assert repr(Boxes.given([[0, 0, 1, 1]])) == "Boxes(1 person, scores 1.00..1.00)"
    many = Poses.concatenate([poses(track_ids=np.array([1, 2]))] * 99)
    assert len(repr(many)) < 80


def test_to_pandas_has_a_row_for_each_person() -> None:
    pytest.importorskip("pandas", reason="the extra `pandas` is not installed")
    table = poses(track_ids=np.array([4, 0])).to_pandas()
    assert list(table.columns) == [
        *("track_id", "score", "x1", "y1", "x2", "y2"),
        *("left_end_x", "left_end_y", "left_end_score", "right_end_x", "right_end_y", "right_end_score"),
    ]
    assert table["track_id"].isna().tolist() == [False, True]
    assert table.loc[0, ["x2", "right_end_y"]].tolist() == [30, 4]
    assert len(Poses.empty(TWO).to_pandas()) == 0


@pytest.mark.parametrize("package", ["pandas", "supervision"])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(vt.VitruvianError, match=rf"vitruvian\[{package}\]"):
        getattr(poses(), f"to_{package}")()
