"""The models inside the package: what somebody gets who gives none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import pytest

import vitruvian as vt
from vitruvian.evaluation import evaluate_boxes, evaluate_coco
from vitruvian.hub.downloads import packaged
from vitruvian.loading import DEFAULT_DETECTOR, DEFAULT_POSE

PHOTO = Path(__file__).parents[2] / "docs/images/astronaut.jpg"


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No network, and nothing that was downloaded before."""
    monkeypatch.setenv("VITRUVIAN_OFFLINE", "1")
    monkeypatch.setenv("VITRUVIAN_HOME", str(tmp_path))


def test_a_portrait():
    poses = vt.load(max_persons=1)(PHOTO)
    points = dict(zip(poses.skeleton.keypoints, poses.keypoints[0], strict=True))
    # She faces the camera, upright: her left is on the right of the picture, and what is higher has the smaller y.
    for part in ("eye", "ear", "shoulder"):
        assert points[f"left_{part}"][0] > points[f"right_{part}"][0]
    assert points["right_eye"][0] < points["nose"][0] < points["left_eye"][0]
    assert points["left_eye"][1] < points["nose"][1] < points["left_shoulder"][1]
    # Her face: about x 180 to 260, y 70 to 160 of 512 pixels each.
    assert np.all((points["nose"] > (190, 90)) & (points["nose"] < (250, 150)))


def test_their_keypoints_are_cocos_by_name():
    """So a record of them can be read again; their training data called the skeleton by its category, person."""
    poses = vt.load()(PHOTO)
    assert poses.skeleton is vt.COCO17
    again = vt.Poses.from_dict(poses.to_dict())
    assert np.allclose(again.keypoints, poses.keypoints, atol=0.006)


def test_names_mean_the_same_files():
    by_name = vt.load(pose=DEFAULT_POSE, detector=DEFAULT_DETECTOR, precision="fp32")
    assert by_name.pose.runtime.path == vt.zoo.fetch(vt.zoo.card(DEFAULT_POSE)) == packaged(vt.zoo.card(DEFAULT_POSE))
    assert by_name(PHOTO).keypoints.tolist() == vt.load(precision="fp32")(PHOTO).keypoints.tolist()


def test_where_precision_is_left_open_both_run_in_what_the_cpu_has():
    found = {"BF16", "FP16"} & set(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    wanted = {name.lower() for name in found} or {"fp32"}
    model = vt.load()
    assert {model.pose.runtime.precision, model.detector.runtime.precision} <= wanted
    assert vt.load(precision="fp32").pose.runtime.precision == "fp32"


def test_one_of_them_beside_another_model():
    """The package's detector runs beside a pose net, whatever engine that one needs."""
    assert vt.load(pose=DEFAULT_POSE, runtime="openvino").detector is not None
    assert len(vt.load(detector=DEFAULT_DETECTOR)(PHOTO)) >= 1


def test_they_are_as_small_as_promised():
    limits = {DEFAULT_POSE: 8_000_000, DEFAULT_DETECTOR: 6_000_000}
    for name, limit in limits.items():
        path = packaged(vt.zoo.card(name))
        assert path is not None
        assert path.stat().st_size <= limit
    costs = {card.name: card.published for card in vt.zoo.cards() if card.name in limits}
    assert costs[DEFAULT_POSE].parameters <= 4_000_000
    assert costs[DEFAULT_POSE].gflops <= 0.9
    assert costs[DEFAULT_DETECTOR].parameters <= 2_500_000


def test_own_boxes_skip_the_detector():
    model = vt.load()
    poses = model(PHOTO, boxes=[[100, 20, 400, 511]])
    assert poses.keypoints.shape == (1, 17, 2)
    assert poses.box_scores.tolist() == [1]


@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_they_find_what_is_asked_of_them(val, complete, precision):
    """The least AP that they may have, on COCO's pictures: none of these was learned from or chosen by."""
    model, images = vt.load(score=0.001, max_persons=100, precision=precision), val / "images"
    annotated = evaluate_coco(model, val / "person_keypoints.json", images).keypoints["AP"]
    # Whoever is found is only known to be right or wrong where everybody is annotated.
    there = evaluate_coco(model, complete, images).keypoints["AP"]
    found = evaluate_coco(model, complete, images, model.detector).keypoints["AP"]
    boxes, _ = evaluate_boxes(model.detector, complete, images)
    assert annotated >= 0.48
    assert boxes["AP50"] >= 0.69
    assert found >= there - 0.06
