"""Checkpoints: weights read without running their code, recognised, and saved with their card.

Everything but the ONNX files kept of checkpoints (`converted`) needs torch and is imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import ModelError

if TYPE_CHECKING:
    from .reading import Checkpoint, read_checkpoint
    from .weights import Loaded, load_checkpoint, load_network

__all__ = ["Checkpoint", "Loaded", "load_checkpoint", "load_network", "read_checkpoint"]

_HOMES = {
    "Checkpoint": "reading",
    "read_checkpoint": "reading",
    "Loaded": "weights",
    "load_checkpoint": "weights",
    "load_network": "weights",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "safetensors"):
            raise
        raise ModelError(f"checkpoints need {error.name}: pip install 'vitruvian[torch]'") from None
