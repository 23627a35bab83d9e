"""SimOTA against values worked by hand, and overlaps against COCO's own code."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pycocotools import mask

from vitruvian.detectors import yolox
from vitruvian.training.detection.assignment import Assignment, Cells, assign, overlaps
from vitruvian.training.detection.losses import decode_boxes
from vitruvian.training.detection.module import cells_of


def boxes(rng: np.random.Generator, count: int) -> torch.Tensor:
    low = rng.uniform(0, 80, (count, 2))
    return torch.from_numpy(np.concatenate([low, low + rng.uniform(1, 60, (count, 2))], axis=1))


def row_of_cells(count: int, stride: float = 10.0) -> Cells:
    """Cells side by side, whose centres are 5, 15, 25 ... along x and 5 along y."""
    centres = torch.stack([torch.arange(count) * stride + stride / 2, torch.full((count,), stride / 2)], dim=1)
    return Cells(centres, torch.full((count,), stride))


def pairs(found: Assignment) -> set[tuple[int, int, int]]:
    return set(zip(found.pictures.tolist(), found.cells.tolist(), found.boxes.tolist(), strict=True))


def test_overlaps_are_those_of_coco():
    rng = np.random.default_rng(0)
    found, truth, crowd = boxes(rng, 40), boxes(rng, 30), rng.random(30) < 0.5
    xywh = [torch.cat([item[:, :2], item[:, 2:] - item[:, :2]], dim=1).numpy() for item in (found, truth)]
    expected = mask.iou(*xywh, crowd.astype(np.uint8))
    assert overlaps(found[:, None], truth, torch.from_numpy(crowd)).numpy() == pytest.approx(expected)


def test_cells_lie_where_the_detector_decodes_them():
    raw = np.random.default_rng(0).normal(size=(2, 84, 6)).astype(np.float32)
    decoded = np.stack([found for found, _ in yolox.decode([raw], (64, 64), 0)])
    ours = decode_boxes(torch.from_numpy(raw[..., :4]), cells_of((64, 64)))
    assert ours.numpy() == pytest.approx(decoded, rel=1e-5, abs=1e-4)


def test_a_box_gets_as_many_cells_as_its_predictions_overlap_it_in_sum():
    # Cells 0, 1 and 2 predict the box itself, half of it and a tenth of it: 1 + 0.5 + 0.1 is 1, rounded down.
    cells = row_of_cells(8)
    target = torch.tensor([[0.0, 0.0, 30.0, 10.0]])
    predicted = torch.zeros(1, 8, 4)
    predicted[0, 0] = torch.tensor([0.0, 0.0, 30.0, 10.0])
    predicted[0, 1] = torch.tensor([0.0, 0.0, 15.0, 10.0])
    predicted[0, 2] = torch.tensor([0.0, 0.0, 3.0, 10.0])
    picture = torch.zeros(1, dtype=torch.int64)
    assert pairs(assign(predicted, torch.zeros(1, 8), target, picture, cells)) == {(0, 0, 0)}
    # With 1 + 0.5 + 0.6 there are two, those of the lowest -log(1/2) - 3 log(IoU).
    predicted[0, 2, 2] = 18.0
    assert pairs(assign(predicted, torch.zeros(1, 8), target, picture, cells)) == {(0, 0, 0), (0, 2, 0)}
    # A score may outweigh overlap: -log p + log p' > 3 log(0.6 / 0.5) = 0.547.
    logits = torch.zeros(1, 8)
    logits[0, 2] = -math.log(1 / (0.5 / math.exp(0.54)) - 1)
    assert (0, 2, 0) in pairs(assign(predicted, logits, target, picture, cells))
    logits[0, 2] = -math.log(1 / (0.5 / math.exp(0.56)) - 1)
    assert (0, 1, 0) in pairs(assign(predicted, logits, target, picture, cells))


def test_cells_in_the_box_and_near_its_middle_come_first():
    # The box's middle is 15: cells 0 to 3 are nearer than 2.5 strides, cells 0 to 2 lie in it.
    cells = row_of_cells(8)
    target = torch.tensor([[0.0, 0.0, 30.0, 10.0]])
    predicted = torch.zeros(1, 8, 4)
    predicted[0, 3] = torch.tensor([0.0, 0.0, 30.0, 10.0])  # perfect, but its cell is outside
    predicted[0, 7] = torch.tensor([0.0, 0.0, 30.0, 10.0])  # perfect, but its cell can't learn the box
    predicted[0, 1] = torch.tensor([0.0, 0.0, 3.0, 10.0])
    picture = torch.zeros(1, dtype=torch.int64)
    assert pairs(assign(predicted, torch.zeros(1, 8), target, picture, cells)) == {(0, 1, 0)}


def test_a_cell_that_two_boxes_want_goes_to_the_cheaper_one():
    cells = row_of_cells(3)
    targets = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 8.0]])
    predicted = torch.zeros(1, 3, 4)
    predicted[0, 0] = torch.tensor([0.0, 0.0, 10.0, 8.5])  # overlaps the first by 0.85, the second by 0.94
    pictures = torch.zeros(2, dtype=torch.int64)
    assert pairs(assign(predicted, torch.zeros(1, 3), targets, pictures, cells)) == {(0, 0, 1)}
    # In pictures of their own both get it.
    both = assign(predicted.expand(2, 3, 4), torch.zeros(2, 3), targets, torch.arange(2), cells)
    assert {(0, 0, 0), (1, 0, 1)} <= pairs(both)


def test_a_batch_without_persons_and_a_box_without_cells():
    cells = row_of_cells(3)
    none = assign(torch.zeros(2, 3, 4), torch.zeros(2, 3), torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), cells)
    assert pairs(none) == set()
    far = torch.tensor([[500.0, 500.0, 510.0, 510.0]])
    assert (
        pairs(assign(torch.zeros(1, 3, 4), torch.zeros(1, 3), far, torch.zeros(1, dtype=torch.int64), cells)) == set()
    )


def test_pictures_do_not_know_of_each_other():
    rng = np.random.default_rng(1)
    cells = cells_of((64, 64))
    predicted = torch.stack([boxes(rng, 84) for _ in range(3)]).float()
    logits = torch.from_numpy(rng.normal(size=(3, 84))).float()
    targets, pictures = boxes(rng, 12).float(), torch.from_numpy(rng.integers(3, size=12))
    together = pairs(assign(predicted, logits, targets, pictures, cells))
    alone = set()
    for picture in range(3):
        rows = (pictures == picture).nonzero()[:, 0]
        zeros = torch.zeros(len(rows), dtype=torch.int64)
        found = assign(predicted[picture : picture + 1], logits[picture : picture + 1], targets[rows], zeros, cells)
        alone |= {(picture, cell, int(rows[box])) for _, cell, box in pairs(found)}
    assert together == alone
    assert len({(picture, cell) for picture, cell, _ in together}) == len(together)
