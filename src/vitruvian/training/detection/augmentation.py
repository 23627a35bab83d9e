"""Augmentation of pictures: mosaics of four (YOLOX, arXiv 2107.08430), scale, position, stretch, flip.

One affine map brings both a picture and its boxes onto the canvas. In YOLOX a mosaic is transformed as a whole; here
each of its four pictures has a scale of its own, and is cut off where it doesn't fit into its part of the canvas.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The range of the point where the four pictures of a mosaic meet, as shares of the canvas.
_MIDDLE = 0.3, 0.7


@dataclass(frozen=True)
class Tile:
    """A picture's place on a canvas.

    Args:
        affine: float64 (2, 3), from pixels of the picture to pixels of the canvas.
        window: x1, y1, x2, y2, the part of the canvas for the picture, in whole pixels.
    """

    affine: NDArray[np.float64]
    window: tuple[int, int, int, int]


@dataclass(frozen=True)
class DetectionAugmentation:
    """Random augmentation of pictures.

    Args:
        mosaic: probability of a mosaic, 0..1.
        scale_min, scale_max: range of the scale; at 1 a picture just fits into the canvas.
        stretch: largest change of the aspect ratio, a factor less 1, 0 or more.
        flip_prob: probability of a horizontal flip, 0..1.
        color_jitter: strength of the jitter of brightness, contrast and saturation, 0..1: their factors are 1 -
            color_jitter to 1 + color_jitter.

    Raises:
        InputError: a number is out of range.
    """

    mosaic: float = 1.0
    scale_min: float = 0.3
    scale_max: float = 1.4
    stretch: float = 0.15
    flip_prob: float = 0.5
    color_jitter: float = 0.3

    def __post_init__(self) -> None:
        for name in ("mosaic", "flip_prob", "color_jitter"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be in 0..1")
        if not 0 < self.scale_min <= self.scale_max < math.inf:
            raise InputError(
                f"scale_min and scale_max are {self.scale_min} and {self.scale_max}; above 0, and in this order"
            )
        if not 0 <= self.stretch < math.inf:
            raise InputError(f"stretch is {self.stretch}; it must be 0 or more")

    def windows(self, rng: np.random.Generator, size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
        """Windows x1, y1, x2, y2 of a canvas (height, width): four of a mosaic, or the whole canvas."""
        height, width = size
        middle = rng.uniform(*_MIDDLE, 2)
        if rng.random() >= self.mosaic:
            return [(0, 0, width, height)]
        x, y = round(float(middle[0]) * width), round(float(middle[1]) * height)
        return [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]

    def tile(
        self,
        rng: np.random.Generator,
        picture: tuple[float, float],
        window: tuple[int, int, int, int],
        size: tuple[int, int],
    ) -> Tile:
        """A random place for a picture.

        Args:
            rng: random generator.
            picture: the picture's (width, height) in pixels.
            window: the part of the canvas for it.
            size: (height, width) of the whole canvas.
        """
        zoom = math.exp(rng.uniform(math.log(self.scale_min), math.log(self.scale_max)))
        apart = math.exp(rng.uniform(-1, 1) * math.log1p(self.stretch) / 2)
        flip, places = rng.random() < self.flip_prob, rng.random(2)
        fit = min(size[1] / picture[0], size[0] / picture[1]) * zoom
        scale = np.array([fit * apart, fit / apart])
        # A random place in the window if the picture fits, else a random part of the picture.
        low = np.array(window[:2]) + places * (np.array(window[2:]) - np.array(window[:2]) - scale * picture)
        affine = np.array([[scale[0], 0.0, low[0]], [0.0, scale[1], low[1]]])
        if flip:
            affine[0] = -scale[0], 0.0, low[0] + scale[0] * picture[0]
        return Tile(affine, window)


NO_AUGMENTATION = DetectionAugmentation(mosaic=0, scale_min=1, scale_max=1, stretch=0, flip_prob=0, color_jitter=0)


def place_boxes(tile: Tile, boxes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Boxes on the canvas.

    Args:
        tile: the picture's place.
        boxes: xyxy (M, 4) in pixels of the picture.

    Returns:
        the visible parts xyxy float32 (M, 4), and their shares of the whole boxes' areas, float32 (M,).
    """
    corners = boxes.reshape(-1, 2, 2) * np.diag(tile.affine[:, :2]) + tile.affine[:, 2]
    whole = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    window = np.array(tile.window, float)
    shown = np.clip(whole, np.tile(window[:2], 2), np.tile(window[2:], 2))
    areas = [(item[:, 2:] - item[:, :2]).prod(axis=1) for item in (shown, whole)]
    return shown.astype(np.float32), (areas[0] / np.maximum(areas[1], 1e-9)).astype(np.float32)
