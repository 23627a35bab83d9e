"""The models that have a name, and how a model file is fetched, recognised and becomes something that runs.

What needs torch is imported when first used: `load_network`, `load_checkpoint` and `read_checkpoint`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from .catalogue import backbone, card, cards
from .converted import clear_converted, converted_folder
from .downloads import downloaded, fetch
from .identification import Identity, identify
from .loading import load, load_detector, load_pose
from .presets import PRESETS
from .recognition import recognise

if TYPE_CHECKING:
    from .checkpoints import Checkpoint, read_checkpoint
    from .networks import Loaded, load_checkpoint, load_network

__all__ = [
    "PRESETS",
    "Checkpoint",
    "Identity",
    "Loaded",
    "backbone",
    "card",
    "cards",
    "clear_converted",
    "converted_folder",
    "downloaded",
    "fetch",
    "identify",
    "load",
    "load_checkpoint",
    "load_detector",
    "load_network",
    "load_pose",
    "read_checkpoint",
    "recognise",
]

_HOMES = {
    "Checkpoint": "checkpoints",
    "read_checkpoint": "checkpoints",
    "Loaded": "networks",
    "load_checkpoint": "networks",
    "load_network": "networks",
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
