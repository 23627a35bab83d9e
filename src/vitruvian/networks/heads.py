"""Heads for coordinates: SimDR's classification (arXiv 2107.03332) and RLE's regression (2107.11291)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from .flow import RealNVP
from .hrnet import AttentionFactory, HRNet, KeypointMaps
from .psa import ATTENTIONS
from .resnet import ResNet50, ResNetMaps

if TYPE_CHECKING:
    from ..models.rle import RLESpec
    from ..models.simdr import SimDRSpec

_HEATMAP_STRIDE = 4


class SimDRHead(nn.Module):
    """Maps, flattened, are classified along x and along y: SimDR, SimDR* and SimCC. For networks that make maps."""

    def add_head(self, input_size: tuple[int, int], bins: tuple[int, int]) -> None:
        """The two linear layers.

        Args:
            input_size: (height, width) of the pictures in pixels, which the linear layers fix.
            bins: how many along x and along y.
        """
        pixels = input_size[0] // _HEATMAP_STRIDE * (input_size[1] // _HEATMAP_STRIDE)
        self.mlp_head_x = nn.Linear(pixels, bins[0])
        self.mlp_head_y = nn.Linear(pixels, bins[1])

    def maps(self, x: Tensor) -> Tensor:
        """Pictures float (N, 3, H, W) to maps (N, K, H / 4, W / 4)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures float (N, 3, H, W) to logits over the bins of x (N, K, W * split) and of y (N, K, H * split)."""
        maps = self.maps(x).flatten(2)
        return self.mlp_head_x(maps), self.mlp_head_y(maps)


class SimDRHRNet(KeypointMaps, SimDRHead):
    """SimDR on HRNet.

    Args:
        input_size: see SimDRHead.
        bins: see SimDRHead.
        num_keypoints: K.
        width: see HRNet.
        attention: see HRNet.
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        bins: tuple[int, int],
        num_keypoints: int = 17,
        width: int = 32,
        attention: AttentionFactory = nn.Identity,
    ) -> None:
        super().__init__(num_keypoints, width, attention)
        self.add_head(input_size, bins)


class SimDRResNet(ResNetMaps, SimDRHead):
    """SimDR on ResNet-50 with transposed convolutions.

    Args:
        input_size: see SimDRHead.
        bins: see SimDRHead.
        num_keypoints: K.
        width: see ResNetMaps.
    """

    def __init__(
        self, input_size: tuple[int, int], bins: tuple[int, int], num_keypoints: int = 17, width: int = 64
    ) -> None:
        super().__init__(num_keypoints, width)
        self.add_head(input_size, bins)


class FeatureLinear(nn.Module):
    """A linear layer under the name `linear`, as in RLE's release.

    Args:
        inputs: length of a feature.
        outputs: how many numbers come out.
        normalise: look at the feature's direction only: the weights' product is divided by the feature's norm.
    """

    def __init__(self, inputs: int, outputs: int, normalise: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.normalise = normalise
        nn.init.xavier_uniform_(self.linear.weight, gain=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs) to (N, outputs)."""
        return self.linear(functional.normalize(x, dim=1) if self.normalise else x)


class RLEPose(nn.Module):
    """Coordinates and their uncertainty from the features' averages over the picture.

    With ResNet-50 it has the parameter names of the authors' release. For HRNet neither paper nor release gives any;
    here the same head follows the averages of all four branches side by side, 15 times the width, since the classifier
    that the ImageNet weights come from reads all four too. `flow` is for the loss; the forward pass doesn't use it.

    Args:
        backbone: gives the feature maps.
        num_keypoints: K.
        feature_norm: the coordinates come from the feature's direction only.
    """

    def __init__(self, backbone: ResNet50 | HRNet, num_keypoints: int = 17, feature_norm: bool = True) -> None:
        super().__init__()
        self.num_keypoints = num_keypoints
        self.preact = backbone
        self.fc_coord = FeatureLinear(sum(backbone.channels), num_keypoints * 2, normalise=feature_norm)
        self.fc_sigma = FeatureLinear(sum(backbone.channels), num_keypoints * 2, normalise=False)
        self.flow = RealNVP()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures float (N, 3, H, W) to coordinates and sigma, (N, K, 2) each, x before y.

        Coordinates are fractions of the picture, -0.5..0.5 inside of it; sigma is 0..1 of the same unit.
        """
        feature = torch.cat([maps.mean(dim=(2, 3)) for maps in self.preact.features(x)], dim=1)
        coordinates = self.fc_coord(feature).view(-1, self.num_keypoints, 2)
        sigma = self.fc_sigma(feature).view(-1, self.num_keypoints, 2).sigmoid()
        return coordinates, sigma


def simdr(spec: SimDRSpec, num_keypoints: int) -> SimDRHead:
    """SimDR by its spec, with random weights."""
    if spec.backbone == "resnet50":
        return SimDRResNet(spec.input_size, spec.bins, num_keypoints, spec.width)
    return SimDRHRNet(spec.input_size, spec.bins, num_keypoints, spec.width, ATTENTIONS[spec.attention])


def rle(spec: RLESpec, num_keypoints: int) -> RLEPose:
    """RLEPose by its spec, with random weights."""
    backbone = ResNet50(spec.width) if spec.backbone == "resnet50" else HRNet(spec.width, ATTENTIONS[spec.attention])
    return RLEPose(backbone, num_keypoints, spec.feature_norm)
