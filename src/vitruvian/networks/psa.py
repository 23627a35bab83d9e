"""Polarized self-attention (arXiv 2107.00782), with the parameter names and the arithmetic of the authors' release.

Where the release differs from the paper's formulas, the weights follow the release, and so does this file: the parallel
block has neither layer norm nor bias in its channel branch; the spatial branch takes its softmax over the positions
(of the result in the parallel block, of the values in the sequential one), not over the channels of the query.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from ..models.backbones import Attention


class _Polarized(nn.Module):
    """What both layouts share: queries and values of the channel branch (right) and of the spatial branch (left).

    Args:
        channels: channels in and out.
        expansion: from half of the channels back to all of them.
    """

    def __init__(self, channels: int, expansion: nn.Module) -> None:
        super().__init__()
        half = channels // 2
        self.conv_q_right = nn.Conv2d(channels, 1, 1, bias=False)
        self.conv_v_right = nn.Conv2d(channels, half, 1, bias=False)
        self.conv_up = expansion
        self.conv_q_left = nn.Conv2d(channels, half, 1, bias=False)
        self.conv_v_left = nn.Conv2d(channels, half, 1, bias=False)

    def channel_gate(self, x: Tensor) -> Tensor:
        """How much of each channel passes, (N, C, 1, 1) in 0..1, from values averaged where the query looks."""
        where = self.conv_q_right(x).flatten(2).softmax(dim=2)
        values = self.conv_v_right(x).flatten(2)
        context = values @ where.transpose(1, 2)
        return self.conv_up(context.unsqueeze(3)).sigmoid()

    def spatial_query(self, x: Tensor) -> Tensor:
        """The query averaged over the picture, (N, 1, C / 2)."""
        return self.conv_q_left(x).mean(dim=(2, 3)).unsqueeze(1)

    def spatial_values(self, x: Tensor) -> Tensor:
        """(N, C / 2, H * W)."""
        return self.conv_v_left(x).flatten(2)


class ParallelAttention(_Polarized):
    """PSA(p): the sum of the input gated by channel and of the input gated by place."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, nn.Conv2d(channels // 2, channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        context = (self.spatial_query(x) @ self.spatial_values(x)).softmax(dim=2)
        return x * _as_picture(context.sigmoid(), x) + x * self.channel_gate(x)


class SequentialAttention(_Polarized):
    """PSA(s): the input gated by channel, and the result by place. The channel branch has a bottleneck of a quarter."""

    def __init__(self, channels: int) -> None:
        half, narrow = channels // 2, channels // 8
        down, up = nn.Conv2d(half, narrow, 1), nn.Conv2d(narrow, channels, 1)
        super().__init__(channels, nn.Sequential(down, nn.LayerNorm([narrow, 1, 1]), nn.ReLU(), up))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        x = x * self.channel_gate(x)
        context = self.spatial_query(x) @ self.spatial_values(x).softmax(dim=2)
        return x * _as_picture(context.sigmoid(), x)


def _as_picture(gate: Tensor, like: Tensor) -> Tensor:
    """(N, 1, H * W) to (N, 1, H, W)."""
    return gate.view(-1, 1, *like.shape[2:])


# The kinds of attention in a block, by the name that specs have for them.
ATTENTIONS: dict[Attention, Callable[[int], nn.Module]] = {
    "none": nn.Identity,
    "parallel": ParallelAttention,
    "sequential": SequentialAttention,
}
