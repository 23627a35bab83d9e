"""RealNVP (arXiv 1605.08803), the normalizing flow in the loss of RLE (2107.11291)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_WIDTH = 64


def _net(*last: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(2, _WIDTH), nn.LeakyReLU(), nn.Linear(_WIDTH, _WIDTH), nn.LeakyReLU(), nn.Linear(_WIDTH, 2), *last
    )


class RealNVP(nn.Module):
    """A density over the plane: a standard normal bent by affine couplings, with the parameter names of RLE's release.

    A coupling keeps the coordinate that its mask marks; it scales the other one by exp(s) and shifts it by t, both of
    them computed from the kept one.

    Args:
        couplings: how many; they take turns in the coordinate that they keep, y first.
    """

    mask: Tensor

    def __init__(self, couplings: int = 6) -> None:
        super().__init__()
        self.register_buffer("mask", torch.eye(2).flip(0).repeat(math.ceil(couplings / 2), 1)[:couplings])
        self.t = nn.ModuleList(_net() for _ in range(couplings))
        self.s = nn.ModuleList(_net(nn.Tanh()) for _ in range(couplings))

    def forward(self, z: Tensor) -> Tensor:
        """From the normal's points to the density's, (M, 2) each."""
        x = z
        for keep, shift, scale in zip(self.mask, self.t, self.s, strict=True):
            kept = x * keep
            x = kept + (1 - keep) * (x * torch.exp(scale(kept)) + shift(kept))
        return x

    def inverse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """From the density's points to the normal's, (M, 2) each, and the Jacobian's log-determinant (M,)."""
        z, log_determinant = x, x.new_zeros(len(x))
        for keep, shift, scale in reversed(list(zip(self.mask, self.t, self.s, strict=True))):
            kept = z * keep
            exponent = scale(kept) * (1 - keep)
            z = kept + (1 - keep) * (z - shift(kept)) * torch.exp(-exponent)
            log_determinant = log_determinant - exponent.sum(dim=1)
        return z, log_determinant

    def log_prob(self, x: Tensor) -> Tensor:
        """The logarithm of the density at points (M, 2), as (M,)."""
        z, log_determinant = self.inverse(x)
        return log_determinant - z.square().sum(dim=1) / 2 - math.log(2 * math.pi)
