"""SimOTA label assignment (YOLOX, arXiv 2107.08430), for all pictures of a batch at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# As in YOLOX: cells near a box's centre are preferred, a box gets as many cells as the sum of the IoU of its ten best
# predictions, and the weight of the IoU cost is 3.
_RADIUS = 2.5
_CANDIDATES = 10
_OVERLAP_WEIGHT = 3.0
_FAR = 1e5


@dataclass(frozen=True)
class Cells:
    """The A cells of a network's output.

    Args:
        centres: float (A, 2), x and y in pixels of the input.
        strides: float (A,), in pixels.
    """

    centres: Tensor
    strides: Tensor


@dataclass(frozen=True)
class Assignment:
    """The F cells with an assigned box.

    Args:
        pictures, cells: int64 (F,), their pictures and indices.
        boxes: int64 (F,), the rows of their boxes.
    """

    pictures: Tensor
    cells: Tensor
    boxes: Tensor


def overlaps(boxes: Tensor, others: Tensor, crowd: Tensor | None = None) -> Tensor:
    """Intersection over union of boxes xyxy (..., 4) with others of a shape that broadcasts.

    Args:
        crowd: bool, of the others' shape without the last dimension: with a crowd the divisor is the box's own area, as
            in COCO.
    """
    low = torch.maximum(boxes[..., :2], others[..., :2])
    high = torch.minimum(boxes[..., 2:], others[..., 2:])
    common = (high - low).clamp(min=0).prod(dim=-1)
    own = (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1)
    whole = own + (others[..., 2:] - others[..., :2]).prod(dim=-1) - common
    if crowd is not None:
        whole = torch.where(crowd, own, whole)
    return common / whole.clamp(min=1e-9)


@torch.no_grad()
def assign(predicted: Tensor, logits: Tensor, boxes: Tensor, pictures: Tensor, cells: Cells) -> Assignment:
    """Assign each box to the cells with the lowest cost, and at most one box to each cell.

    The centre of a candidate cell lies in the box, or within 2.5 strides of the box's centre; cells that meet both
    conditions come before all others. The cost is -log(score) - 3 log(IoU).

    Args:
        predicted: float (N, A, 4), boxes xyxy in pixels of the input.
        logits: float (N, A), of the scores.
        boxes: float (G, 4) xyxy, the annotated boxes of all pictures.
        pictures: int64 (G,), their pictures.
        cells: the A cells.
    """
    x, y = cells.centres.T
    sides = torch.stack([x - boxes[:, :1], y - boxes[:, 1:2], boxes[:, 2:3] - x, boxes[:, 3:] - y])
    within = sides.amin(dim=0) > 0
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    near = (centres[:, None] - cells.centres).abs().amax(dim=2) < _RADIUS * cells.strides
    possible = within | near
    iou = overlaps(predicted[pictures], boxes[:, None]) * possible
    cost = -torch.nn.functional.logsigmoid(logits)[pictures] - _OVERLAP_WEIGHT * (iou + 1e-8).log()
    cost = torch.where(within & near, cost, cost + _FAR).masked_fill(~possible, torch.inf)
    most = min(_CANDIDATES, cost.shape[1])
    wanted = iou.topk(most, dim=1).values.sum(dim=1).int().clamp(min=1)
    cheapest = cost.topk(most, dim=1, largest=False)
    taken = (torch.arange(most, device=cost.device) < wanted[:, None]) & cheapest.values.isfinite()
    rows, columns = taken.nonzero(as_tuple=True)
    return _resolve(cheapest.values[rows, columns], rows, pictures[rows], cheapest.indices[rows, columns])


def _resolve(costs: Tensor, boxes: Tensor, pictures: Tensor, cells: Tensor) -> Assignment:
    """Resolve cells with several boxes: the box with the lowest cost keeps the cell."""
    order = costs.argsort(stable=True)
    place = (pictures * (cells.max() + 1) + cells if len(cells) else cells)[order]
    order = order[place.argsort(stable=True)]
    place = place.sort(stable=True).values
    first = torch.ones_like(place, dtype=torch.bool)
    first[1:] = place[1:] != place[:-1]
    kept = order[first]
    return Assignment(pictures[kept], cells[kept], boxes[kept])
