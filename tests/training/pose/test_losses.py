"""Losses against the papers' formulas, worked out in numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vitruvian.cards import ModelCard, SimDROptions
from vitruvian.codecs import Heatmap, Regression, SimDR
from vitruvian.networks.flow import RealNVP
from vitruvian.skeletons import unnamed
from vitruvian.training.pose.losses import heatmap_loss, make_loss, position_loss, rle_loss, simdr_loss

RNG = np.random.default_rng(0)


def tensors(*arrays: np.ndarray) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(np.asarray(array, np.float32)) for array in arrays)


def test_heatmaps_are_half_the_weighted_mean_square():
    maps, expected = RNG.normal(size=(2, 2, 3, 4, 3))
    weights = np.array([[1, 0, 1], [1, 1, 1]])
    # One keypoint of one person after the other, as the release's loop goes.
    terms = [
        0.5 * np.mean((maps[n, k] * weights[n, k] - expected[n, k] * weights[n, k]) ** 2)
        for n in range(2)
        for k in range(3)
    ]
    found = heatmap_loss(tensors(maps), tensors(expected, weights))
    assert float(found) == pytest.approx(np.mean(terms), rel=1e-5)
    # Who is half sure counts half; the release knows 0 and 1 only, and squares them.
    half = heatmap_loss(tensors(maps), tensors(expected, weights / 2))
    assert float(half) == pytest.approx(np.mean(terms) / 2, rel=1e-5)


def test_hard_keypoints_alone_count():
    maps = np.zeros((1, 3, 2, 2))
    expected = np.stack([np.full((2, 2), value) for value in (1.0, 3.0, 2.0)])[None]
    found = heatmap_loss(tensors(maps), tensors(expected, np.ones((1, 3))), hardest=2)
    assert float(found) == pytest.approx((0.5 * 9 + 0.5 * 4) / 2)
    none = heatmap_loss(tensors(maps), tensors(expected, np.array([[1, 0, 0]])), hardest=1)
    assert float(none) == pytest.approx(0.5)


def test_positions_are_a_cross_entropy_over_the_whole_map():
    logits, weights = RNG.normal(size=(2, 3, 4, 5)), np.array([[1, 0, 0.5], [1, 1, 0]])
    expected = RNG.uniform(size=(2, 3, 4, 5))
    terms = []
    for n, k in np.ndindex(2, 3):
        probability = np.exp(logits[n, k]) / np.exp(logits[n, k]).sum()
        terms.append(-weights[n, k] * (expected[n, k] / expected[n, k].sum() * np.log(probability)).sum())
    found = position_loss(tensors(logits), tensors(expected, weights))
    assert float(found) == pytest.approx(np.mean(terms), rel=1e-5)
    # What isn't labelled has an empty map.
    expected[0, 1] = 0
    assert float(position_loss(tensors(logits), tensors(expected, weights))) == pytest.approx(np.mean(terms), rel=1e-5)


def test_positions_of_a_teacher_whose_maps_dip_below_zero():
    """A mean of -log p with parts of one as weights: at equal logits it is log of the number of places."""
    taught = RNG.normal(-0.001, 0.01, (1, 2, 8, 8))
    assert taught.sum() < 1e-2
    logits = torch.zeros(1, 2, 8, 8, requires_grad=True)
    loss = position_loss((logits,), tensors(taught, np.array([[0.03, 1.0]])))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(1.03 / 2 * np.log(64), rel=1e-5)
    # The gradient of a softmax's cross-entropy is the weight times a difference of probabilities.
    assert logits.grad.abs().max() <= 0.5


@pytest.mark.parametrize("sigma", [0.0, 4.0])
def test_simdr_is_the_divergence_over_the_bins(sigma):
    """Two persons with two keypoints, of which the second's second isn't labelled."""
    codec = SimDR((8, 4), split=2.0, sigma=sigma)
    keypoints = np.array([[[1.0, 6.0], [2.0, 3.0]], [[3.0, 2.5], [1.0, 1.0]]], np.float32)
    x, y, weights = codec.encode(keypoints, np.array([[1, 1], [1, 0]]))
    logits = RNG.normal(size=x.shape), RNG.normal(size=y.shape)
    summed = mean = 0.0
    for n, k in ((0, 0), (0, 1), (1, 0)):
        for values, count, centre in zip(logits, (8, 16), keypoints[n, k] * 2, strict=True):
            row = values[n, k]
            predicted = np.exp(row) / np.exp(row).sum()
            bins = np.arange(count)
            target = np.where(bins == centre, 0.9, 0.1 / (count - 1))
            if sigma:
                target = np.exp(-((bins - centre) ** 2) / (2 * 4**2)) / (4 * math.sqrt(2 * math.pi))
            divergence = (target * (np.log(target) - np.log(predicted))).sum()
            summed += divergence
            mean += divergence / count
    # SimDR: the sum over all of them by the number of persons, as the release's NMTCritierion. SimDR*: means over the
    # bins of each axis, over persons and over keypoints, labelled or not, as its KLDiscretLoss.
    expected = mean / 4 if sigma else summed / 2
    card = ModelCard("net", "pose", "simdr", (8, 4), options=SimDROptions(split=2.0, sigma=sigma), skeleton=unnamed(2))
    found = make_loss(card, torch.nn.Identity())(tensors(*logits), tensors(x, y, weights))
    assert float(found) == pytest.approx(expected, rel=1e-4)
    assert float(simdr_loss(tensors(*logits), tensors(x, y, weights), star=bool(sigma))) == float(found)


def test_rle_is_the_residual_log_likelihood():
    torch.manual_seed(0)
    flow = RealNVP()
    coordinates, sigma = RNG.normal(size=(2, 3, 2)), RNG.uniform(0.1, 0.9, (2, 3, 2))
    expected = RNG.normal(size=(2, 3, 2))
    weights = np.array([[1, 1, 0], [1, 0.5, 1]])
    with torch.no_grad():
        found = float(rle_loss(tensors(coordinates, sigma), tensors(expected, weights), flow))
        total = 0.0
        for n in range(2):
            for k in range(3):
                error = (coordinates[n, k] - expected[n, k]) / sigma[n, k]
                log_flow = float(flow.log_prob(torch.tensor(error, dtype=torch.float32)[None]))
                for axis in range(2):
                    likelihood = np.log(sigma[n, k, axis]) - log_flow
                    laplace = np.log(sigma[n, k, axis] * math.sqrt(2 * math.pi)) + abs(error[axis]) / math.sqrt(2)
                    total += weights[n, k] * (likelihood + laplace)
    assert found == pytest.approx(total / 2, rel=1e-4)


def test_rle_learns_the_flow_too():
    flow = RealNVP()
    keypoints = np.array([[[10.0, 20.0]]], np.float32)
    targets = Regression((64, 48)).encode(keypoints, np.ones((1, 1)))
    outputs = tensors(np.zeros((1, 1, 2)), np.full((1, 1, 2), 0.5))
    rle_loss(outputs, tensors(*targets), flow).backward()
    assert all(parameter.grad is not None for parameter in flow.parameters())


def test_a_perfect_heatmap_costs_nothing_with_udp_targets_too():
    targets = Heatmap((64, 48), aligned=True).encode(np.array([[[13.3, 20.7]]], np.float32), np.ones((1, 1)))
    assert float(heatmap_loss(tensors(targets[0]), tensors(*targets))) == 0
    # At (x, y) = (13.3, 20.7) * (11, 15) / (47, 63), in heatmap pixels.
    x, y = 13.3 * 11 / 47, 20.7 * 15 / 63
    height = np.exp(-((3 - x) ** 2 + (5 - y) ** 2) / 8)
    assert targets[0][0, 0, 5, 3] == pytest.approx(height, rel=1e-5)


def test_losses_are_means_over_the_batch():
    maps, expected = RNG.normal(size=(2, 4, 3, 4, 3))
    weights = RNG.integers(0, 2, (4, 3)).astype(float)
    whole = heatmap_loss(tensors(maps), tensors(expected, weights))
    halves = [heatmap_loss(tensors(maps[p]), tensors(expected[p], weights[p])) for p in (slice(2), slice(2, 4))]
    assert float(whole) == pytest.approx(float(sum(halves)) / 2, rel=1e-5)
