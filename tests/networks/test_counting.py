"""Sizes and work against the tables of the papers."""

from __future__ import annotations

import pytest
import torch
from shapes import outline
from torch import nn

from vitruvian import networks

# Millions of parameters as the HRNet, SimDR and RLE tables have them.
PARAMETERS = {
    "pose_hrnet_w32_256x192": 28.54,
    "pose_hrnet_w48_256x192": 63.60,
    "simdr_hrnet_w32_256x192": 31.29,
    "simdr_hrnet_w48_256x192": 66.35,
    "sa_simdr_hrnet_w48_256x192": 66.35,
    "sa_simdr_hrnet_w48_384x288": 70.56,
    "rle_resnet50_256x192": 23.70,
}

# GFLOPs as the HRNet, SimDR and PSA tables have them, in units of 2 ** 30 multiply-adds.
WORK = {
    "pose_hrnet_w32_256x192": 7.1,
    "pose_hrnet_w48_256x192": 14.6,
    "pose_hrnet_w32_384x288": 16.0,
    "pose_hrnet_w48_384x288": 32.9,
    "simdr_hrnet_w48_256x192": 14.6,
}


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_published_parameters(name: str) -> None:
    assert networks.count_parameters(outline(name)) / 1e6 == pytest.approx(PARAMETERS[name], abs=0.005)


def test_psa_adds_a_tenth() -> None:
    assert networks.count_parameters(outline("psa_p_hrnet_w48_256x192")) / 1e6 == pytest.approx(70, abs=0.2)
    network = outline("psa_p_hrnet_w48_256x192")
    assert networks.count_macs(network, (256, 192)) / 2**30 == pytest.approx(16, abs=0.5)


@pytest.mark.parametrize("name", list(WORK))
def test_published_work(name: str) -> None:
    macs = networks.count_macs(outline(name), networks.spec(name).input_size)
    assert macs / 2**30 == pytest.approx(WORK[name], abs=0.07)


def test_rle_counts_in_thousands() -> None:
    assert networks.count_macs(outline("rle_resnet50_256x192"), (256, 192)) / 1e9 == pytest.approx(4.0, abs=0.05)


# Millions of parameters of Simple Baselines' and SimDR's ResNet-50, as SimDR's authors list them with their release.
RESNETS = [
    ("heatmap", (256, 192), 2.0, 34.0),
    ("simdr", (64, 64), 3.0, 34.1),
    ("simdr", (128, 128), 3.0, 34.8),
    ("simdr", (256, 192), 2.0, 36.8),
]


def resnet(head: str, size: tuple[int, int] = (256, 192), split: float = 2.0) -> nn.Module:
    """Simple Baselines or SimDR on ResNet-50, without numbers."""
    if head == "heatmap":
        return outline("mmpose_resnet50_256x192", input_size=size)
    return outline("mmpose_simcc_resnet50_256x192", input_size=size, split=split)


@pytest.mark.parametrize(("head", "size", "split", "millions"), RESNETS)
def test_published_parameters_on_resnet(head: str, size: tuple[int, int], split: float, millions: float) -> None:
    network = resnet(head, size, split)
    assert networks.count_parameters(network) / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize(("head", "gflops"), [("heatmap", 8.9), ("simdr", 9.0)])
def test_published_work_on_resnet(head: str, gflops: float) -> None:
    network = resnet(head)
    macs = networks.count_macs(network, (256, 192))
    # From 8x6, 16x12 and 32x24 values; the tables take the values that come out, four times as many.
    upsampling = (48 * 2048 + 192 * 256 + 768 * 256) * 256 * 16
    assert (macs + 3 * upsampling) / 2**30 == pytest.approx(gflops, abs=0.1)


def test_a_transposed_convolution_by_hand() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2))
    # Each of 4 channels of 8 x 8 values spreads over 3 channels by 16 weights.
    assert networks.count_macs(network, (8, 8)) == 64 * 3 * 4 + 4 * 64 * 3 * 16


def test_products_by_hand() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, (1, 3), groups=4, padding=(0, 1)),
        nn.Flatten(2),
        nn.Linear(32, 5),
    )
    # 8 channels of 4 rows and 8 columns from 27 values each, the same from 2 * 3, and 8 rows of 5 from 32.
    assert networks.count_macs(network, (8, 16)) == 8 * 32 * 27 + 8 * 32 * 6 + 8 * 5 * 32
    assert networks.count_parameters(network) == 224 + 16 + 56 + 165


def test_the_network_stays_as_it_was() -> None:
    network = networks.create("pose_hrnet_w32_256x192", width=8)
    network.get_submodule("stage2").eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    networks.count_macs(network, (64, 64))
    assert network.training
    assert not network.get_submodule("stage2.0").training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
