"""ResNet-50 (arXiv 1512.03385) with the parameter names of its ImageNet releases, without the classifier."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

_BLOCKS = (3, 4, 6, 3)


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 and a 1x1 convolution around a shortcut; four times as many channels come out as work inside.

    Args:
        inputs: channels in.
        width: channels of the 3x3 convolution, which also carries the stride.
        stride: 1 or 2.
    """

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, 4 * width, H / stride, W / stride)."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        return functional.relu(self.bn3(self.conv3(y)) + self.downsample(x))


def bottlenecks(inputs: int, width: int, count: int, stride: int = 1) -> nn.Sequential:
    """`count` bottlenecks, the first of them with the stride."""
    first = Bottleneck(inputs, width, stride)
    rest = (Bottleneck(width * Bottleneck.expansion, width) for _ in range(count - 1))
    return nn.Sequential(first, *rest)


class ResNet50(nn.Module):
    """Features at a 32nd of the input.

    Args:
        width: channels inside the first stage, 64 as published.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = bottlenecks(width, width, _BLOCKS[0])
        self.layer2 = bottlenecks(width * 4, width * 2, _BLOCKS[1], stride=2)
        self.layer3 = bottlenecks(width * 8, width * 4, _BLOCKS[2], stride=2)
        self.layer4 = bottlenecks(width * 16, width * 8, _BLOCKS[3], stride=2)
        self.channels = (width * 32,)
        self._initialise()

    def _initialise(self) -> None:
        """Normal with a variance of 2 over the fan-out (arXiv 1502.01852)."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, x: Tensor) -> list[Tensor]:
        """Pictures float (N, 3, H, W) to features (N, 32 * width, H / 32, W / 32), as the only item of a list."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.max_pool2d(x, kernel_size=3, stride=2, padding=1)
        return [self.layer4(self.layer3(self.layer2(self.layer1(x))))]
