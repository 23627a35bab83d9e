"""Losses of person detectors: quality focal loss of scores, GIoU loss of boxes.

The target of a cell's score is the IoU of its box with the person (quality focal loss, arXiv 2006.04388, as in RTMDet,
2212.07784), times the confidence of the annotation, which is below 1 for a teacher's uncertain boxes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from .assignment import Cells, assign, overlaps

# Predictions whose IoU with an ignored region is above this aren't counted, as in COCO's matching.
_SAME = 0.5
_LARGEST = 20.0
# The highest score of a teacher that is background.
_BACKGROUND = 0.05


def decode_boxes(raw: Tensor, cells: Cells) -> Tensor:
    """Decode offsets and log sizes (N, A, 4), see `PersonDetector.forward`, to boxes xyxy in pixels of the input."""
    strides = cells.strides[:, None]
    # A cell's centre is half a stride from its corner.
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
    """The loss of a batch, divided by the sum of the confidences of assigned cells.

    Args:
        raw: float (N, A, 5), from `PersonDetector.cells`.
        targets: see `DetectionDataset.collate`.
        cells: the A cells.
        box_weight: weight of the box loss.
    """
    boxes, confidences, pictures, regions, crowd, region_pictures = targets
    predicted, logits = decode_boxes(raw[..., :4], cells), raw[..., 4]
    chosen = assign(predicted.detach(), logits.detach(), boxes, pictures, cells)
    ours, wanted = predicted[chosen.pictures, chosen.cells], boxes[chosen.boxes]
    weights = confidences[chosen.boxes]
    count = weights.sum().clamp(min=1)
    quality = torch.zeros_like(logits)
    quality[chosen.pictures, chosen.cells] = overlaps(ours.detach(), wanted) * weights
    counts = counted_cells(predicted.detach(), regions, crowd, region_pictures)
    counts[chosen.pictures, chosen.cells] = True
    scores = (quality_focal_loss(logits, quality) * counts).sum()
    return (scores + box_weight * (giou_loss(ours, wanted) * weights).sum()) / count


def distillation_loss(raw: Tensor, boxes: Tensor, scores: Tensor, cells: Cells, box_weight: float) -> Tensor:
    """The loss against a teacher's predictions of the same cells, divided by the sum of its scores.

    Scores have a cross-entropy loss: the quality focal loss of 0.2 and of 0.05 is nearly equal, although these scores
    rank many false positives. Box losses are weighted by the teacher's scores, and 0 for background cells, whose boxes
    are meaningless.

    Args:
        raw: float (N, A, 5), from `PersonDetector.cells`.
        boxes: float (N, A, 4), xyxy in pixels of the input.
        scores: float (N, A), 0..1.
        cells: the A cells.
        box_weight: weight of the box loss.
    """
    weights = torch.where(scores > _BACKGROUND, scores, 0)
    some = weights.nonzero(as_tuple=True)
    apart = giou_loss(decode_boxes(raw[..., :4], cells)[some], boxes[some])
    cross = functional.binary_cross_entropy_with_logits(raw[..., 4], scores, reduction="sum")
    return (cross + box_weight * (apart * weights[some]).sum()) / weights.sum().clamp(min=1)


@torch.no_grad()
def counted_cells(predicted: Tensor, regions: Tensor, crowd: Tensor, pictures: Tensor) -> Tensor:
    """bool (N, A), False for predicted boxes (N, A, 4) in ignored regions, see `DetectionSample`."""
    counts = torch.ones(predicted.shape[:2], dtype=torch.bool, device=predicted.device)
    if len(regions):
        same = overlaps(predicted[pictures], regions[:, None], crowd[:, None]) > _SAME
        rows, found = same.nonzero(as_tuple=True)
        counts[pictures[rows], found] = False
    return counts
