"""The project's own person detectors: small, anchor-free, on a CSP backbone (arXiv 1911.11929) or on MobileNetV2.

A path down the pyramid and back up (PAN, 1803.01534) of cross-stage partial blocks, with the same channels at each
level, as in RTMDet (2212.07784), and a decoupled head (YOLOX, 2107.08430) whose convolutions all levels share, each
with normalisations of its own (RTMDet again). With a single class, objectness and class are one number.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from .mobilenet import backbone, features

if TYPE_CHECKING:
    from ..models.person_csp import PersonSpec
    from ..models.person_mobilenet import PersonMobileNetSpec

STRIDES = (8, 16, 32)

# RetinaNet (arXiv 1708.02002) starts its classifiers at this, so that the many empty cells don't swamp the loss.
_PRIOR = 0.01


class Conv(nn.Sequential):
    """Convolution, batch normalisation, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, padding: int | None = None) -> None:
        padding = kernel // 2 if padding is None else padding
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03),
            nn.SiLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut, or without one."""

    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.first = Conv(channels, channels)
        self.second = Conv(channels, channels)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(self.first(x))
        return x + y if self.shortcut else y


class Partial(nn.Module):
    """Cross-stage partial block: half of the channels through residual blocks, half past them."""

    def __init__(self, inputs: int, outputs: int, repeats: int, shortcut: bool = True) -> None:
        super().__init__()
        half = outputs // 2
        self.through = Conv(inputs, half, 1)
        self.past = Conv(inputs, half, 1)
        self.blocks = nn.Sequential(*(Residual(half, shortcut) for _ in range(repeats)))
        self.join = Conv(half * 2, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        joined: Tensor = self.join(torch.cat((self.blocks(self.through(x)), self.past(x)), dim=1))
        return joined


class Pooling(nn.Module):
    """Spatial pyramid pooling (arXiv 1406.4729): beside each cell the largest within 5, 9 and 13 cells."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.narrow = Conv(channels, channels // 2, 1)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.join = Conv(channels // 2 * 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = [self.narrow(x)]
        for _ in range(3):
            pooled.append(self.pool(pooled[-1]))
        joined: Tensor = self.join(torch.cat(pooled, dim=1))
        return joined


