"""The flow against automatic differentiation, numerical integration and the release's layout."""

from __future__ import annotations

import math

import pytest
import torch

from vitruvian.networks.flow import RealNVP


@pytest.fixture
def flow() -> RealNVP:
    network = RealNVP().double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def test_inverse_undoes_forward(flow: RealNVP) -> None:
    z = torch.randn(50, 2).double()
    back, _ = flow.inverse(flow(z))
    torch.testing.assert_close(back, z)
    there = flow(flow.inverse(z)[0])
    torch.testing.assert_close(there, z)
    assert (flow(z) - z).abs().max() > 0.5


def test_log_determinant_is_the_jacobians(flow: RealNVP) -> None:
    points = torch.randn(8, 2).double()
    _, found = flow.inverse(points)
    for point, log_determinant in zip(points, found, strict=True):
        jacobian = torch.func.jacrev(lambda x: flow.inverse(x[None])[0][0])(point)
        torch.testing.assert_close(jacobian.det().abs().log(), log_determinant)


def test_density_of_untouched_couplings_is_the_standard_normals(flow: RealNVP) -> None:
    for parameter in flow.parameters():
        torch.nn.init.zeros_(parameter)
    found = flow.log_prob(torch.tensor([[0.0, 0.0], [3.0, 4.0]]).double())
    assert found.tolist() == pytest.approx([-math.log(2 * math.pi), -math.log(2 * math.pi) - 12.5])


def test_density_integrates_to_one(flow: RealNVP) -> None:
    axis = torch.linspace(-15, 15, 301).double()
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        mass = flow.log_prob(grid).exp().sum() * (axis[1] - axis[0]) ** 2
    assert mass.item() == pytest.approx(1, abs=1e-3)


def test_first_coupling_keeps_y() -> None:
    assert RealNVP().mask.tolist() == [[0, 1], [1, 0]] * 3


def test_names_and_shapes_are_the_releases() -> None:
    found = {name: tuple(tensor.shape) for name, tensor in RealNVP().state_dict().items()}
    net = {
        "0.weight": (64, 2),
        "0.bias": (64,),
        "2.weight": (64, 64),
        "2.bias": (64,),
        "4.weight": (2, 64),
        "4.bias": (2,),
    }
    nets = [(f"{kind}.{index}.{key}", shape) for kind in "ts" for index in range(6) for key, shape in net.items()]
    assert list(found.items()) == [("mask", (6, 2)), *nets]
