"""The project's own slim pose net."""

from __future__ import annotations

import pytest
import torch
from shapes import outline

from vitruvian import ModelError, networks

NAME = "pose_pyramid_w32_256x192"


def test_one_map_a_keypoint_at_a_quarter_of_the_input():
    network = networks.create(NAME, num_keypoints=5, width=8).eval()
    with torch.no_grad():
        assert network(torch.zeros(2, 3, 128, 96)).shape == (2, 5, 32, 24)


def test_it_is_as_small_as_it_is_meant_to_be():
    network = outline(NAME)
    assert networks.count_parameters(network) <= 3e6
    assert networks.count_macs(network, (256, 192)) <= 0.8e9


def test_it_sees_the_whole_crop():
    """A pixel at one end of the crop changes the maps at the other."""
    network = networks.create(NAME, width=8).eval()
    picture = torch.randn(1, 3, 128, 96, generator=torch.Generator().manual_seed(0)).requires_grad_()
    network(picture)[0, 0, 0, 0].backward()
    assert picture.grad is not None
    assert picture.grad[0, :, -8:, -8:].abs().max() > 0


def test_it_makes_heatmaps_only():
    with pytest.raises(ModelError, match="can't be made with head; its options are input_size, width"):
        networks.create(NAME, head="simdr")
    with pytest.raises(ModelError, match="can't be made with attention"):
        networks.create(NAME, attention="parallel")
