"""A network's tensors as names and shapes, without the tensors."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import nn

from vitruvian import networks


def outline(name: str, **options: Any) -> nn.Module:
    """The network on the meta device: it has shapes and costs nothing."""
    with torch.device("meta"):
        return networks.create(name, **options)


@cache
def shapes(name: str) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in outline(name).state_dict().items()}


def missing_or_different(name: str, expected: dict[str, tuple[int, ...]]) -> dict[str, object]:
    """What differs from the expected names and shapes: empty if the network has them all."""
    found = shapes(name)
    return {key: found.get(key) for key, shape in expected.items() if found.get(key) != shape}
