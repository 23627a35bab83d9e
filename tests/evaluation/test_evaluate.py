"""Evaluation from pictures to numbers, on a model that finds everyone exactly, and on what can go wrong."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PIL

import vitruvian as vt
from coco_examples import BOXES, witness
from vitruvian import InputError, ModelCard, Skeleton
from vitruvian.evaluation import Procedure, evaluate_boxes, evaluate_coco
from vitruvian.zoo import load_pose


def detections(made, images=(1, 2)):
    return [{"image_id": number, "category_id": 1, "bbox": box, "score": 0.5} for number in images for box in BOXES]


def test_the_perfect_model_on_annotated_boxes(made):
    metrics = evaluate_coco(made.pose, made.data, made.images)
    assert {name: metrics.keypoints[name] for name in ("AP", "AP50", "AR")} == pytest.approx(
        dict.fromkeys(("AP", "AP50", "AR"), 1)
    )
    assert metrics.boxes is None
    assert metrics.per_keypoint == pytest.approx({"k0": 1, "left_1": 1, "right_1": 1})
    assert metrics.errors["good"] == 1
    assert (metrics.persons, len(metrics.results)) == (4, 4)
    assert metrics.seconds > 0
    # Box score 1 times the mean of 0.9, 0.8 and 0.7.
    assert [result["score"] for result in metrics.results] == pytest.approx([0.8] * 4)


@pytest.mark.parametrize("as_file", [False, True])
def test_the_perfect_model_on_detections(made, tmp_path, as_file):
    found = detections(made)
    if as_file:
        (tmp_path / "dets.json").write_text(json.dumps(found))
    metrics = evaluate_coco(vt.TopDown(made.pose), made.data, made.images, tmp_path / "dets.json" if as_file else found)
    assert metrics.keypoints["AP"] == pytest.approx(1)
    assert metrics.boxes["AP"] == pytest.approx(1)
    assert [result["score"] for result in metrics.results] == pytest.approx([0.4] * 4)


def test_with_detections_only_the_pictures_that_have_some_count(made):
    metrics = evaluate_coco(made.pose, made.data, made.images, detections(made, [2]))
    assert metrics.keypoints["AP"] == pytest.approx(1)
    assert list(metrics.pictures) == [2]


def test_with_a_detector_every_picture_counts(made):
    metrics = evaluate_coco(made.pose, made.data, made.images, made.detector())
    assert list(metrics.pictures) == [1, 2, 3]
    assert metrics.persons == 6
    # The two that it finds on the picture without anybody come among the rightly found, at the same scores.
    assert 0.3 < metrics.keypoints["AP"] < 1
    assert metrics.keypoints["AR"] == pytest.approx(1)


def test_a_detector_that_finds_no_one(made):
    metrics = evaluate_coco(made.pose, made.data, made.images, made.detector(made.nobody_file))
    assert metrics.results == []
    assert (metrics.keypoints["AP"], metrics.keypoints["AR"], metrics.boxes["AP"]) == (0, 0, 0)
    assert any("no person was predicted" in note for note in metrics.notes)
    assert (metrics.persons, metrics.crops_per_second) == (0, 0)


def test_a_detector_alone(made):
    numbers, _ = evaluate_boxes(made.detector(), made.data, made.images)
    assert numbers["AR"] == pytest.approx(1)


def test_the_score_threshold_leaves_boxes_out(made):
    metrics = evaluate_coco(made.pose, made.data, made.images, made.detector(), procedure=Procedure(score=0.85))
    assert (metrics.persons, len(metrics.results)) == (3, 3)
    assert metrics.boxes["AR"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("family", "outputs"),
    [
        ("heatmap", {"heatmaps": (1.6, 1.2)}),
        ("simdr", {"x": (1.6, 9.0), "y": (9.0, 1.2)}),
    ],
)
def test_persons_are_ranked_by_peaks_that_are_not_clipped(made, make_onnx, family, outputs):
    """One keypoint with a peak of 1.6 and one of 1.2, the mean of which is 1.4; both are shown as 1."""
    shape = {"heatmaps": (2, 16, 12), "x": (2, 96), "y": (2, 128)}
    arrays = {name: np.zeros(shape[name], np.float32) for name in outputs}
    for name, peaks in outputs.items():
        arrays[name].reshape(2, -1)[:, 5] = peaks
    pose = load_pose(make_onnx(arrays, input_shape=("N", 3, 64, 48), name="sure.onnx"), threads=1)
    assert pose.card.family == family
    made.data["categories"][0] |= {"keypoints": ["left", "right"], "skeleton": []}
    for person in made.data["annotations"]:
        person["keypoints"], person["num_keypoints"] = person["keypoints"][:6], 2
    metrics = evaluate_coco(pose, made.data, made.images, detections(made))
    # Half a box score times the mean; where the shown scores count it would be 0.5.
    assert [result["score"] for result in metrics.results] == pytest.approx([0.7] * len(metrics.results))
    assert {score for result in metrics.results for score in result["keypoints"][2::3]} == {1.0}
    picture = np.zeros((48, 64, 3), np.uint8)
    assert (vt.TopDown(pose)(picture, [[4, 3, 34, 43]]).scores == 1).all()


def test_pycocotools_reads_the_same_numbers_from_the_results(made):
    rng = np.random.default_rng(0)
    for person in made.data["annotations"]:
        points = np.reshape(person["keypoints"], (3, 3))
        points[:, :2] += rng.normal(0, 2, (3, 2))
        person["keypoints"] = points.ravel().tolist()
    metrics = evaluate_coco(made.pose, made.data, made.images, made.detector())
    results = json.loads(json.dumps(metrics.results))
    expected = witness(made.data, results, sigmas=list(metrics.skeleton.sigmas))
    assert metrics.keypoints == pytest.approx(expected, abs=1e-9)
    assert 0 < metrics.keypoints["AP"] < 1


def test_the_flip_test_averages_with_the_mirrored_crop(made):
    # The constant net answers a mirrored crop as any other. Turned back and shifted, columns 6, 3 and 9 of 12 become
    # 6, 9 and 3: k0 stays; the right one's own peak of 0.7 is halved, as is the left one's 0.8, which comes to its
    # column 9 and row 4.
    metrics = evaluate_coco(made.pose, made.data, made.images, flip=True)
    points, plain = (
        np.reshape(evaluated.results[0]["keypoints"], (3, 3))
        for evaluated in (metrics, evaluate_coco(made.pose, made.data, made.images))
    )
    assert points[0] == pytest.approx(plain[0], abs=1e-3)
    assert points[:, 2] == pytest.approx([0.9, 0.4, 0.4], abs=1e-3)
    assert points[1] == pytest.approx([*plain[1, :2], 0.4], abs=1e-3)
    assert points[2, :2] == pytest.approx([plain[2, 0], plain[1, 1]], abs=1e-3)
    assert metrics.procedure.flip


def test_flip_without_sides_says_so(made):
    made.data["categories"][0]["keypoints"] = ["a", "b", "c"]
    metrics = evaluate_coco(made.pose, made.data, made.images, flip=True)
    assert any("no names say left and right" in note for note in metrics.notes)


def test_the_names_are_those_of_the_annotations(made):
    assert evaluate_coco(made.pose, made.data, made.images).skeleton.keypoints == ("k0", "left_1", "right_1")


def test_sigmas_of_the_card_decide(made):
    skeleton = Skeleton("mine", ("k0", "left_1", "right_1"), sigmas=(0.01, 0.02, 0.03))
    card: ModelCard = replace(made.pose.card, skeleton=skeleton)
    metrics = evaluate_coco(vt.PoseEstimator(card, made.pose.runtime, made.pose.codec), made.data, made.images)
    assert metrics.skeleton.sigmas == (0.01, 0.02, 0.03)
    assert "sigmas of OKS: the model's skeleton mine" in metrics.notes


def test_another_number_of_keypoints(made):
    made.data["categories"][0]["keypoints"].append("more")
    for person in made.data["annotations"]:
        person["keypoints"] += [0, 0, 0]
    with pytest.raises(InputError, match=r"the model returns 3 keypoints .* the annotations have 4"):
        evaluate_coco(made.pose, made.data, made.images)


def test_a_missing_picture_is_listed_and_does_not_count(made):
    (made.images / "1.png").unlink()
    metrics = evaluate_coco(made.pose, made.data, made.images)
    assert any("lacks 1 pictures, which don't count: 1.png" in note for note in metrics.notes)
    assert metrics.keypoints["AP"] == pytest.approx(1)
    assert len(metrics.matches.rows) == 2
    with pytest.raises(InputError, match=r"lacks 1 pictures.*1\.png"):
        evaluate_coco(made.pose, made.data, made.images, strict=True)


def test_a_damaged_picture_is_listed_and_does_not_count(made):
    (made.images / "2.png").write_bytes(b"no picture")
    metrics = evaluate_coco(made.pose, made.data, made.images)
    assert any("2.png" in note for note in metrics.notes)
    assert list(metrics.pictures) == [1, 3]
    with pytest.raises(InputError, match=r"2\.png"):
        evaluate_coco(made.pose, made.data, made.images, strict=True)


def test_only_damaged_pictures(made):
    for number in (1, 2, 3):
        (made.images / f"{number}.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="none of the pictures can be read"):
        evaluate_coco(made.pose, made.data, made.images)


def test_a_picture_of_another_size_is_told(made):
    PIL.new("RGB", (32, 24)).save(made.images / "1.png")
    metrics = evaluate_coco(made.pose, made.data, made.images)
    assert any(r"1.png is 32x24, but its annotations are for 64x48" in note for note in metrics.notes)
    with pytest.raises(InputError, match="is 32x24, but its annotations are for 64x48"):
        evaluate_coco(made.pose, made.data, made.images, strict=True)


def test_detections_of_unknown_images_are_told(made):
    found = [*detections(made), {"image_id": 99, "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.1}]
    metrics = evaluate_coco(made.pose, made.data, made.images, found)
    assert any("99" in note for note in metrics.notes)
    assert metrics.keypoints["AP"] == pytest.approx(1)
    with pytest.raises(InputError, match="detections of images that the annotations don't have: 99"):
        evaluate_coco(made.pose, made.data, made.images, found, strict=True)


def test_crowds_and_unlabelled_persons_are_not_looked_for(made):
    first, second = made.data["annotations"][:2]
    first["iscrowd"] = 1
    second["num_keypoints"], second["keypoints"] = 0, [0] * 9
    metrics = evaluate_coco(made.pose, made.data, made.images)
    assert (metrics.persons, len(metrics.matches.rows)) == (2, 2)
    assert metrics.keypoints["AP"] == pytest.approx(1)


def test_crowd_index_splits_the_pictures(made):
    # Everyone on the picture of the easy kind is right, on the hard one both persons lie somewhere else.
    for image, index in zip(made.data["images"], (0.05, 0.9, 0.3), strict=True):
        image["crowdIndex"] = index
    for person in made.data["annotations"][2:]:
        person["keypoints"] = (np.reshape(person["keypoints"], (3, 3)) + np.array([300, 300, 0])).ravel().tolist()
    metrics = evaluate_coco(made.pose, made.data, made.images)
    assert metrics.crowds == pytest.approx({"easy": 1, "medium": -1, "hard": 0})


def test_persons_of_many_pictures_are_as_of_each_alone(made):
    data = made.data
    data["images"] = [{**data["images"][0], "id": n, "file_name": f"{n}.png"} for n in range(1, 41)]
    data["annotations"] = [{**data["annotations"][n % 2], "id": n + 1, "image_id": n // 2 + 1} for n in range(80)]
    for number in range(4, 41):
        shutil.copy(made.images / "1.png", made.images / f"{number}.png")
    seen: list[tuple[int, int]] = []
    metrics = evaluate_coco(made.pose, data, made.images, progress=lambda *counts: seen.append(counts))
    assert seen == [(number, 40) for number in range(1, 41)]
    assert metrics.persons == 80
    expected = np.reshape(metrics.results[0]["keypoints"], (3, 3)), np.reshape(metrics.results[1]["keypoints"], (3, 3))
    for result in metrics.results:
        points = np.reshape(result["keypoints"], (3, 3))
        assert any(np.array_equal(points, each) for each in expected)


def test_a_file_is_named_in_errors(tmp_path: Path, made):
    path = tmp_path / "persons.json"
    path.write_text(json.dumps({**made.data, "annotations": []}))
    with pytest.raises(InputError, match=r"persons\.json: none of its 0 persons"):
        evaluate_coco(made.pose, path, made.images)
