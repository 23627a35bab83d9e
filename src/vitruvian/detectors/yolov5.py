"""YOLOv5: three anchored predictions a cell, decoded by the network itself to boxes around a centre."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Family, Letterbox

if TYPE_CHECKING:
    from numpy.typing import NDArray


def decode(
    outputs: Sequence[Any], size: tuple[int, int], person: int
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Output (N, A, 5 + classes): centre x and y, width and height in pixels, objectness, class probabilities."""
    raw = outputs[0]
    half = raw[..., 2:4] / 2
    boxes = np.concatenate([raw[..., :2] - half, raw[..., :2] + half], axis=2)
    return list(zip(boxes, raw[..., 4] * raw[..., 5 + person], strict=True))


FAMILY = Family(decode, Letterbox(centred=True))
