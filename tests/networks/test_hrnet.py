"""PoseHRNet against the authors' release: names, shapes and order written down from it, counts from its README."""

from __future__ import annotations

import pytest
import torch
from shapes import missing_or_different, shapes
from torch import nn
from torch.nn import functional

from vitruvian import networks
from vitruvian.networks.hrnet import HighResolutionModule, HRNet

RELEASED_W32 = {
    "conv1.weight": (64, 3, 3, 3),
    "bn1.running_mean": (64,),
    "bn1.num_batches_tracked": (),
    "conv2.weight": (64, 64, 3, 3),
    "layer1.0.conv1.weight": (64, 64, 1, 1),
    "layer1.0.conv2.weight": (64, 64, 3, 3),
    "layer1.0.conv3.weight": (256, 64, 1, 1),
    "layer1.0.downsample.0.weight": (256, 64, 1, 1),
    "layer1.0.downsample.1.bias": (256,),
    "layer1.3.conv1.weight": (64, 256, 1, 1),
    "layer1.3.bn3.running_var": (256,),
    "transition1.0.0.weight": (32, 256, 3, 3),
    "transition1.0.1.weight": (32,),
    "transition1.1.0.0.weight": (64, 256, 3, 3),
    "transition1.1.0.1.running_mean": (64,),
    "stage2.0.branches.0.0.conv1.weight": (32, 32, 3, 3),
    "stage2.0.branches.1.3.conv2.weight": (64, 64, 3, 3),
    "stage2.0.fuse_layers.0.1.0.weight": (32, 64, 1, 1),
    "stage2.0.fuse_layers.1.0.0.0.weight": (64, 32, 3, 3),
    "transition2.2.0.0.weight": (128, 64, 3, 3),
    "stage3.2.fuse_layers.0.2.0.weight": (32, 128, 1, 1),
    "stage3.2.fuse_layers.0.2.1.running_var": (32,),
    "stage3.0.fuse_layers.2.0.0.0.weight": (32, 32, 3, 3),
    "stage3.0.fuse_layers.2.0.1.0.weight": (128, 32, 3, 3),
    "stage3.3.fuse_layers.2.1.0.0.weight": (128, 64, 3, 3),
    "transition3.3.0.0.weight": (256, 128, 3, 3),
    "stage4.0.branches.3.1.bn2.running_var": (256,),
    "stage4.1.fuse_layers.3.0.2.0.weight": (256, 32, 3, 3),
    "stage4.1.fuse_layers.3.1.0.0.weight": (64, 64, 3, 3),
    "stage4.2.fuse_layers.0.3.0.weight": (32, 256, 1, 1),
    "final_layer.weight": (17, 32, 1, 1),
    "final_layer.bias": (17,),
}


def test_names_and_shapes_are_the_releases() -> None:
    assert missing_or_different("pose_hrnet_w32_256x192", RELEASED_W32) == {}


def test_w48_scales_the_branches_alone() -> None:
    expected = {
        "layer1.3.conv1.weight": (64, 256, 1, 1),
        "transition1.0.0.weight": (48, 256, 3, 3),
        "stage4.0.branches.3.1.bn2.running_var": (384,),
        "stage3.2.fuse_layers.0.2.0.weight": (48, 192, 1, 1),
        "final_layer.weight": (17, 48, 1, 1),
    }
    assert missing_or_different("pose_hrnet_w48_384x288", expected) == {}


def test_no_other_names() -> None:
    # Convolutions, each with a normalisation of five tensors: the stem's 2, layer1's 4 * 3 + 1, the transitions'
    # 2 + 1 + 1.
    # A stage's modules have 8 for every branch and those that exchange: 2, 7 and 16 between two, three and four
    # branches, 3 where only the first branch comes out. The final layer has a weight and a bias.
    stages = (2 * 8 + 2) + 4 * (3 * 8 + 7) + 2 * (4 * 8 + 16) + (4 * 8 + 3)
    assert len(shapes("pose_hrnet_w32_256x192")) == 6 * (2 + 13 + 4 + stages) + 2
    assert "stage4.2.fuse_layers.1.0.0.0.weight" not in shapes("pose_hrnet_w32_256x192")


