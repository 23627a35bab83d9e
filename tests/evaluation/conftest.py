"""A small data set and models whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PIL

from coco_examples import BOXES, CELLS, Made, annotations, keypoints_in, person
from vitruvian.zoo import load_pose


@pytest.fixture
def made(tmp_path: Path, make_onnx) -> Made:
    persons = []
    for image in (1, 2):
        for box in BOXES:
            points = np.concatenate([keypoints_in(box), [[2], [1], [2]]], axis=1)
            persons.append(person(len(persons) + 1, image, points, bbox=box, area=600.0))
    folder = tmp_path / "images"
    folder.mkdir()
    for number in (1, 2, 3):
        PIL.new("RGB", (64, 48), (60 * number, 90, 120)).save(folder / f"{number}.png")
    maps = np.zeros((3, 16, 12), np.float32)
    for score, points, (x, y) in zip((0.9, 0.8, 0.7), maps, CELLS, strict=True):
        points[y, x] = score
    dets = np.array([[box[0], box[1], box[0] + box[2], box[1] + box[3], 0.9 - n / 10] for n, box in enumerate(BOXES)])
    pose = make_onnx({"heatmaps": maps}, input_shape=("N", 3, 64, 48), name="pose.onnx")

    def detections(name: str, rows: np.ndarray) -> Path:
        outputs = {"dets": rows.astype(np.float32), "labels": np.zeros(len(rows), np.int64)}
        return make_onnx(outputs, input_shape=("N", 3, 64, 64), name=name)

    return Made(
        annotations(images=3, persons=persons),
        folder,
        load_pose(pose, threads=1),
        pose,
        detections("detector.onnx", dets),
        detections("nobody.onnx", np.zeros((1, 5))),
    )
