"""RTMDet (arXiv 2212.07784) exported end to end, with its NMS inside the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Family

if TYPE_CHECKING:
    from numpy.typing import NDArray


def decode(
    outputs: Sequence[Any], size: tuple[int, int], person: int
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Outputs dets (N, M, 5) as x1 y1 x2 y2 score, and labels (N, M)."""
    dets, labels = outputs
    return [(rows[own, :4], rows[own, 4]) for rows, own in zip(dets, labels == person, strict=True)]


FAMILY = Family(decode, cells="sorted")
