"""How keypoints become a network's targets and a network's outputs become keypoints, one file per representation.

Every codec has ``encode(keypoints, visible)`` for training and ``decode(outputs)`` for inference, both in pixels of the
crop, vectorised over persons and keypoints. The classes are imported when first used, so that the command line reads
`REFINEMENTS` without numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from .refinement import REFINEMENTS, Refinement

if TYPE_CHECKING:
    from .base import Codec
    from .heatmap import Heatmap
    from .regression import Regression
    from .simdr import SimDR

__all__ = ["REFINEMENTS", "Codec", "Heatmap", "Refinement", "Regression", "SimDR", "create"]

FAMILIES = {"heatmap": "Heatmap", "simdr": "SimDR", "regression": "Regression"}
_HOMES = {"Codec": "base", "Heatmap": "heatmap", "Regression": "regression", "SimDR": "simdr"}


def create(family: str, input_size: tuple[int, int], options: Mapping[str, Any]) -> Codec:
    """The codec of a model card. Raises ModelError for a family or an option that doesn't exist."""
    if family not in FAMILIES:
        raise ModelError(f"no codec is called {family!r}; there are {', '.join(FAMILIES)}")
    try:
        codec: Codec = __getattr__(FAMILIES[family])(input_size, **options)
    except TypeError as error:
        raise ModelError(f"the codec {family} can't be made with the options {dict(options)}: {error}") from None
    return codec


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
