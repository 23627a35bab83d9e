"""ViTPose (arXiv 2204.12484): a plain vision transformer and a light decoder, with the authors' parameter names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from .resnet import initialise

if TYPE_CHECKING:
    from ..models.vitpose import ViTPoseSpec

PATCH = 16
# Patches are cut from pictures with this border, as in the release.
_BORDER = 2
_EXPANSION = 4
_EPSILON = 1e-6
_DECODER_CHANNELS = 256
_POSITION_STD = 0.02


class Attention(nn.Module):
    """Multi-head self-attention with one layer for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, width * 3)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, width) to the same."""
        count, tokens, width = x.shape
        queries, keys, values = self.qkv(x).view(count, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(queries, keys, values)
        return self.proj(found.transpose(1, 2).reshape(count, tokens, width))


class MLP(nn.Module):
    """Two linear layers around a GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width * _EXPANSION)
        self.fc2 = nn.Linear(width * _EXPANSION, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, width) to the same."""
        return self.fc2(functional.gelu(self.fc1(x)))


class Block(nn.Module):
    """Attention and MLP, each behind a layer norm and beside a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=_EPSILON)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=_EPSILON)
        self.mlp = MLP(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, width) to the same."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Patches(nn.Module):
    """One token for each patch of the picture."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, PATCH, _BORDER)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) to maps of tokens (N, width, H / 16, W / 16)."""
        return self.proj(x)


class ViTPose(nn.Module):
    """Heatmaps from the tokens of a vision transformer.

    Args:
        input_size: (height, width) of the pictures in pixels, which the position embedding fixes.
        num_keypoints: K, the number of heatmaps.
        width: length of a token.
        depth: number of blocks.
        heads: of the attention.
        simple: the simple decoder: four times bilinear upsampling and one convolution, in place of the classic one with
            two transposed convolutions.
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        num_keypoints: int = 17,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        simple: bool = False,
    ) -> None:
        super().__init__()
        self.patch_embed = Patches(width)
        # The first is that of a class token, which the weights from MAE have; it is added to all others.
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + input_size[0] // PATCH * (input_size[1] // PATCH), width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.last_norm = nn.LayerNorm(width, eps=_EPSILON)
        self.simple = simple
        channels = width
        if not simple:
            layers: list[nn.Module] = []
            for _ in range(2):
                layers += (
                    nn.ConvTranspose2d(channels, _DECODER_CHANNELS, 4, 2, 1, bias=False),
                    nn.BatchNorm2d(_DECODER_CHANNELS),
                    nn.ReLU(),
                )
                channels = _DECODER_CHANNELS
            self.deconv_layers = nn.Sequential(*layers)
            initialise(self.deconv_layers)
        self.final_layer = nn.Conv2d(channels, num_keypoints, 3 if simple else 1, padding=int(simple))
        initialise(self.final_layer)
        nn.init.trunc_normal_(self.pos_embed, std=_POSITION_STD)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures float (N, 3, H, W) to heatmaps (N, K, H / 4, W / 4)."""
        maps = self.patch_embed(x)
        tokens = maps.flatten(2).transpose(1, 2) + self.pos_embed[:, 1:] + self.pos_embed[:, :1]
        for block in self.blocks:
            tokens = block(tokens)
        maps = self.last_norm(tokens).transpose(1, 2).reshape(maps.shape)
        if self.simple:
            maps = functional.interpolate(functional.relu(maps), scale_factor=4.0, mode="bilinear", align_corners=False)
        else:
            maps = self.deconv_layers(maps)
        return self.final_layer(maps)


def vitpose(spec: ViTPoseSpec, num_keypoints: int) -> ViTPose:
    """ViTPose by its spec, with random weights."""
    simple = spec.decoder == "simple"
    return ViTPose(spec.input_size, num_keypoints, spec.width, spec.depth, spec.heads, simple)
