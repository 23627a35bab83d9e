"""A light pose net: MobileNetV2 (arXiv 1801.04381) with a feature pyramid (1612.03144), the layout of MoveNet's.

The layers are those of MoveNet SinglePose Thunder up to its keypoint heatmaps, without its heads for centres, offsets
and regression. At stride 32 two blocks are left of four, and the layer of 1,280 channels is left out: more than half
of the parameters were there. The published weights have their batch norms folded into the convolutions, and so it is
here: training starts from weights, not from noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from .resnet import initialise

if TYPE_CHECKING:
    from ..models.mobilenet import MobileNetSpec

# Expansion, channels, blocks and first stride of each stage: the paper's table 2, at a width of 1.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_STEM = 32
# The pose net's.
_WIDTH = 1.75
_POSE_STAGES = (*STAGES[:5], (6, 160, 2, 2))
# The stages that the way back up takes up again, from stride 16 to stride 4, and its channels from stride 32 on.
_TAKEN = (3, 2, 1)
_PYRAMID = (64, 32, 24, 24)
_HEAD = 96
# The sum of a heatmap's Gaussian, with a standard deviation of 2 pixels and a height of 1.
_MASS = 2 * math.pi * 2**2


def convolution(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution padded as TensorFlow's "same": at an even size, a stride of 2 pads below and right only."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2 if stride == 1 else 0, groups=groups)
    return nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), conv) if stride == 2 else nn.Sequential(conv)


def separable(inputs: int, outputs: int) -> nn.Sequential:
    """A depthwise 3x3 convolution, a pointwise one, and ReLU."""
    depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
    return nn.Sequential(depthwise, nn.Conv2d(inputs, outputs, 1), nn.ReLU())


class Block(nn.Module):
    """Inverted residual: expansion, depthwise convolution, linear projection, and a shortcut where the sizes agree.

    Args:
        inputs, outputs: channels.
        expansion: channels in between, in parts of the inputs; 1 leaves the expansion out.
        stride: 1 or 2.
    """

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = nn.Sequential(convolution(inputs, inner), nn.ReLU6()) if expansion > 1 else nn.Identity()
        self.depthwise = nn.Sequential(convolution(inner, inner, 3, stride, inner), nn.ReLU6())
        self.project = convolution(inner, outputs)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


def widened(channels: int, width: float) -> int:
    """Channels times a width, to the nearest multiple of 8 that isn't more than a tenth below, as in the release."""
    nearest = max(8, int(channels * width + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels * width else nearest


def backbone(
    width: float = 1.0, table: Sequence[tuple[int, int, int, int]] = STAGES
) -> tuple[nn.Module, nn.ModuleList]:
    """MobileNetV2's stem and stages, strides 2 to 32, with random weights.

    Args:
        width: factor of the channels, see `widened`.
        table: expansion, channels, blocks and first stride of each stage.
    """
    channels = widened(_STEM, width)
    stem = nn.Sequential(convolution(3, channels, 3, 2), nn.ReLU6())
    stages = nn.ModuleList()
    for expansion, narrow, blocks, stride in table:
        outputs = widened(narrow, width)
        first = Block(channels, outputs, expansion, stride)
        stages.append(nn.Sequential(first, *(Block(outputs, outputs, expansion, 1) for _ in range(blocks - 1))))
        channels = outputs
    for module in (*stem.modules(), *stages.modules()):
        if isinstance(module, nn.Conv2d):
            random_weights(module)
    return stem, stages


def features(stem: nn.Module, stages: nn.ModuleList, x: Tensor) -> list[Tensor]:
    """Pictures float (N, 3, H, W) to what each stage of a backbone makes of them."""
    x = stem(x)
    found = []
    for stage in stages:
        x = stage(x)
        found.append(x)
    return found


def random_weights(conv: nn.Conv2d) -> None:
    """Weights that keep the variance of what comes in, since there are no norms; biases of 0."""
    nn.init.kaiming_normal_(conv.weight, mode="fan_in", nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)


class MobileNet(nn.Module):
    """One heatmap per keypoint at a quarter of the input: the mean of a map and of a distribution over its positions.

    Learned together, one with a squared error and the other with a cross-entropy, their mean is better than either
    (training/README.md).

    Args:
        num_keypoints: K, the number of maps.
    """

    def __init__(self, num_keypoints: int = 17) -> None:
        super().__init__()
        self.stem, self.stages = backbone(_WIDTH, _POSE_STAGES)
        channels = [widened(stage[1], _WIDTH) for stage in _POSE_STAGES]
        self.top = convolution(channels[-1], _PYRAMID[0])
        self.laterals = nn.ModuleList(
            convolution(channels[number], outputs) for number, outputs in zip(_TAKEN, _PYRAMID[:-1], strict=True)
        )
        self.smooth = nn.ModuleList(map(separable, _PYRAMID, _PYRAMID[1:]))
        self.head = separable(_PYRAMID[-1], _HEAD)
        self.final_layer = nn.Conv2d(_HEAD, 2 * num_keypoints, 1)
        for part in (self.top, self.laterals, self.smooth, self.head):
            for module in part.modules():
                if isinstance(module, nn.Conv2d):
                    random_weights(module)
        initialise(self.final_layer)

    def answers(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Heatmaps (N, K, H / 4, W / 4), and logits of distributions over all their positions, of that shape."""
        levels = features(self.stem, self.stages, x)
        x = self.top(levels[-1])
        for number, lateral, smooth in zip(_TAKEN, self.laterals, self.smooth, strict=True):
            x = functional.interpolate(x, scale_factor=2.0, mode="bilinear") + lateral(levels[number])
            x = smooth(x)
        maps, logits = self.final_layer(self.head(x)).chunk(2, dim=1)
        return maps, logits

    def forward(self, x: Tensor) -> Tensor:
        """Pictures float (N, 3, H, W), H and W multiples of 32, to heatmaps (N, K, H / 4, W / 4)."""
        maps, logits = self.answers(x)
        shares = logits.flatten(2).softmax(dim=2).view_as(logits)
        mean: Tensor = (maps + _MASS * shares) / 2
        return mean


def mobilenet(spec: MobileNetSpec, num_keypoints: int) -> MobileNet:
    """MobileNet by its spec, with random weights."""
    return MobileNet(num_keypoints)
