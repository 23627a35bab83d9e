"""Scene cuts: a thumbnail with neither the layout nor the colours of the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

SIDE = 32
# Below this correlation of brightness two frames don't show the same layout. A flash keeps it.
CORRELATION = 0.5
# From this difference of their colours on they are of two scenes. Neighbours in videos of a basketball game, a dance
# and a hug stay below 0.21 at 6 frames a second; frames of two of these videos are above 0.5.
COLOURS = 0.25
# Brightness that differs by less than this over a picture is flat.
FLAT = 8


class CutDetector:
    """Says of each frame whether a new scene begins with it. Slow fades aren't found.

    Attributes:
        last: the thumbnail of the last frame; None before the first.
    """

    def __init__(self) -> None:
        self.last: Image | None = None

    def is_cut(self, image: Image) -> bool:
        """Whether this frame, RGB uint8 (H, W, 3), shows another scene than the one before."""
        now, before = thumbnail(image), self.last
        self.last = now
        if before is None:
            return False
        return correlation(before, now) < CORRELATION and colour_difference(before, now) > COLOURS


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


def colour_difference(first: Image, second: Image) -> float:
    """What the colour histograms of two thumbnails don't share, 0..1."""
    return 1 - float(np.minimum(_histogram(first), _histogram(second)).sum())


def _histogram(thumb: Image) -> NDArray[np.float64]:
    """Shares of 64 colours."""
    red, green, blue = (thumb >> 6).reshape(-1, 3).T.astype(int)
    return np.bincount(16 * red + 4 * green + blue, minlength=64) / red.size
