"""Codecs: keypoints to a network's targets, and a network's outputs to keypoints; one file per representation.

Every codec has ``encode(keypoints, visible)`` for training and ``decode(outputs)`` for inference, both in pixels of the
crop, vectorised over persons and keypoints. The classes are imported when first used, so that the command line reads
`REFINEMENTS` without numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..cards import Options
from ..choices import Refinement
from ..errors import ModelError
from .base import Codec
from .heatmap import REFINEMENTS, Heatmap
from .regression import Regression
from .simdr import SimDR

__all__ = ["REFINEMENTS", "Codec", "Heatmap", "Refinement", "Regression", "SimDR", "create"]

FAMILIES: Mapping[str, Callable[..., Codec]] = {"heatmap": Heatmap, "simdr": SimDR, "regression": Regression}


def create(family: str, input_size: tuple[int, int], options: Options | None = None) -> Codec:
    """The codec of a model card; options of None are the codec's defaults.

    Raises:
        ModelError: no such codec, or options of another one.
    """
    if family not in FAMILIES:
        raise ModelError(f"no codec is called {family!r}; there are {', '.join(FAMILIES)}")
    try:
        return FAMILIES[family](input_size=input_size, **(vars(options) if options else {}))
    except TypeError as error:
        raise ModelError(f"the codec {family} can't be made with {options}: {error}") from None
