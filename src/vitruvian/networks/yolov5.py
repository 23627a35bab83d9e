"""YOLOv5 in five sizes and two layouts, written from the published layer table and the shapes of the released weights.

Boxes decode as the model's documentation gives it: the centre lies 2 * sigmoid - 0.5 cells from its cell's corner, and
the size is (2 * sigmoid) ** 2 times the anchor's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from ..models.yolov5 import Layout, YOLOv5Spec

# Widths and heights in pixels for strides 8, 16 and 32, found on COCO.
ANCHORS = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
STRIDES = (8, 16, 32)

# RetinaNet (arXiv 1708.02002) starts its classifiers at this, so that the many empty cells don't swamp the loss.
_PRIOR = 0.01

# The layers that take others than the one before them.
_SOURCES = {12: (11, 6), 16: (15, 4), 19: (18, 14), 22: (21, 10), 24: (17, 20, 23)}
_KEPT = {source for sources in _SOURCES.values() for source in sources}


class Conv(nn.Module):
    """Convolution, batch normalisation, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, padding: int | None = None) -> None:
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(self.bn(self.conv(x)))


class Focus(nn.Module):
    """Every second pixel of every second row, four pictures side by side, and a 3x3 convolution at half of the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = Conv(inputs * 4, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        corners = (x[..., row::2, column::2] for column in (0, 1) for row in (0, 1))
        return self.conv(torch.cat(tuple(corners), dim=1))


class Bottleneck(nn.Module):
    """A 1x1 and a 3x3 convolution, around a shortcut or not."""

    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels, 1)
        self.cv2 = Conv(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class C3(nn.Module):
    """Cross-stage partial block (arXiv 1911.11929): half of the channels through bottlenecks, half past them."""

    def __init__(self, inputs: int, outputs: int, repeats: int, shortcut: bool = True) -> None:
        super().__init__()
        half = outputs // 2
        self.cv1 = Conv(inputs, half)
        self.cv2 = Conv(inputs, half)
        self.cv3 = Conv(half * 2, outputs)
        self.m = nn.Sequential(*(Bottleneck(half, shortcut) for _ in range(repeats)))

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), dim=1))


class SPP(nn.Module):
    """Spatial pyramid pooling (arXiv 1406.4729): the largest neighbour within 5, 9 and 13 pixels beside each pixel.

    SPPF, its successor, pools 5 pixels three times over, which is the same with the same weights.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels // 2)
        self.cv2 = Conv(channels // 2 * 4, channels)

    def forward(self, x: Tensor) -> Tensor:
        pooled = [self.cv1(x)]
        for _ in range(3):
            pooled.append(functional.max_pool2d(pooled[-1], kernel_size=5, stride=1, padding=2))
        return self.cv2(torch.cat(pooled, dim=1))


class Concat(nn.Module):
    """Two layers' features side by side."""

    def forward(self, *x: Tensor) -> Tensor:
        return torch.cat(x, dim=1)


class Detect(nn.Module):
    """Boxes, objectness and classes from the features at strides 8, 16 and 32, for three anchors a cell.

    Args:
        channels: channels of the features of each stride.
        num_classes: classes.
        layout: "v5" also keeps the anchors in pixels, as its files do.
    """

    anchors: Tensor
    anchor_grid: Tensor

    def __init__(self, channels: tuple[int, int, int], num_classes: int, layout: Layout) -> None:
        super().__init__()
        pixels = torch.tensor(ANCHORS, dtype=torch.float32)
        self.register_buffer("anchors", pixels / torch.tensor(STRIDES).view(3, 1, 1))
        if layout == "v5":
            self.register_buffer("anchor_grid", pixels.view(3, 1, 3, 1, 1, 2))
        self.values = 5 + num_classes
        self.m = nn.ModuleList(nn.Conv2d(width, self.values * 3, 1) for width in channels)
        for conv in self.m:
            assert isinstance(conv, nn.Conv2d)
            assert conv.bias is not None
            with torch.no_grad():
                conv.bias.view(3, self.values)[:, 4:] = -math.log((1 - _PRIOR) / _PRIOR)

    def forward(self, *features: Tensor) -> Tensor:
        """(N, channels, H / stride, W / stride) each to (N, A, 5 + classes), by stride, anchor, row and column."""
        levels = zip(self.m, features, self.anchors, STRIDES, strict=True)
        return torch.cat([self._decode(conv(x), anchors, stride) for conv, x, anchors, stride in levels], dim=1)

    def _decode(self, raw: Tensor, anchors: Tensor, stride: int) -> Tensor:
        height, width = raw.shape[2:]
        # Pixels in float32, whatever the network computes in: halves have no room for them.
        found = raw.float().view(-1, 3, self.values, height, width).permute(0, 1, 3, 4, 2).sigmoid()
        rows = torch.arange(height, device=raw.device, dtype=found.dtype)
        columns = torch.arange(width, device=raw.device, dtype=found.dtype)
        cells = torch.stack((columns.expand(height, width), rows[:, None].expand(height, width)), dim=2)
        centres = (found[..., :2] * 2 - 0.5 + cells) * stride
        sizes = (found[..., 2:4] * 2) ** 2 * (anchors.float() * stride).view(3, 1, 1, 2)
        return torch.cat((centres, sizes, found[..., 4:]), dim=4).flatten(1, 3)


class YOLOv5(nn.Module):
    """The whole detector; its layers are numbered as in the table, so that released weights fit by name.

    Args:
        depth: multiple of the table's repeats.
        width: multiple of the table's channels, which are rounded up to a multiple of 8.
        num_classes: classes.
        layout: "v6" starts with a 6x6 convolution and ends its backbone with SPPF, "v5" with Focus and SPP.
    """

    def __init__(self, depth: float, width: float, num_classes: int = 80, layout: Layout = "v6") -> None:
        super().__init__()

        def wide(channels: int) -> int:
            return math.ceil(channels * width / 8) * 8

        def deep(repeats: int) -> int:
            return max(round(repeats * depth), 1)

        c64, c128, c256, c512, c1024 = (wide(64 << i) for i in range(5))
        pyramid: tuple[nn.Module, nn.Module] = (C3(c1024, c1024, deep(3)), SPP(c1024))
        if layout == "v5":
            pyramid = (SPP(c1024), C3(c1024, c1024, deep(3), shortcut=False))
        self.model = nn.ModuleList(
            [
                Focus(3, c64) if layout == "v5" else Conv(3, c64, 6, 2, padding=2),
                Conv(c64, c128, 3, 2),
                C3(c128, c128, deep(3)),
                Conv(c128, c256, 3, 2),
                C3(c256, c256, deep(9 if layout == "v5" else 6)),
                Conv(c256, c512, 3, 2),
                C3(c512, c512, deep(9)),
                Conv(c512, c1024, 3, 2),
                *pyramid,
                Conv(c1024, c512),
                nn.Upsample(scale_factor=2, mode="nearest"),
                Concat(),
                C3(c512 * 2, c512, deep(3), shortcut=False),
                Conv(c512, c256),
                nn.Upsample(scale_factor=2, mode="nearest"),
                Concat(),
                C3(c256 * 2, c256, deep(3), shortcut=False),
                Conv(c256, c256, 3, 2),
                Concat(),
                C3(c256 * 2, c512, deep(3), shortcut=False),
                Conv(c512, c512, 3, 2),
                Concat(),
                C3(c512 * 2, c1024, deep(3), shortcut=False),
                Detect((c256, c512, c1024), num_classes, layout),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Pictures float (N, 3, H, W), RGB 0..1, H and W multiples of 32, to predictions (N, A, 5 + classes).

        A is 3 * (H * W / 64 + H * W / 256 + H * W / 1024). A prediction is a box (centre x, centre y, width, height in
        pixels of the input), the objectness, and the probability of each class where there is an object.
        """
        kept: dict[int, Tensor] = {}
        for number, layer in enumerate(self.model):
            x = layer(*(kept[source] for source in _SOURCES[number])) if number in _SOURCES else layer(x)
            if number in _KEPT:
                kept[number] = x
        return x


def yolov5(spec: YOLOv5Spec, num_keypoints: int) -> YOLOv5:
    """YOLOv5 by its spec, with random weights; it has no keypoints."""
    return YOLOv5(spec.depth, spec.width, spec.num_classes, spec.layout)
