"""Muon: an optimizer whose steps have nearly equal singular values, so that all directions of a matrix are learned.

As described by its author (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/), with the step size
and weight decay of Moonlight (Liu et al. 2025, arXiv 2502.16982), so that AdamW's learning rates fit. A convolution's
weights are the matrix of its filters. PyTorch's Muon takes matrices only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

# The Newton-Schulz iteration with the author's coefficients: five iterations bring singular values near 1.
_COEFFICIENTS = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5
_MOMENTUM = 0.95
# The root mean square of AdamW's steps is about this.
_SIZE = 0.2


class Muon(torch.optim.AdamW):
    """AdamW with Muon's steps for groups whose ``matrix`` is True.

    Args:
        groups: parameter groups, each with a bool ``matrix``; where True, parameters have two dimensions or more.
        lr: learning rate of groups without one.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float) -> None:
        super().__init__(groups, lr)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step; `closure` computes the loss and its gradients first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        everything = self.param_groups
        matrices = [group for group in everything if group["matrix"]]
        for group in matrices:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._muon_step(parameter, parameter.grad, group)
        try:
            self.param_groups = [group for group in everything if not group["matrix"]]
            super().step()
        finally:
            self.param_groups = everything
        return loss

    def _muon_step(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            # AdamW requires a step in a loaded state.
            state["step"], state["momentum"] = torch.zeros(()), torch.zeros_like(gradient)
        momentum = state["momentum"].lerp_(gradient, 1 - _MOMENTUM)
        step = orthogonal(gradient.lerp(momentum, _MOMENTUM).flatten(1))
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        size = _SIZE * math.sqrt(max(step.shape))
        parameter.add_(step.view_as(parameter), alpha=-group["lr"] * size)


def orthogonal(matrix: Tensor) -> Tensor:
    """A matrix (m, n) with the same singular vectors, and singular values of about 1 (0.7 to 1.2)."""
    a, b, c = _COEFFICIENTS
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide.bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        product = x @ x.T
        x = a * x + (b * product + c * (product @ product)) @ x
    return (x if wide is matrix else x.T).to(matrix.dtype)
