"""A slim pose net of the project's own: an encoder of plain residual blocks and a light way back up.

The encoder's blocks are ResNet's (arXiv 1512.03385), all of them plain 3x3 convolutions, which a CPU trains and runs
faster than it does depthwise ones of the same cost; the way back is that of feature pyramids (1612.03144).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from .resnet import initialise

if TYPE_CHECKING:
    from ..models.pyramid import PyramidSpec

# Channels in parts of the width and blocks of each stage, at strides of 4, 8, 16 and 32.
_STAGES = ((1, 1), (2, 2), (4, 3), (6, 2))
_HEAD = 2


class Block(nn.Module):
    """Two 3x3 convolutions around a shortcut.

    Args:
        inputs, outputs: channels.
        stride: 1 or 2.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = convolution(inputs, outputs, 3, stride)
        self.conv2 = convolution(outputs, outputs, 3)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = convolution(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return functional.relu(self.conv2(functional.relu(self.conv1(x))) + self.shortcut(x))


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A convolution and its batch norm."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs))


class Pyramid(nn.Module):
    """One map per keypoint at a quarter of the input.

    Args:
        num_keypoints: K, the number of maps.
        width: channels of the first stage.
    """

    def __init__(self, num_keypoints: int = 17, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            convolution(3, width // 2, 3, 2), nn.ReLU(), convolution(width // 2, width, 3, 2), nn.ReLU()
        )
        stages, inputs = [], width
        for number, (times, blocks) in enumerate(_STAGES):
            outputs = width * times
            first = Block(inputs, outputs, 2 if number else 1)
            stages.append(nn.Sequential(first, *(Block(outputs, outputs) for _ in range(blocks - 1))))
            inputs = outputs
        self.stages = nn.ModuleList(stages)
        head = width * _HEAD
        self.laterals = nn.ModuleList(convolution(width * times, head, 1) for times, _ in _STAGES)
        self.smooth = nn.ModuleList(convolution(head, head, 3) for _ in _STAGES[1:])
        self.final_layer = nn.Conv2d(head, num_keypoints, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        initialise(self.final_layer)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures float (N, 3, H, W), H and W multiples of 32, to maps (N, K, H / 4, W / 4)."""
        x = self.stem(x)
        levels = []
        for stage, lateral in zip(self.stages, self.laterals, strict=True):
            x = stage(x)
            levels.append(lateral(x))
        x = levels.pop()
        for smooth in self.smooth:
            x = functional.relu(functional.interpolate(x, scale_factor=2.0) + levels.pop())
            x = functional.relu(smooth(x))
        return self.final_layer(x)


def pyramid(spec: PyramidSpec, num_keypoints: int) -> Pyramid:
    """Pyramid by its spec, with random weights."""
    return Pyramid(num_keypoints, spec.width)
