"""A light pose net: MobileNetV2 (arXiv 1801.04381) with a feature pyramid (1612.03144), the layout of MoveNet's.

The layers are those of MoveNet SinglePose Lightning up to its keypoint heatmaps, without its heads for centres,
offsets and regression. Its published weights have their batch norms folded into the convolutions, and so it is here:
training starts from weights, not from noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from .resnet import initialise

if TYPE_CHECKING:
    from ..models.mobilenet import MobileNetSpec

# Expansion, channels, blocks and first stride of each stage: the paper's table 2.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_STEM, _TOP = 32, 1280
# The stages that the way back up takes up again, from stride 16 to stride 4, and its channels from stride 32 on.
_TAKEN = (3, 2, 1)
_PYRAMID = (64, 32, 24, 24)
_HEAD = 96


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


def backbone() -> tuple[nn.Module, nn.ModuleList]:
    """MobileNetV2's stem and stages with random weights: 16, 24, 32, 64, 96, 160, 320 channels, strides 2 to 32."""
    channels = _STEM
    stages = nn.ModuleList()
    for expansion, outputs, blocks, stride in _STAGES:
        first = Block(channels, outputs, expansion, stride)
        stages.append(nn.Sequential(first, *(Block(outputs, outputs, expansion, 1) for _ in range(blocks - 1))))
        channels = outputs
    stem = nn.Sequential(convolution(3, _STEM, 3, 2), nn.ReLU6())
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
    """One map per keypoint at a quarter of the input.

    Args:
        num_keypoints: K, the number of maps.
    """

    def __init__(self, num_keypoints: int = 17) -> None:
        super().__init__()
        self.stem, self.stages = backbone()
        self.top = nn.Sequential(convolution(_STAGES[-1][1], _TOP), nn.ReLU6(), convolution(_TOP, _PYRAMID[0]))
        self.laterals = nn.ModuleList(convolution(_STAGES[number][1], _STAGES[number][1]) for number in _TAKEN)
        self.smooth = nn.ModuleList(map(separable, _PYRAMID, _PYRAMID[1:]))
        self.head = separable(_PYRAMID[-1], _HEAD)
        self.final_layer = nn.Conv2d(_HEAD, num_keypoints, 1)
        for part in (self.top, self.laterals, self.smooth, self.head):
            for module in part.modules():
                if isinstance(module, nn.Conv2d):
                    random_weights(module)
        initialise(self.final_layer)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures float (N, 3, H, W), H and W multiples of 32, to maps (N, K, H / 4, W / 4)."""
        levels = features(self.stem, self.stages, x)
        x = self.top(levels[-1])
        for number, lateral, smooth in zip(_TAKEN, self.laterals, self.smooth, strict=True):
            x = functional.interpolate(x, scale_factor=2.0, mode="bilinear") + lateral(levels[number])
            x = smooth(x)
        out: Tensor = self.final_layer(self.head(x))
        return out


def mobilenet(spec: MobileNetSpec, num_keypoints: int) -> MobileNet:
    """MobileNet by its spec, with random weights."""
    return MobileNet(num_keypoints)
