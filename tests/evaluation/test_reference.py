"""The published procedures on real pictures: figures that others measured, with their own code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vitruvian as vt
from vitruvian.evaluation import Metrics, Procedure, evaluate_boxes, evaluate_coco
from vitruvian.zoo import load_detector

NAMES = ("AP", "AP50", "AP75", "APM", "APL", "AR")
# From the table beside the pictures: boxes, flip, the six numbers, how many results.
ROWS = [
    (False, False, (0.6616, 0.9030, 0.7547, 0.6386, 0.7109, 0.7024), 289),
    (False, True, (0.6567, 0.8824, 0.7492, 0.6384, 0.7020, 0.7007), 289),
    (True, False, (0.6888, 0.9152, 0.7594, 0.6566, 0.7498, 0.7419), 532),
    (True, True, (0.6883, 0.9029, 0.7504, 0.6432, 0.7696, 0.7432), 521),
]
# Detector, input size, overlap of its NMS, and AP, AP50, AP75, AR over the pictures that are annotated completely.
# YOLOv5's reference keeps the 300 best boxes of all classes together, which costs it recall of persons: no AR here.
DETECTORS = [
    ("yolov5n.pt", 640, 0.6, (0.497, 0.810, 0.495)),
    ("rtmdet_nano_person.onnx", 320, 0.65, (0.426, 0.719, 0.416, 0.538)),
    ("rtmdet_nano_person.onnx", 640, 0.65, (0.485, 0.800, 0.446, 0.617)),
    ("yolox_nano.onnx", 416, 0.65, (0.393, 0.693, 0.387, 0.506)),
]


@pytest.fixture(scope="module")
def model(shared: Path) -> vt.TopDown:
    return vt.load(pose=shared / "models/tinypose_256x192.onnx", threads=2, precision="fp32")


def run(model: vt.TopDown, val: Path, detected: bool, **settings: Any) -> Metrics:
    detections = val / "person_detections.json" if detected else None
    procedure = Procedure(**settings)
    return evaluate_coco(model, val / "person_keypoints.json", val / "images", detections, procedure=procedure)


@pytest.mark.parametrize(("detected", "flip", "numbers", "count"), ROWS)
def test_the_reference_rows(model, val, detected, flip, numbers, count):
    # The reference took annotated boxes as they are.
    metrics = run(model, val, detected, flip=flip, clip_boxes=False)
    assert len(metrics.results) == count
    assert [metrics.keypoints[name] for name in NAMES] == pytest.approx(numbers, abs=0.0015)


@pytest.mark.parametrize(("file", "size", "iou", "numbers"), DETECTORS)
def test_the_reference_figures_of_detectors(shared, val, complete, file, size, iou, numbers):
    detector = load_detector(shared / "models" / file, size, score=0.001, iou=iou, max_persons=300, threads=2)
    found, _ = evaluate_boxes(detector, complete, val / "images")
    assert [found[name] for name in ("AP", "AP50", "AP75", "AR")][: len(numbers)] == pytest.approx(numbers, abs=0.01)


def test_boxes_of_a_detector_are_measured_in_the_same_run(shared, model, val, complete):
    complete = {**complete, "images": complete["images"][:4]}
    ids = {image["id"] for image in complete["images"]}
    complete["annotations"] = [person for person in complete["annotations"] if person["image_id"] in ids]
    detector = load_detector(shared / "models/rtmdet_nano_person.onnx", 320, score=0.001, max_persons=100, threads=2)
    metrics = evaluate_coco(model, complete, val / "images", detector, procedure=Procedure(score=0.3))
    alone, _ = evaluate_boxes(detector, complete, val / "images")
    # The threshold of the procedure is for keypoints; every box is measured.
    assert metrics.boxes == pytest.approx(alone)
    assert 0 < len(metrics.results) <= metrics.persons < 40


def test_dark_is_better_than_the_quarter_shift(model, val):
    dark, quarter = (run(model, val, False, refine=refine) for refine in ("dark", None))
    assert dark.keypoints["AP"] > quarter.keypoints["AP"] + 0.005
