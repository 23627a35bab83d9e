"""Models by name, and model files: the public names of `models`, `hub`, `checkpoints` and `loading` in one place.

`load_network`, `load_checkpoint` and `read_checkpoint` need torch, which is imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import checkpoints
from .checkpoints.converted import clear_converted, converted_folder
from .hub.downloads import downloaded, fetch
from .hub.presets import PRESETS
from .loading import load, load_detector, load_pose
from .models import Identity, backbone, card, cards
from .models.identification import identify
from .models.recognition import recognise

if TYPE_CHECKING:
    from .checkpoints import Checkpoint, Loaded, load_checkpoint, load_network, read_checkpoint

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


def __getattr__(name: str) -> Any:
    if name not in checkpoints.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(checkpoints, name)
