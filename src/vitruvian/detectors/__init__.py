"""Person detectors: pictures in, boxes out; one file per family for its inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..cards import DetectorOptions
from ..errors import ModelError
from . import rtmdet, yolov5, yolox
from .base import IOU, Detector, Family, Letterbox, Prepared

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..cards import ModelCard
    from ..runtimes import Runtime

__all__ = ["Detector", "Family", "Letterbox", "Prepared", "create", "prepare"]

FAMILIES: Mapping[str, Family] = {
    "rtmdet": rtmdet.FAMILY,
    "yolox": yolox.FAMILY,
    "yolox_decoded": yolox.DECODED,
    "yolox_nms": yolox.NMS_INSIDE,
    "yolov5": yolov5.FAMILY,
}


def create(
    card: ModelCard, runtime: Runtime, score: float = 0.3, iou: float | None = None, max_persons: int | None = None
) -> Detector:
    """The detector of a card; an iou of None is the card's own. Raises ModelError for a family that doesn't exist."""
    assert isinstance(card.options, DetectorOptions)
    own = IOU if card.options.iou is None else card.options.iou
    iou = own if iou is None else iou
    return Detector(card, runtime, _family(card), score, iou, max_persons)


def prepare(card: ModelCard, images: Sequence[NDArray[np.uint8]]) -> list[Prepared]:
    """RGB uint8 pictures (H, W, 3) as the network of a card takes them, each at the whole input size; needs no engine.

    Raises:
        ModelError: a family that doesn't exist.
    """
    family = _family(card)
    return [family.prepare(image, card.input_size, None) for image in images]


def _family(card: ModelCard) -> Family:
    if card.family not in FAMILIES:
        raise ModelError(f"no detector family is called {card.family!r}; there are {', '.join(FAMILIES)}")
    return FAMILIES[card.family]
