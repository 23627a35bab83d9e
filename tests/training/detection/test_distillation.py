"""Distillation of detectors: another one's predictions, cell by cell."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vitruvian import InputError, networks
from vitruvian.checkpoints.model_files import save_model
from vitruvian.detectors.yolox import anchors
from vitruvian.geometry import letterbox
from vitruvian.media import read_image
from vitruvian.models import describe
from vitruvian.models.person_csp import PersonSpec
from vitruvian.training.detection.assignment import Cells
from vitruvian.training.detection.distillation import DetectorTeacher
from vitruvian.training.detection.losses import distillation_loss
from vitruvian.training.detection.module import cells_of
from vitruvian.zoo import load_detector

SIZE = (320, 320)
CELL = Cells(torch.tensor([[5.0, 5.0], [105.0, 5.0]]), torch.tensor([10.0, 10.0]))


@pytest.mark.parametrize("name", ["rtmdet_nano_person.onnx", "yolox_nano.onnx"])
def test_a_real_detectors_cells_are_what_it_finds(shared, name):
    """Its predictions, once the best of those that overlap are picked, are its boxes; each lies around its cell."""
    size = SIZE if name.startswith("rtmdet") else (416, 416)
    file = next(iter(sorted((shared / "data/coco_mini/train/images").glob("*.jpg"))))
    canvas = letterbox(read_image(file), size)[0]
    # Several at a time, on several threads, is another way through the engines.
    torch.set_num_threads(2)
    taught = DetectorTeacher(str(shared / "models" / name), size)(np.stack([np.zeros_like(canvas), canvas]))
    boxes, scores = (part[1:].numpy() for part in taught)
    found = load_detector(shared / "models" / name, size, score=0.4, iou=0.65)([canvas])[0]
    assert len(found)
    assert boxes.shape == (1, len(cells_of(size).strides), 4)
    sure = scores[0] >= 0.4
    xywh = np.concatenate([boxes[0][sure][:, :2], boxes[0][sure][:, 2:] - boxes[0][sure][:, :2]], axis=1)
    kept = np.asarray(cv2.dnn.NMSBoxes(xywh.tolist(), scores[0][sure].tolist(), 0.0, 0.65)).reshape(-1)
    assert np.allclose(np.sort(scores[0][sure][kept]), np.sort(found.scores), atol=1e-5)
    best = boxes[0][scores[0].argmax()]
    assert np.abs(np.clip(best, 0, size[0]) - found.xyxy).max(axis=1).min() < 0.01
    # The order of the cells is the network's: what the best one predicts is near it.
    middle = cells_of(size).centres[scores[0].argmax()].numpy()
    assert (best[:2] - 32 < middle).all()
    assert (middle < best[2:] + 32).all()


def test_a_detector_of_our_own_teaches_what_it_returns(tmp_path: Path):
    torch.manual_seed(0)
    spec = PersonSpec(width=8, neck=8, depth=1, input_size=(96, 96))
    network = networks.build(spec, 1).eval()
    save_model(tmp_path / "teacher.safetensors", network.state_dict(), describe(spec, "teacher"), spec)
    canvases = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)
    boxes, scores = DetectorTeacher(str(tmp_path / "teacher.safetensors"), (96, 96))(canvases)
    card = describe(spec, "teacher")
    images = (torch.from_numpy(canvases) - torch.tensor(card.mean)) / torch.tensor(card.std)
    with torch.inference_mode():
        raw = network.cells(images.permute(0, 3, 1, 2))
    assert torch.allclose(scores, raw[..., 4].sigmoid(), atol=1e-5)
    grid = np.concatenate([cells * stride for cells, stride in anchors((96, 96))])
    strides = np.concatenate([np.full((len(cells), 1), stride) for cells, stride in anchors((96, 96))])
    middles = (boxes[..., :2] + boxes[..., 2:]) / 2
    assert torch.allclose(middles, raw[..., :2] * torch.from_numpy(strides) + torch.from_numpy(grid), atol=1e-2)


def test_the_loss_by_hand():
    """The teacher is half sure of the first cell, whose box is 0, 0, 10, 8 instead of 0, 0, 10, 10: GIoU 0.8."""
    raw = torch.tensor([[[0.5, 0.5, 0.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0, -50.0]]])
    boxes, scores = torch.tensor([[[0.0, 0.0, 10.0, 8.0], [0.0, 0.0, 1.0, 1.0]]]), torch.tensor([[0.8, 0.0]])
    cross = np.log(2)
    # In parts of the sum of its scores, but of no less than one.
    assert distillation_loss(raw, boxes, scores, CELL, 2.0).item() == pytest.approx(cross + 2 * 0.8 * 0.2, rel=1e-5)
    twice = distillation_loss(raw.repeat(2, 1, 1), boxes.repeat(2, 1, 1), scores.repeat(2, 1), CELL, 2.0)
    assert twice.item() == pytest.approx((cross + 2 * 0.8 * 0.2) / 0.8, rel=1e-5)


def test_a_teacher_that_sees_nobody_is_heard_too():
    raw = torch.zeros(1, 2, 5, requires_grad=True)
    loss = distillation_loss(raw, torch.zeros(1, 2, 4), torch.zeros(1, 2), CELL, 2.0)
    assert loss.item() == pytest.approx(2 * np.log(2), rel=1e-5)
    loss.backward()
    assert (raw.grad[..., 4] > 0).all()
    assert (raw.grad[..., :4] == 0).all()


def test_a_teacher_with_other_cells_is_refused(shared):
    with pytest.raises(InputError, match="yolov5, with other cells"):
        DetectorTeacher(str(shared / "models/yolov5n.pt"), SIZE)


def test_a_file_whose_cells_cannot_be_seen_is_refused(make_onnx):
    outputs = {"dets": np.zeros((100, 5), np.float32), "labels": np.zeros(100, np.int64)}
    file = make_onnx(outputs, input_shape=("N", 3, 320, 320))
    with pytest.raises(InputError, match="show its cells before an NMS"):
        DetectorTeacher(str(file), SIZE)
