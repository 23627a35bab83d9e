"""Person detectors: pictures in, boxes out; one file per family for what its network takes and returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..cards import DetectorOptions
from ..errors import ModelError
from . import rtmdet, yolov5, yolox
from .base import IOU, Detector, Family

if TYPE_CHECKING:
    from ..cards import ModelCard
    from ..runtimes import Runtime

__all__ = ["Detector", "create"]

FAMILIES: Mapping[str, Family] = {
    "rtmdet": Family(rtmdet.decode),
    "yolox": Family(yolox.decode, down=True),
    "yolov5": Family(yolov5.decode, centred=True),
}


def create(
    card: ModelCard, runtime: Runtime, score: float = 0.3, iou: float | None = None, max_persons: int | None = None
) -> Detector:
    """The detector of a card; an iou of None is the card's own. Raises ModelError for a family that doesn't exist."""
    if card.family not in FAMILIES:
        raise ModelError(f"no detector family is called {card.family!r}; there are {', '.join(FAMILIES)}")
    assert isinstance(card.options, DetectorOptions)
    own = IOU if card.options.iou is None else card.options.iou
    iou = own if iou is None else iou
    return Detector(card, runtime, FAMILIES[card.family], score, iou, max_persons)
