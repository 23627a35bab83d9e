"""What a person detector minimises: how well scores tell boxes' quality, and how well boxes fit.

Scores learn how much their cell's box overlaps the person (quality focal loss, arXiv 2006.04388, as in RTMDet,
2212.07784), times how sure it is that there is one. So a teacher's doubt stays doubt, and what is ranked first is what
fits best.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from .assignment import Cells, assign, overlaps

# A prediction that overlaps what is neither person nor background by more than this is left alone, as COCO matches.
_SAME = 0.5
_LARGEST = 20.0
# A teacher's scores up to this are background.
_BACKGROUND = 0.05


def boxes_of(raw: Tensor, cells: Cells) -> Tensor:
    """Offsets and log sizes (N, A, 4), see `PersonDetector.forward`, to boxes xyxy in pixels of the input."""
    strides = cells.strides[:, None]
    # A cell's centre lies half a stride from its corner.
    centres = raw[..., :2] * strides + cells.centres - strides / 2
    half = raw[..., 2:].clamp(max=_LARGEST).exp() * strides / 2
    return torch.cat((centres - half, centres + half), dim=-1)


def giou_loss(predicted: Tensor, wanted: Tensor) -> Tensor:
    """1 - generalised intersection over union (arXiv 1902.09630), 0..2, of boxes xyxy (F, 4) each, (F,)."""
    low = torch.maximum(predicted[:, :2], wanted[:, :2])
    high = torch.minimum(predicted[:, 2:], wanted[:, 2:])
    common = (high - low).clamp(min=0).prod(dim=1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(dim=1) for boxes in (predicted, wanted)]
    union = (areas[0] + areas[1] - common).clamp(min=1e-9)
    hull = torch.maximum(predicted[:, 2:], wanted[:, 2:]) - torch.minimum(predicted[:, :2], wanted[:, :2])
    area = hull.prod(dim=1).clamp(min=1e-9)
    return 1 - common / union + (area - union) / area


def quality_focal_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy times the squared difference of score and target, element by element."""
    cross = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return cross * (logits.sigmoid() - targets).square()


def detector_loss(raw: Tensor, targets: Sequence[Tensor], cells: Cells, box_weight: float) -> Tensor:
    """The loss of a batch, in parts of the number of cells that learn a person, each as far as one is sure of it.

    Args:
        raw: float (N, A, 5), from `PersonDetector.cells`.
        targets: see `Canvases.collate`.
        cells: A of them.
        box_weight: how much boxes count beside scores.
    """
    boxes, confidences, pictures, regions, crowd, region_pictures = targets
    predicted, logits = boxes_of(raw[..., :4], cells), raw[..., 4]
    chosen = assign(predicted.detach(), logits.detach(), boxes, pictures, cells)
    ours, wanted = predicted[chosen.pictures, chosen.cells], boxes[chosen.boxes]
    sure = confidences[chosen.boxes]
    count = sure.sum().clamp(min=1)
    quality = torch.zeros_like(logits)
    quality[chosen.pictures, chosen.cells] = overlaps(ours.detach(), wanted) * sure
    counts = learned(predicted.detach(), regions, crowd, region_pictures)
    counts[chosen.pictures, chosen.cells] = True
    scores = (quality_focal_loss(logits, quality) * counts).sum()
    return (scores + box_weight * (giou_loss(ours, wanted) * sure).sum()) / count


def taught_loss(raw: Tensor, boxes: Tensor, scores: Tensor, cells: Cells, box_weight: float) -> Tensor:
    """The loss against a teacher's predictions of the same cells, in parts of the sum of its scores.

    Every cell learns the teacher's score by cross-entropy: the quality focal loss would hardly tell 0.2 from 0.05, by
    which much that is no person ranks. It learns the teacher's box as far as that is sure of it; boxes of cells that it
    takes for background mean nothing.

    Args:
        raw: float (N, A, 5), from `PersonDetector.cells`.
        boxes: float (N, A, 4), xyxy in pixels of the input.
        scores: float (N, A), 0..1.
        cells: A of them.
        box_weight: how much boxes count beside scores.
    """
    sure = torch.where(scores > _BACKGROUND, scores, 0)
    some = sure.nonzero(as_tuple=True)
    apart = giou_loss(boxes_of(raw[..., :4], cells)[some], boxes[some])
    cross = functional.binary_cross_entropy_with_logits(raw[..., 4], scores, reduction="sum")
    return (cross + box_weight * (apart * sure[some]).sum()) / sure.sum().clamp(min=1)


@torch.no_grad()
def learned(predicted: Tensor, regions: Tensor, crowd: Tensor, pictures: Tensor) -> Tensor:
    """bool (N, A): False where a predicted box (N, A, 4) is neither right nor wrong, see `Canvas`."""
    counts = torch.ones(predicted.shape[:2], dtype=torch.bool, device=predicted.device)
    if len(regions):
        same = overlaps(predicted[pictures], regions[:, None], crowd[:, None]) > _SAME
        rows, found = same.nonzero(as_tuple=True)
        counts[pictures[rows], found] = False
    return counts
