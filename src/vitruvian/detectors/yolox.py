"""YOLOX (arXiv 2107.08430): one anchor-free prediction a cell, on grids of stride 8, 16 and 32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import rtmdet, yolov5
from .base import Family, Letterbox

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

STRIDES = (8, 16, 32)


def anchors(size: tuple[int, int]) -> list[tuple[Array, int]]:
    """For each stride: the cells' column and row, float32 (rows * columns, 2), row by row, and the stride."""
    grids = []
    for stride in STRIDES:
        rows, columns = np.mgrid[: size[0] // stride, : size[1] // stride].reshape(2, -1)
        grids.append((np.stack([columns, rows], axis=1).astype(np.float32), stride))
    return grids


def decode(outputs: Sequence[Any], size: tuple[int, int], person: int) -> list[tuple[Array, Array]]:
    """Output (N, cells, 5 + classes): offset of the centre from its cell and logarithm of the size, both in strides;
    objectness and class probabilities."""
    raw = outputs[0]
    cells, strides = (
        np.concatenate(parts)
        for parts in zip(*((grid, np.full((len(grid), 1), stride)) for grid, stride in anchors(size)), strict=True)
    )
    centres = (raw[..., :2] + cells) * strides
    half = np.exp(np.minimum(raw[..., 2:4], 20.0)) * strides / 2
    boxes = np.concatenate([centres - half, centres + half], axis=2).astype(np.float32)
    return list(zip(boxes, raw[..., 4] * raw[..., 5 + person], strict=True))


FAMILY = Family(decode, Letterbox(down=True), cells="all")
# Exports with the decoding inside return what YOLOv5 does, those with NMS inside what RTMDet does.
DECODED = Family(yolov5.decode, Letterbox(down=True), cells="all")
NMS_INSIDE = Family(rtmdet.decode, Letterbox(down=True))
