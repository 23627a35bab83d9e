"""SimDR's and RLE's heads against the release's layouts and their formulas."""

from __future__ import annotations

import pytest
import torch
from shapes import missing_or_different, shapes

from vitruvian import networks
from vitruvian.codecs import Regression, SimDR
from vitruvian.networks.heads import FeatureLinear, RLEPose, SimDRHRNet


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [
        ("simdr_hrnet_w32_256x192", (384, 3072), (512, 3072)),
        ("simdr_hrnet_w48_256x192", (384, 3072), (512, 3072)),
        ("sa_simdr_hrnet_w48_256x192", (384, 3072), (512, 3072)),
        ("sa_simdr_hrnet_w48_384x288", (432, 6912), (576, 6912)),
    ],
)
def test_simdr_names_and_shapes_are_the_releases(name: str, x: tuple[int, int], y: tuple[int, int]) -> None:
    expected = {"mlp_head_x.weight": x, "mlp_head_x.bias": x[:1], "mlp_head_y.weight": y, "mlp_head_y.bias": y[:1]}
    assert missing_or_different(name, expected) == {}
    assert list(shapes(name))[-4:] == list(expected)
    assert len(shapes(name)) == 1754 + 4


def test_simdr_classifies_each_flattened_map() -> None:
    network = networks.create("simdr_hrnet_w32_256x192", num_keypoints=3, width=8, input_size=(96, 64)).eval()
    assert isinstance(network, SimDRHRNet)
    torch.nn.init.normal_(network.final_layer.weight)
    picture = torch.rand(2, 3, 96, 64)
    with torch.no_grad():
        x, y = network(picture)
        maps = network.maps(picture)
    assert (x.shape, y.shape) == ((2, 3, 128), (2, 3, 192))
    head = network.mlp_head_x
    # Row by row: cell (row 5, column 7) of a map of 24 rows and 16 columns is number 5 * 16 + 7.
    cells, weights = maps[1, 2].tolist(), head.weight[9].tolist()
    products = (cells[row][column] * weights[row * 16 + column] for row in range(24) for column in range(16))
    expected = head.bias[9].item() + sum(products)
    assert x[1, 2, 9].item() == pytest.approx(expected, rel=1e-3, abs=1e-5)
    points, scores = SimDR((96, 64)).decode([x.numpy(), y.numpy()])
    assert (points.shape, scores.shape) == ((2, 3, 2), (2, 3))


def test_rle_names_and_shapes_are_the_releases() -> None:
    expected = {
        "preact.conv1.weight": (64, 3, 7, 7),
        "preact.bn1.running_var": (64,),
        "preact.layer1.0.conv1.weight": (64, 64, 1, 1),
        "preact.layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "preact.layer2.0.conv2.weight": (128, 128, 3, 3),
        "preact.layer2.0.downsample.0.weight": (512, 256, 1, 1),
        "preact.layer3.5.bn3.weight": (1024,),
        "preact.layer4.2.conv3.weight": (2048, 512, 1, 1),
        "fc_coord.linear.weight": (34, 2048),
        "fc_coord.linear.bias": (34,),
        "fc_sigma.linear.weight": (34, 2048),
        "fc_sigma.linear.bias": (34,),
        "flow.mask": (6, 2),
        "flow.t.0.0.weight": (64, 2),
        "flow.s.5.4.bias": (2,),
    }
    name = "rle_resnet50_256x192"
    assert missing_or_different(name, expected) == {}
    # ResNet-50 has 53 convolutions with a normalisation of five tensors each; the flow a mask and 12 nets of 6.
    assert len(shapes(name)) == 53 * 6 + 4 + 1 + 12 * 6
    parts = list(dict.fromkeys(key.split(".")[0] for key in shapes(name)))
    assert parts == ["preact", "fc_coord", "fc_sigma", "flow"]


def test_rle_reads_all_branches_of_hrnet() -> None:
    expected = {"fc_coord.linear.weight": (34, 720), "preact.stage4.2.fuse_layers.3.0.2.0.weight": (384, 48, 3, 3)}
    assert missing_or_different("rle_hrnet_w48_384x288", expected) == {}


@pytest.mark.parametrize("name", ["rle_resnet50_256x192", "rle_hrnet_w48_384x288"])
def test_rle_gives_coordinates_and_their_uncertainty(name: str) -> None:
    network = networks.create(name, num_keypoints=4, width=8).eval()
    assert isinstance(network, RLEPose)
    with torch.no_grad():
        coordinates, sigma = network(torch.rand(2, 3, 64, 64))
    assert (coordinates.shape, sigma.shape) == ((2, 4, 2), (2, 4, 2))
    assert 0 < sigma.min() <= sigma.max() < 1
    points, scores = Regression((64, 64)).decode([coordinates.numpy(), sigma.numpy()])
    assert (points.shape, scores.shape) == ((2, 4, 2), (2, 4))


def test_coordinates_come_x_before_y_and_sigma_through_a_sigmoid() -> None:
    network = networks.create("rle_resnet50_256x192", num_keypoints=2, width=8).eval()
    assert isinstance(network, RLEPose)
    with torch.no_grad():
        for head in (network.fc_coord, network.fc_sigma):
            head.linear.weight.zero_()
            head.linear.bias.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]))
        coordinates, sigma = network(torch.rand(1, 3, 64, 64))
    assert coordinates[0].tolist() == [pytest.approx([0.1, 0.2]), pytest.approx([0.3, 0.4])]
    assert sigma[0, 0].tolist() == pytest.approx([0.524979, 0.549834], abs=1e-6)


def test_norm_divides_the_product_but_not_the_bias() -> None:
    plain, normed = (FeatureLinear(2, 1, normalise=normalise) for normalise in (False, True))
    for module in (plain, normed):
        with torch.no_grad():
            module.linear.weight.copy_(torch.tensor([[2.0, 1.0]]))
            module.linear.bias.fill_(0.5)
    feature = torch.tensor([[3.0, 4.0]])
    assert plain(feature).item() == pytest.approx(3 * 2 + 4 + 0.5)
    assert normed(feature).item() == pytest.approx((3 * 2 + 4) / 5 + 0.5)


def test_heads_start_small() -> None:
    # Xavier's uniform bound, a hundredth of it.
    weight = FeatureLinear(2048, 34, normalise=True).linear.weight
    bound = 0.01 * (6 / (2048 + 34)) ** 0.5
    assert weight.abs().max().item() == pytest.approx(bound, rel=0.01)
