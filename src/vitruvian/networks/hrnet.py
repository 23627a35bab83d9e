"""HRNet (arXiv 1908.07919) and PoseHRNet, with the parameter names, shapes and order of the authors' release.

Branches run side by side at a quarter, an eighth, ... of the input, each with twice the channels of the one before, and
exchange what they found after every four blocks. Polarized self-attention goes into the blocks (see psa.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from .psa import ATTENTIONS
from .resnet import bottlenecks, initialise

if TYPE_CHECKING:
    from ..models.hrnet import HRNetSpec
    from ..models.psa import PSASpec

AttentionFactory = Callable[[int], nn.Module]

_STEM = 64
_BLOCKS = 4


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut, with a slot for attention after the first.

    Args:
        channels: channels in and out.
        attention: makes the module in the slot from the number of channels.
    """

    def __init__(self, channels: int, attention: AttentionFactory) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.deattn = attention(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same."""
        y = self.deattn(functional.relu(self.bn1(self.conv1(x))))
        return functional.relu(self.bn2(self.conv2(y)) + x)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int, *after: nn.Module) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), *after)


def _exchange(channels: Sequence[int], source: int, target: int) -> nn.Module:
    """What brings the features of one branch to the size and the channels of another."""
    if source == target:
        return nn.Identity()
    if source > target:
        upsample = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        return _convolution(channels[source], channels[target], 1, 1, upsample)
    steps = [_convolution(channels[source], channels[source], 3, 2, nn.ReLU()) for _ in range(target - source - 1)]
    return nn.Sequential(*steps, _convolution(channels[source], channels[target], 3, 2))


class HighResolutionModule(nn.Module):
    """Four blocks on every branch, and then the sum of all branches for each of the first `targets`.

    Args:
        channels: channels of each branch.
        targets: how many branches come out.
        attention: see BasicBlock.
    """

    def __init__(self, channels: Sequence[int], targets: int, attention: AttentionFactory) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width, attention) for _ in range(_BLOCKS))) for width in channels
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_exchange(channels, source, target) for source in range(len(channels)))
            for target in range(targets)
        )

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        """Features of each branch, (N, channels, H / stride, W / stride), to the same for the first `targets`."""
        found = [branch(x) for branch, x in zip(self.branches, branches, strict=True)]
        fused = []
        for layers in self.fuse_layers:
            assert isinstance(layers, nn.ModuleList)
            fused.append(functional.relu(reduce(add, (layer(x) for layer, x in zip(layers, found, strict=True)))))
        return fused


class HRNet(nn.Module):
    """Features at a quarter, an eighth, a 16th and a 32nd of the input.

    Args:
        width: channels at a quarter of the input, e.g. 32 or 48.
        attention: makes the module in every basic block's slot from its number of channels.
        outputs: how many of the four branches the last stage gives.
    """

    def __init__(self, width: int = 32, attention: AttentionFactory = nn.Identity, outputs: int = 4) -> None:
        super().__init__()
        channels = [width << branch for branch in range(4)]
        self.conv1 = nn.Conv2d(3, _STEM, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(_STEM)
        self.conv2 = nn.Conv2d(_STEM, _STEM, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(_STEM)
        self.layer1 = bottlenecks(_STEM, _STEM, 4)
        self.transition1 = _transition([_STEM * 4], channels[:2])
        self.stage2 = _stage(channels[:2], 1, 2, attention)
        self.transition2 = _transition(channels[:2], channels[:3])
        self.stage3 = _stage(channels[:3], 4, 3, attention)
        self.transition3 = _transition(channels[:3], channels)
        self.stage4 = _stage(channels, 3, outputs, attention)
        self.channels = tuple(channels[:outputs])
        initialise(self)

    def features(self, x: Tensor) -> list[Tensor]:
        """Pictures float (N, 3, H, W), H and W multiples of 32, to the first `outputs` of the four branches.

        Branch i is (N, width << i, H / 4 >> i, W / 4 >> i).
        """
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.relu(self.bn2(self.conv2(x)))
        found: list[Tensor] = [self.layer1(x)]
        for transition, stage in (
            (self.transition1, self.stage2),
            (self.transition2, self.stage3),
            (self.transition3, self.stage4),
        ):
            last = len(found) - 1
            found = stage([layer(found[min(branch, last)]) for branch, layer in enumerate(transition)])
        return found


class KeypointMaps(HRNet):
    """HRNet whose first branch becomes one map per keypoint.

    Args:
        num_keypoints: K, the number of maps.
        width: see HRNet.
        attention: see HRNet.
    """

    def __init__(self, num_keypoints: int = 17, width: int = 32, attention: AttentionFactory = nn.Identity) -> None:
        super().__init__(width, attention, outputs=1)
        self.final_layer = nn.Conv2d(width, num_keypoints, 1)
        initialise(self.final_layer)

    def maps(self, x: Tensor) -> Tensor:
        """Pictures float (N, 3, H, W), H and W multiples of 32, to maps (N, K, H / 4, W / 4)."""
        return self.final_layer(self.features(x)[0])


class PoseHRNet(KeypointMaps):
    """The maps are heatmaps."""

    def forward(self, x: Tensor) -> Tensor:
        """See `maps`."""
        return self.maps(x)


def pose_hrnet(spec: HRNetSpec, num_keypoints: int) -> PoseHRNet:
    """PoseHRNet by its spec, with random weights."""
    return PoseHRNet(num_keypoints, spec.width)


def psa_hrnet(spec: PSASpec, num_keypoints: int) -> PoseHRNet:
    """PSA by its spec, with random weights."""
    return PoseHRNet(num_keypoints, spec.width, ATTENTIONS[spec.attention])


def _transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """From the branches of one stage to those of the next, which has a new one at half of the smallest size."""
    layers: list[nn.Module] = []
    for branch, width in enumerate(after):
        if branch >= len(before):
            layers.append(nn.Sequential(_convolution(before[-1], width, 3, 2, nn.ReLU())))
        elif width != before[branch]:
            layers.append(_convolution(before[branch], width, 3, 1, nn.ReLU()))
        else:
            layers.append(nn.Identity())
    return nn.ModuleList(layers)


def _stage(channels: Sequence[int], modules: int, outputs: int, attention: AttentionFactory) -> nn.Sequential:
    """High-resolution modules in a row; only the last may leave branches out."""
    targets = [len(channels)] * (modules - 1) + [outputs]
    return nn.Sequential(*(HighResolutionModule(channels, count, attention) for count in targets))