def test_order_is_the_releases() -> None:
    parts = list(dict.fromkeys(name.split(".")[0] for name in shapes("pose_hrnet_w32_256x192")))
    expected = "conv1 bn1 conv2 bn2 layer1 transition1 stage2 transition2 stage3 transition3 stage4 final_layer"
    assert parts == expected.split()
    names = list(shapes("pose_hrnet_w32_256x192"))
    block = [name.split(".", 2)[2] for name in names if name.startswith("layer1.0.")]
    layers = list(dict.fromkeys(name.rsplit(".", 1)[0] for name in block))
    assert layers == ["conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "downsample.0", "downsample.1"]
    normalisation = [name for name in names if name.startswith("stage2.0.branches.0.0.bn1.")]
    tail = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert [name.rsplit(".", 1)[1] for name in normalisation] == tail


@pytest.mark.parametrize("size", [(256, 192), (384, 288), (64, 96)])
def test_one_heatmap_a_keypoint_at_a_quarter(size: tuple[int, int]) -> None:
    network = networks.create("pose_hrnet_w32_256x192", num_keypoints=5, width=8).eval()
    with torch.no_grad():
        assert network(torch.rand(2, 3, *size)).shape == (2, 5, size[0] // 4, size[1] // 4)


def test_features_of_all_four_branches() -> None:
    with torch.no_grad():
        branches = HRNet(width=8).eval().features(torch.rand(1, 3, 64, 96))
    assert [tuple(branch.shape) for branch in branches] == [
        (1, 8, 16, 24),
        (1, 16, 8, 12),
        (1, 32, 4, 6),
        (1, 64, 2, 3),
    ]


def test_exchange_against_the_sum_by_hand() -> None:
    module = HighResolutionModule([2, 4, 8], 3, nn.Identity).eval()
    # Blocks whose last normalisation gives nothing pass their (positive) input on.
    for name, parameter in module.named_parameters():
        if "bn2" in name:
            nn.init.zeros_(parameter)
    x = [torch.rand(1, 2, 8, 8), torch.rand(1, 4, 4, 4), torch.rand(1, 8, 2, 2)]
    with torch.no_grad():
        found = module([*x])
    weights = {name: tensor.detach() for name, tensor in module.named_parameters()}
    fresh = (1 + 1e-5) ** -0.5

    def convolved(tensor: torch.Tensor, name: str, stride: int) -> torch.Tensor:
        weight = weights[f"fuse_layers.{name}.0.weight"]
        y = functional.conv2d(tensor, weight, stride=stride, padding=weight.shape[2] // 2)
        scaled: torch.Tensor = y * fresh
        return scaled

    def doubled(tensor: torch.Tensor, times: int) -> torch.Tensor:
        return tensor.repeat_interleave(times, 2).repeat_interleave(times, 3)

    first = x[0] + doubled(convolved(x[1], "0.1", 1), 2) + doubled(convolved(x[2], "0.2", 1), 4)
    twice = convolved(convolved(x[0], "2.0.0", 2).relu(), "2.0.1", 2)
    third = twice + convolved(x[1], "2.1.0", 2) + x[2]
    torch.testing.assert_close(found[0], first.relu())
    torch.testing.assert_close(found[2], third.relu())


def test_convolutions_start_small_and_normalisations_neutral() -> None:
    network = networks.create("psa_s_hrnet_w48_384x288", width=16)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    weights = torch.cat([module.weight.detach().flatten() for module in convolutions])
    assert weights.std().item() == pytest.approx(0.001, rel=0.01)
    assert weights.mean().item() == pytest.approx(0, abs=1e-5)
    assert not any(module.bias.detach().any() for module in convolutions if module.bias is not None)
    normalisations = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert all((module.weight == 1).all() and not module.bias.any() for module in normalisations)


def test_memory_format_does_not_change_the_result() -> None:
    network = networks.create("psa_p_hrnet_w48_256x192", width=8).eval()
    nn.init.ones_(network.get_parameter("final_layer.weight"))
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        plain = network(x)
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        other = network(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(plain, other)
