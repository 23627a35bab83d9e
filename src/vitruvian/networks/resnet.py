"""ResNet-50 (arXiv 1512.03385) with the parameter names of its ImageNet releases, without the classifier.

Simple Baselines (1804.06208) makes maps of its features by transposed convolutions, here under its authors' names. Of
their weights these are the "PyTorch-style" ones; the "Caffe-style" ones have the same names and shapes, but put their
strides elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from ..models.simple_baselines import SimpleBaselinesSpec

_BLOCKS = (3, 4, 6, 3)
_UPSAMPLINGS = 3
_WEIGHT_STD = 0.001


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


class ResNetMaps(ResNet50):
    """ResNet-50 whose features, three times doubled in size, become one map per keypoint.

    Args:
        num_keypoints: K, the number of maps.
        width: see ResNet50; the transposed convolutions have four times as many channels, 256 as published.
    """

    def __init__(self, num_keypoints: int = 17, width: int = 64) -> None:
        super().__init__(width)
        layers: list[nn.Module] = []
        for step in range(_UPSAMPLINGS):
            inputs = width * 4 if step else self.channels[0]
            layers += (nn.ConvTranspose2d(inputs, width * 4, 4, 2, 1, bias=False), nn.BatchNorm2d(width * 4), nn.ReLU())
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(width * 4, num_keypoints, 1)
        initialise(self.deconv_layers)
        initialise(self.final_layer)

    def maps(self, x: Tensor) -> Tensor:
        """Pictures float (N, 3, H, W), H and W multiples of 32, to maps (N, K, H / 4, W / 4)."""
        return self.final_layer(self.deconv_layers(self.features(x)[0]))


class PoseResNet(ResNetMaps):
    """The maps are heatmaps."""

    def forward(self, x: Tensor) -> Tensor:
        """See `maps`."""
        return self.maps(x)


def simple_baselines(spec: SimpleBaselinesSpec, num_keypoints: int) -> PoseResNet:
    """Simple Baselines by its spec, with random weights."""
    return PoseResNet(num_keypoints, spec.width)


def initialise(root: nn.Module) -> None:
    """As HRNet and Simple Baselines do: every convolution normal with a standard deviation of 0.001."""
    for module in root.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=_WEIGHT_STD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