class Head(nn.Module):
    """Scores and boxes of every cell; `channels` come in at each level."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # Weights for all levels alike; what a level's features are scaled by is its own.
        self.score_conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.box_conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.score_norms = nn.ModuleList(nn.BatchNorm2d(channels, eps=1e-3, momentum=0.03) for _ in STRIDES)
        self.box_norms = nn.ModuleList(nn.BatchNorm2d(channels, eps=1e-3, momentum=0.03) for _ in STRIDES)
        self.score = nn.Conv2d(channels, 1, 1)
        self.box = nn.Conv2d(channels, 4, 1)
        for conv in (self.score, self.box):
            assert conv.bias is not None
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.zeros_(conv.bias)
        assert self.score.bias is not None
        nn.init.constant_(self.score.bias, -math.log((1 - _PRIOR) / _PRIOR))

    def forward(self, *features: Tensor) -> Tensor:
        """Features (N, channels, h, w) of each level to (N, cells, 5): box, and logit of the score."""
        found = []
        for x, score_norm, box_norm in zip(features, self.score_norms, self.box_norms, strict=True):
            score = self.score(functional.silu(score_norm(self.score_conv(x))))
            box = self.box(functional.silu(box_norm(self.box_conv(x))))
            found.append(torch.cat((box, score), dim=1).flatten(2))
        return torch.cat(found, dim=2).permute(0, 2, 1)


class PersonDetector(nn.Module, ABC):
    """Neck and head of a person detector; a subclass has its backbone."""

    def _add_neck(self, inputs: tuple[int, int, int], neck: int) -> None:
        """Add neck and head, of `neck` channels, to a backbone with these channels at strides 8, 16 and 32."""
        self.lateral8, self.lateral16, self.lateral32 = (Conv(channels, neck, 1) for channels in inputs)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.down16, self.down8 = (Partial(neck * 2, neck, 1, shortcut=False) for _ in range(2))
        self.shrink8, self.shrink16 = (Conv(neck, neck, 3, 2) for _ in range(2))
        self.up16, self.up32 = (Partial(neck * 2, neck, 1, shortcut=False) for _ in range(2))
        self.head = Head(neck)

    @abstractmethod
    def levels(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures float (N, 3, H, W) to the backbone's features at strides 8, 16 and 32."""

    def cells(self, x: Tensor) -> Tensor:
        """Pictures float (N, 3, H, W) to (N, cells, 5): box as in `forward`, and the score's logit."""
        c8, c16, c32 = self.levels(x)
        p32 = self.lateral32(c32)
        p16 = self.down16(torch.cat((self.lateral16(c16), self.up(p32)), dim=1))
        p8 = self.down8(torch.cat((self.lateral8(c8), self.up(p16)), dim=1))
        n16 = self.up16(torch.cat((p16, self.shrink8(p8)), dim=1))
        n32 = self.up32(torch.cat((p32, self.shrink16(n16)), dim=1))
        found: Tensor = self.head(p8, n16, n32)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Pictures float (N, 3, H, W), H and W multiples of 32, to YOLOX's predictions (N, cells, 6).

        Of each cell, level by level and row by row: the offset of the box's centre from the cell's corner and the
        logarithm of its size, both in strides; the score; and a 1, the probability of the only class.
        """
        # Logarithms and probabilities in float32, whatever the network computes in.
        found = self.cells(x).float()
        score = found[..., 4:].sigmoid()
        return torch.cat((found[..., :4], score, torch.ones_like(score)), dim=2)


class CSPDetector(PersonDetector):
    """The detector on a CSP backbone of plain 3x3 convolutions, which CPUs train fastest.

    Args:
        width: channels at stride 4; stride 8 has twice, stride 16 four and stride 32 eight times as many.
        neck: channels of the neck and the head.
        depth: residual blocks at stride 8 and 32; stride 16 has one more.
    """

    def __init__(self, width: int, neck: int, depth: int) -> None:
        super().__init__()
        w2, w4, w8 = width * 2, width * 4, width * 8
        self.stem = nn.Sequential(Conv(3, max(width // 2, 8), 3, 2), Conv(max(width // 2, 8), width, 3, 2))
        self.stage8 = nn.Sequential(Conv(width, w2, 3, 2), Partial(w2, w2, depth))
        self.stage16 = nn.Sequential(Conv(w2, w4, 3, 2), Partial(w4, w4, depth + 1))
        self.stage32 = nn.Sequential(Conv(w4, w8, 3, 2), Pooling(w8), Partial(w8, w8, depth, shortcut=False))
        self._add_neck((w2, w4, w8), neck)

    def levels(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of width * 2, * 4 and * 8 channels."""
        c8 = self.stage8(self.stem(x))
        c16 = self.stage16(c8)
        return c8, c16, self.stage32(c16)


class MobileNetDetector(PersonDetector):
    """The detector on MobileNetV2.

    Args:
        neck: channels of the neck and the head.
    """

    def __init__(self, neck: int) -> None:
        super().__init__()
        self.stem, self.stages = backbone()
        self._add_neck((32, 96, 320), neck)

    def levels(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of 32, 96 and 320 channels: the last of their stride."""
        found = features(self.stem, self.stages, x)
        return found[2], found[4], found[6]


def csp_detector(spec: PersonSpec, num_keypoints: int) -> CSPDetector:
    """The person detector on a CSP backbone by its spec, with random weights; it has no keypoints."""
    return CSPDetector(spec.width, spec.neck, spec.depth)


def mobilenet_detector(spec: PersonMobileNetSpec, num_keypoints: int) -> MobileNetDetector:
    """The person detector on MobileNetV2 by its spec, with random weights; it has no keypoints."""
    return MobileNetDetector(spec.neck)
