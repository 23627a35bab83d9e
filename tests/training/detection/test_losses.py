"""What a person detector minimises, against formulas worked by hand."""

from __future__ import annotations

import math

import pytest
import torch

from vitruvian.training.detection.assignment import Cells
from vitruvian.training.detection.losses import counted_cells, detector_loss, giou_loss, quality_focal_loss

CELL = Cells(torch.tensor([[5.0, 5.0], [105.0, 5.0]]), torch.tensor([10.0, 10.0]))
NO_REGIONS = (torch.zeros(0, 4), torch.zeros(0, dtype=torch.bool), torch.zeros(0, dtype=torch.int64))


def raw(box: tuple[float, float, float, float], logit: float) -> torch.Tensor:
    """Outputs of two cells that both predict this box around them, one after the other."""
    return torch.tensor([[[*box, logit], [*box, -4.0]]])


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_giou_by_hand():
    # Common 5 x 10, union 150, hull 15 x 10: 1 - 1/3 + 0. Apart: hull 30 x 10, union 200: 1 - 0 + 100/300.
    ours = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]])
    theirs = torch.tensor([[5.0, 0, 15, 10], [20, 0, 30, 10], [0, 0, 10, 10]])
    assert giou_loss(ours, theirs).tolist() == pytest.approx([2 / 3, 4 / 3, 0])


def test_a_quality_focal_loss_by_hand():
    # (0.5 - 0.8)^2 (-0.8 log 0.5 - 0.2 log 0.5)
    assert quality_focal_loss(torch.zeros(1), torch.tensor([0.8])).item() == pytest.approx(0.09 * math.log(2))
    logit = math.log(0.8 / 0.2)
    assert quality_focal_loss(torch.tensor([logit]), torch.tensor([0.8])).item() == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("sure", [1.0, 0.3])
def test_the_loss_of_one_person_by_hand(sure):
    # The first cell predicts 0, 0, 10, 10; the person is 0, 0, 10, 8: IoU 0.8, and a hull as large as the union.
    target = torch.tensor([[0.0, 0.0, 10.0, 8.0]])
    targets = (target, torch.tensor([sure]), torch.zeros(1, dtype=torch.int64), *NO_REGIONS)
    quality = 0.8 * sure
    right = (0.5 - quality) ** 2 * math.log(2)
    background = sigmoid(-4) ** 2 * -math.log(1 - sigmoid(-4))
    expected = (right + background + 2.0 * 0.2 * sure) / max(sure, 1)
    loss = detector_loss(raw((0.5, 0.5, 0.0, 0.0), 0.0), targets, CELL, box_weight=2.0)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_nobody_is_a_lesson_too():
    outputs = raw((0.5, 0.5, 0.0, 0.0), 2.0).requires_grad_()
    targets = (torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64), *NO_REGIONS)
    loss = detector_loss(outputs, targets, CELL, 2.0)
    expected = sum(sigmoid(logit) ** 2 * -math.log(1 - sigmoid(logit)) for logit in (2.0, -4.0))
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert outputs.grad[0, 0, 4] > 0
    assert (outputs.grad[..., :4] == 0).all()


def test_what_is_neither_person_nor_background_is_left_alone():
    predicted = torch.tensor([[[0.0, 0, 10, 10], [100, 0, 110, 10]]]).expand(2, 2, 4)
    zero = torch.zeros(1, dtype=torch.int64)
    crowd, region = torch.ones(1, dtype=torch.bool), torch.tensor([[-50.0, -50, 50, 50]])
    # In a crowd's region whatever lies in it; else only what is the same box.
    assert counted_cells(predicted, region, crowd, zero).tolist() == [[False, True], [True, True]]
    assert counted_cells(predicted, region, ~crowd, zero).all()
    same = torch.tensor([[0.0, 0, 10, 6]])
    assert counted_cells(predicted, same, ~crowd, zero).tolist() == [[False, True], [True, True]]
    nobody = (torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    loss = detector_loss(raw((0.5, 0.5, 0.0, 0.0), 2.0), (*nobody, region, crowd, zero), CELL, 2.0)
    assert loss.item() == pytest.approx(sigmoid(-4) ** 2 * -math.log(1 - sigmoid(-4)), rel=1e-5)


def test_a_person_in_a_crowd_is_learned():
    target = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    region, crowd, zero = torch.tensor([[-50.0, -50, 50, 50]]), torch.ones(1, dtype=torch.bool), torch.zeros(1).long()
    outputs = raw((0.5, 0.5, 0.0, 0.0), 0.0).requires_grad_()
    detector_loss(outputs, (target, torch.ones(1), zero, region, crowd, zero), CELL, 2.0).backward()
    assert outputs.grad[0, 0, 4] < 0
