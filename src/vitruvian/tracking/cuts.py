"""Scene cuts, from two thumbnails: neither the layout nor the colours of the frame before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

SIDE = 32
# Below this correlation of brightness two frames don't show the same layout. A flash keeps it.
CORRELATION = 0.5
# Brightness that differs by less than this over a picture is flat.
FLAT = 8
# From this on it is a cut. In videos of a basketball game, a dance and a hug, 6 frames a second, neighbours stay below
# 0.8 and frames of different videos are above 1.8: benchmarks/tracking.py.
DIFFERENCE = 1.2


class CutDetector:
    """Says of each frame whether a new scene begins with it. Slow fades aren't found."""

    def __init__(self) -> None:
        self._before: Image | None = None

    def is_cut(self, image: Image) -> bool:
        """Whether this frame, RGB uint8 (H, W, 3), shows another scene than the one before."""
        now, before = thumbnail(image), self._before
        self._before = now
        if before is None:
            return False
        alike = correlation(before, now)
        return alike < CORRELATION and difference(before, now) > DIFFERENCE


def thumbnail(image: Image) -> Image:
    """RGB uint8 (32, 32, 3)."""
    import cv2

    step = max(min(image.shape[:2]) // (2 * SIDE), 1)
    coarse = np.ascontiguousarray(image[::step, ::step])
    return np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def correlation(first: Image, second: Image) -> float:
    """Correlation of two thumbnails' brightness, -1..1; 0 where one of them is flat, 1 where both are."""
    a, b = (grey - grey.mean() for grey in (first.mean(axis=2), second.mean(axis=2)))
    # Noise of a grey level isn't a layout.
    a, b = (np.where(np.ptp(grey) > FLAT, grey, 0) for grey in (a, b))
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    if scale > 0:
        return float((a * b).sum()) / scale
    return 1.0 if np.array_equal(a, b) else 0.0


def difference(first: Image, second: Image) -> float:
    """0 for the same thumbnails: 1 less their correlation, and twice what their colour histograms don't share."""
    shared = np.minimum(_histogram(first), _histogram(second)).sum()
    return 1 - correlation(first, second) + 2 * (1 - float(shared))


def _histogram(thumb: Image) -> NDArray[np.float64]:
    """Shares of 64 colours."""
    red, green, blue = (thumb >> 6).reshape(-1, 3).T.astype(int)
    return np.bincount(16 * red + 4 * green + blue, minlength=64) / red.size
