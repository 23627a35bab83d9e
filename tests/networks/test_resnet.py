"""ResNet-50 with maps against Simple Baselines' and SimDR's releases: names, shapes and order as theirs."""

from __future__ import annotations

import pytest
import torch
from shapes import outline
from torch import Tensor, nn
from torch.nn import functional

from vitruvian import networks
from vitruvian.networks.heads import SimDRResNet
from vitruvian.networks.resnet import PoseResNet, ResNet50

RELEASED = {
    "conv1.weight": (64, 3, 7, 7),
    "bn1.running_mean": (64,),
    "layer1.0.downsample.0.weight": (256, 64, 1, 1),
    "layer2.0.conv2.weight": (128, 128, 3, 3),
    "layer3.5.bn3.bias": (1024,),
    "layer4.2.conv3.weight": (2048, 512, 1, 1),
    "deconv_layers.0.weight": (2048, 256, 4, 4),
    "deconv_layers.1.weight": (256,),
    "deconv_layers.3.weight": (256, 256, 4, 4),
    "deconv_layers.4.running_var": (256,),
    "deconv_layers.6.weight": (256, 256, 4, 4),
    "deconv_layers.7.num_batches_tracked": (),
    "final_layer.weight": (17, 256, 1, 1),
    "final_layer.bias": (17,),
}
PARTS = ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "deconv_layers", "final_layer"]


@pytest.mark.parametrize(
    ("size", "split", "x", "y"),
    [((256, 192), 2.0, (384, 3072), (512, 3072)), ((384, 288), 2.0, (576, 6912), (768, 6912))],
)
def test_names_shapes_and_order_are_the_releases(size, split, x, y) -> None:
    heads = {"mlp_head_x.weight": x, "mlp_head_x.bias": x[:1], "mlp_head_y.weight": y, "mlp_head_y.bias": y[:1]}
    networks_of = ((("mmpose_resnet50_256x192", {}), {}), (("mmpose_simcc_resnet50_256x192", {"split": split}), heads))
    for (name, options), more in networks_of:
        network = outline(name, input_size=size, **options)
        found = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        expected = {**RELEASED, **more}
        assert {name: found.get(name) for name in expected} == expected
        # 53 convolutions and 3 transposed ones, each with a normalisation of five tensors; the final layer has a bias.
        assert len(found) == 56 * 6 + 2 + len(more)
        parts = list(dict.fromkeys(name.split(".")[0] for name in found))
        assert parts == PARTS + (["mlp_head_x", "mlp_head_y"] if more else [])


def upsampled(x: Tensor, weight: Tensor) -> Tensor:
    """A transposed convolution of 4x4, stride 2 and padding 1 as a plain one: zeros in between, kernel turned."""
    spread = x.new_zeros(*x.shape[:2], x.shape[2] * 2 - 1, x.shape[3] * 2 - 1)
    spread[..., ::2, ::2] = x
    return functional.conv2d(spread, weight.flip(2, 3).transpose(0, 1), padding=2)


def test_maps_from_features_by_hand() -> None:
    network = networks.create("mmpose_resnet50_256x192", num_keypoints=3, width=8).double().eval()
    assert isinstance(network, PoseResNet)
    weights = {name: tensor for name, tensor in network.state_dict().items() if name.endswith("weight")}
    for layer in (0, 3, 6):
        weights[f"deconv_layers.{layer}.weight"].normal_(std=0.1)
    weights["final_layer.weight"].normal_()
    picture = torch.rand(2, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        found = network(picture)
        x = network.features(picture)[0]
        assert x.shape == (2, 256, 2, 3)
        for layer in (0, 3, 6):
            # A fresh normalisation divides by the root of 1 + 1e-5.
            x = (upsampled(x, weights[f"deconv_layers.{layer}.weight"]) * (1 + 1e-5) ** -0.5).relu()
        expected = torch.einsum("nchw,kc->nkhw", x, weights["final_layer.weight"][..., 0, 0])
    assert found.shape == (2, 3, 16, 24)
    assert found.std() > 0.01
    torch.testing.assert_close(found, expected)


def test_simdr_classifies_each_flattened_map() -> None:
    options = {"backbone": "resnet50", "width": 8, "input_size": (96, 64)}
    network = networks.create("simdr_hrnet_w32_256x192", num_keypoints=3, **options).eval()
    assert isinstance(network, SimDRResNet)
    with torch.no_grad():
        for layer in (network.final_layer, *network.deconv_layers):
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                layer.weight.normal_(std=0.1)
        picture = torch.rand(2, 3, 96, 64)
        x, y = network(picture)
        maps = network.maps(picture)
    assert (x.shape, y.shape) == ((2, 3, 128), (2, 3, 192))
    cells, weights = maps[1, 2].tolist(), network.mlp_head_y.weight[9].tolist()
    products = (cells[row][column] * weights[row * 16 + column] for row in range(24) for column in range(16))
    assert y[1, 2, 9].item() == pytest.approx(network.mlp_head_y.bias[9].item() + sum(products), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("name", ["mmpose_resnet50_256x192", "mmpose_simcc_resnet50_256x192"])
def test_the_backbone_is_imagenets(name: str) -> None:
    weights = {**ResNet50(8).state_dict(), "fc.weight": torch.rand(1000, 256), "fc.bias": torch.rand(1000)}
    network = networks.create(name, width=8)
    report = networks.load_backbone(network, weights)
    assert report.ignored == ("fc.weight", "fc.bias")
    assert {key.split(".")[0] for key in report.missing} <= {"deconv_layers", "final_layer", "mlp_head_x", "mlp_head_y"}


def test_what_makes_the_maps_starts_small() -> None:
    network = networks.create("mmpose_resnet50_256x192", width=8)
    for name in ("deconv_layers.0.weight", "deconv_layers.6.weight", "final_layer.weight"):
        assert network.get_parameter(name).std().item() == pytest.approx(0.001, rel=0.1)
    assert not network.get_parameter("final_layer.bias").any()
    assert network.get_parameter("conv1.weight").std() > 0.01
