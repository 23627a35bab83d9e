"""Muon's steps: what the papers say of them, on real matrices."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from vitruvian import networks
from vitruvian.models import describe
from vitruvian.training import read_recipe
from vitruvian.training.muon import Muon, orthogonal
from vitruvian.training.pose.module import PoseTraining


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 16)])
def test_singular_vectors_stay_and_values_come_near_one(shape):
    generator = torch.Generator().manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(*shape, generator=generator), full_matrices=False)
    values = torch.linspace(0.1, 3, min(shape))
    turned = u.T @ orthogonal(u @ torch.diag(values) @ v) @ v.T
    assert turned.diagonal().min() > 0.65
    assert turned.diagonal().max() < 1.25
    assert (turned - torch.diag(turned.diagonal())).abs().max() < 0.05


def test_a_step_is_as_large_as_adamws_whatever_the_gradient_is():
    """0.2 sqrt(max(m, n)) O has a root mean square of 0.2 where O's singular values are 1 (arXiv 2502.16982)."""
    weights = nn.Parameter(torch.zeros(16, 8, 3, 3))
    optimizer = Muon([{"params": [weights], "matrix": True, "weight_decay": 0.0, "lr": 0.01}], 0.01)
    weights.grad = 1e-5 * torch.randn(16, 8, 3, 3, generator=torch.Generator().manual_seed(0))
    optimizer.step()
    assert weights.square().mean().sqrt().item() == pytest.approx(0.01 * 0.2, rel=0.2)
    assert (weights * weights.grad).sum() < 0


def test_weight_decay_shrinks_by_the_rate_times_the_decay():
    weights = nn.Parameter(torch.ones(4, 4))
    optimizer = Muon([{"params": [weights], "matrix": True, "weight_decay": 0.5, "lr": 0.1}], 0.1)
    weights.grad = torch.zeros(4, 4)
    optimizer.step()
    assert torch.allclose(weights, torch.full((4, 4), 0.95))


def test_what_is_no_matrix_takes_adamws_steps():
    ours, theirs = (nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(2))
    rate = {"weight_decay": 0.1, "lr": 0.01}
    one = Muon([{"params": [ours], "matrix": False, **rate}], 0.01)
    other = torch.optim.AdamW([{"params": [theirs], **rate}])
    for step in range(5):
        for parameter, optimizer in ((ours, one), (theirs, other)):
            parameter.grad = parameter.detach() * (step + 1)
            optimizer.step()
    assert torch.equal(ours, theirs)


def test_a_state_is_taken_up():
    def make():
        weights, bias = nn.Parameter(torch.eye(4)), nn.Parameter(torch.ones(4))
        groups = [{"params": [weights], "matrix": True}, {"params": [bias], "matrix": False}]
        return Muon(groups, 0.01), (weights, bias)

    def learn(optimizer, parameters):
        for parameter in parameters:
            parameter.grad = parameter.detach().cos()
        optimizer.step()

    (first, ours), (second, theirs) = make(), make()
    learn(first, ours)
    state = copy.deepcopy(first.state_dict())
    with torch.no_grad():
        for parameter, value in zip(theirs, ours, strict=True):
            parameter.copy_(value)
    second.load_state_dict(state)
    for optimizer, parameters in ((first, ours), (second, theirs)):
        learn(optimizer, parameters)
    assert all(torch.equal(*pair) for pair in zip(ours, theirs, strict=True))


def test_convolutions_before_norms_are_matrices_and_last_layers_none(tmp_path):
    recipe = read_recipe("pose_pyramid_w32_256x192", ["optimizer=muon", "width=8"])
    network = networks.build(recipe.spec, 17)
    module = PoseTraining(network, describe(recipe.spec, "x", 17), recipe, tmp_path)
    groups = module.configure_optimizers().param_groups
    matrices = {id(parameter) for group in groups if group["matrix"] for parameter in group["params"]}
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert matrices == {id(layer.weight) for layer in convolutions if layer is not network.final_layer}
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))
