"""Losses of pose nets, as in the papers and their authors' releases.

Every loss is a mean over the batch, so that several processes together have the gradient of all their batches.
Weights of keypoints (N, K) are 0 where not labelled, 1 where labelled, and a teacher's scores, 0..1, where it labelled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from ...cards import HeatmapOptions, SimDROptions
from ...networks.flow import RealNVP

if TYPE_CHECKING:
    from ...cards import ModelCard

# From a network's outputs, and its codec's targets with the weights at the end, to a number.
Loss = Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]


def heatmap_loss(outputs: Sequence[Tensor], targets: Sequence[Tensor], ohkm_topk: int = 0) -> Tensor:
    """Half of the weighted mean squared error of heatmaps (HRNet, arXiv 1908.07919; PSA, with UDP's targets).

    Args:
        outputs: heatmaps (N, K, h, w).
        targets: heatmaps of that shape, and weights (N, K).
        ohkm_topk: number of keypoints of each person that count, those with the highest loss (OHKM, 1711.07319); 0
            for all.
    """
    (maps,), (expected, weights) = outputs, targets
    each = weights * (maps - expected).square().mean(dim=(2, 3)) / 2
    if ohkm_topk:
        each = each.topk(min(ohkm_topk, each.shape[1]), dim=1).values
    return each.mean()


def position_loss(outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Cross-entropy of a softmax over all positions of each map, as in Mask R-CNN (arXiv 1703.06870).

    There the target is one-hot; here it is the heatmap's Gaussian, normalised to a sum of 1.

    Args:
        outputs: logits (N, K, h, w).
        targets: heatmaps of that shape, and weights (N, K).
    """
    (logits,), (expected, weights) = outputs, targets
    # Maps of a teacher with squared errors have values below 0, and their sum may be 0 for an invisible keypoint.
    wanted = expected.flatten(2).clamp(min=0)
    each = -(wanted * logits.flatten(2).log_softmax(dim=2)).sum(dim=2) / wanted.sum(dim=2).clamp(min=1e-6)
    return (each * weights).mean()


def simdr_loss(outputs: Sequence[Tensor], targets: Sequence[Tensor], star: bool = False) -> Tensor:
    """Kullback-Leibler divergence from the targets of x and of y (SimDR and SimDR*, arXiv 2107.03332).

    As in the release: SimDR's is summed over bins, both axes and keypoints, and divided by the number of persons;
    SimDR*'s is a mean over the bins of each axis, and over keypoints and persons.

    Args:
        outputs: logits over the bins of x (N, K, X) and of y (N, K, Y).
        targets: distributions of these shapes, and weights (N, K).
        star: whether the loss is SimDR*'s.
    """
    *expected, weights = targets
    terms = [
        functional.kl_div(logits.log_softmax(dim=2), wanted, reduction="none")
        for logits, wanted in zip(outputs, expected, strict=True)
    ]
    if star:
        return (sum(term.mean(dim=2) for term in terms) * weights).mean()
    return (sum(term.sum(dim=2) for term in terms) * weights).sum() / len(weights)


def rle_loss(outputs: Sequence[Tensor], targets: Sequence[Tensor], flow: RealNVP) -> Tensor:
    """Residual log-likelihood (RLE, arXiv 2107.11291): -log G(e) + log s, and a Laplace density's -log Q(e) + log s.

    e is the error in units of s, the network's sigma. As in the release, both densities have their own log s, G's
    density of the plane counts once for x and once for y, Q is exp(-abs(e) / sqrt 2) / sqrt(2 pi), and the
    sum over coordinates and keypoints is divided by the number of persons.

    Args:
        outputs: coordinates and sigma, (N, K, 2) each.
        targets: coordinates (N, K, 2) and weights (N, K).
        flow: the density G.
    """
    (coordinates, sigma), (expected, weights) = outputs, targets
    error = (coordinates - expected) / sigma
    log_flow = flow.log_prob(error.view(-1, 2)).view(*error.shape[:2], 1)
    log_laplace = -error.abs() / math.sqrt(2) - math.log(2 * math.pi) / 2
    each = 2 * sigma.log() - log_flow - log_laplace
    return (each * weights[..., None]).sum() / len(each)


def make_loss(card: ModelCard, network: torch.nn.Module, ohkm_topk: int = 0) -> Loss:
    """The loss for a card's codec; `ohkm_topk` is for heatmaps, and RLE's flow is the network's."""
    if isinstance(card.options, HeatmapOptions):
        if card.options.softmax:
            return position_loss
        return lambda outputs, targets: heatmap_loss(outputs, targets, ohkm_topk)
    if isinstance(card.options, SimDROptions):
        return partial(simdr_loss, star=bool(card.options.sigma))
    flow = network.flow
    assert isinstance(flow, RealNVP)
    return lambda outputs, targets: rle_loss(outputs, targets, flow)
