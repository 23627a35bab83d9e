"""MobileNetV2: the light pose net, and the person detector on it."""

from __future__ import annotations

import pytest
import torch
from shapes import outline
from torch import nn

from vitruvian import ModelError, networks
from vitruvian.networks.mobilenet import Block, backbone, convolution, widened

POSE, DETECTOR = "pose_mobilenet_256x192", "person_mobilenet_384x384"


def test_one_map_a_keypoint_at_a_quarter_of_the_input() -> None:
    network = networks.create(POSE, num_keypoints=5).eval()
    with torch.no_grad():
        assert network(torch.zeros(2, 3, 128, 96)).shape == (2, 5, 32, 24)


def test_the_backbone_is_the_papers() -> None:
    """MobileNetV2 has 3.5 M parameters with its classifier and its batch norms' scales, which are folded here.

    At 224x224 it takes 300 M multiply-adds (arXiv 1801.04381, table 4).
    """
    stem, stages = backbone()
    features = nn.Sequential(stem, *stages, convolution(320, 1280))
    blocks = [block for stage in stages for block in stage]
    assert len(blocks) == 17
    norms = sum(conv.out_channels for conv in features.modules() if isinstance(conv, nn.Conv2d))
    parameters = sum(parameter.numel() for parameter in features.parameters())
    assert parameters + norms + 1281 * 1000 == 3_504_872
    assert networks.count_macs(features, (224, 224)) == pytest.approx(300e6, rel=0.01)


def test_channels_of_other_widths_are_those_of_the_release() -> None:
    """Multiples of 8, and at most a tenth fewer than asked for: MobileNetV2's at 0.35 and 1.4, MoveNet Thunder's."""
    assert [widened(channels, 0.35) for channels in (32, 16, 24, 64, 320)] == [16, 8, 8, 24, 112]
    assert [widened(channels, 1.4) for channels in (32, 24, 64, 320)] == [48, 32, 88, 448]
    assert [widened(channels, 1.75) for channels in (32, 16, 24, 32, 64, 96, 160)] == [56, 32, 40, 56, 112, 168, 280]


def test_a_stride_of_two_begins_at_the_first_pixel() -> None:
    """TensorFlow's padding: output i of an even input covers pixels 2i to 2i + 2."""
    conv = convolution(1, 1, 3, 2)
    with torch.no_grad():
        conv[1].weight.zero_()[0, 0, 0, 0] = 1.0
        conv[1].bias.zero_()
        picture = torch.arange(16.0).reshape(1, 1, 4, 4)
        assert conv(picture).squeeze().tolist() == [[0, 2], [8, 10]]


def test_a_block_without_a_change_of_size_has_a_shortcut() -> None:
    x = torch.randn(1, 8, 4, 4)
    for block, shape, shortcut in (
        (Block(8, 8, 6, 1), (1, 8, 4, 4), True),
        (Block(8, 8, 6, 2), (1, 8, 2, 2), False),
        (Block(8, 12, 1, 1), (1, 12, 4, 4), False),
    ):
        for parameter in block.project.parameters():
            nn.init.zeros_(parameter)
        found = block(x)
        assert found.shape == shape
        assert torch.equal(found, x) if shortcut else not found.any()


@pytest.mark.parametrize(("name", "parameters", "macs"), [(POSE, 4e6, 0.9e9), (DETECTOR, 2.5e6, 1.1e9)])
def test_they_are_as_small_as_they_are_meant_to_be(name: str, parameters: float, macs: float) -> None:
    network = outline(name)
    assert networks.count_parameters(network) <= parameters
    assert networks.count_macs(network, networks.spec(name).input_size) <= macs


def test_the_detectors_levels_have_their_strides() -> None:
    network = networks.create(DETECTOR).eval()
    with torch.no_grad():
        shapes = [tuple(level.shape[1:]) for level in network.levels(torch.zeros(1, 3, 64, 96))]
        assert shapes == [(32, 8, 12), (96, 4, 6), (320, 2, 3)]
        assert network(torch.zeros(1, 3, 64, 96)).shape == (1, 8 * 12 + 4 * 6 + 2 * 3, 6)


def test_impossible_options() -> None:
    with pytest.raises(ModelError, match="neck is 7; it is an even number"):
        networks.create(DETECTOR, neck=7)
    with pytest.raises(ModelError, match="can't be made with width; its options are input_size"):
        networks.create(POSE, width=8)
