"""How pictures vary from epoch to epoch: mosaics of four (YOLOX, arXiv 2107.08430), zoom, place, stretch, mirror.

Each picture goes onto the canvas by one affine map, and its boxes by the same, so that pixels and boxes agree. Unlike
in YOLOX, where a mosaic is a picture of its own that is cut out once more, each of the four has a zoom of its own, and
shows a part of itself wherever it doesn't fit into its quarter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Where the four pictures of a mosaic meet, in parts of the canvas.
_MIDDLE = 0.3, 0.7


@dataclass(frozen=True)
class Tile:
    """A picture's place on a canvas.

    Args:
        affine: float64 (2, 3), from pixels of the picture to pixels of the canvas.
        window: x1, y1, x2, y2, whole pixels of the canvas that it may cover.
    """

    affine: NDArray[np.float64]
    window: tuple[int, int, int, int]


@dataclass(frozen=True)
class Variation:
    """Args:
    mosaic: probability of four pictures in one, 0..1.
    smallest, largest: limits of the zoom; at 1 a picture is as large as it can be on the whole canvas.
    stretch: width and height may differ by up to this factor less 1, 0 or more.
    flip: probability of mirroring, 0..1.
    colour: how much brightness, contrast and saturation vary, 0..1: their factors are 1 - colour to 1 + colour.

    Raises:
        InputError: a number out of range.
    """

    mosaic: float = 1.0
    smallest: float = 0.3
    largest: float = 1.4
    stretch: float = 0.15
    flip: float = 0.5
    colour: float = 0.3

    def __post_init__(self) -> None:
        for name in ("mosaic", "flip", "colour"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be in 0..1")
        if not 0 < self.smallest <= self.largest < math.inf:
            raise InputError(f"smallest and largest are {self.smallest} and {self.largest}; above 0, and in this order")
        if not 0 <= self.stretch < math.inf:
            raise InputError(f"stretch is {self.stretch}; it must be 0 or more")

    def windows(self, rng: np.random.Generator, size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
        """The parts of a canvas (height, width) for one picture each: four, or the whole of it; x1, y1, x2, y2."""
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
        """Where a picture goes.

        Args:
            rng: decides.
            picture: its (width, height) in pixels.
            window: the part of the canvas for it.
            size: (height, width) of the whole canvas.
        """
        zoom = math.exp(rng.uniform(math.log(self.smallest), math.log(self.largest)))
        apart = math.exp(rng.uniform(-1, 1) * math.log1p(self.stretch) / 2)
        flip, places = rng.random() < self.flip, rng.random(2)
        fit = min(size[1] / picture[0], size[0] / picture[1]) * zoom
        scale = np.array([fit * apart, fit / apart])
        # Anywhere in the window if it fits, else any part of it.
        low = np.array(window[:2]) + places * (np.array(window[2:]) - np.array(window[:2]) - scale * picture)
        affine = np.array([[scale[0], 0.0, low[0]], [0.0, scale[1], low[1]]])
        if flip:
            affine[0] = -scale[0], 0.0, low[0] + scale[0] * picture[0]
        return Tile(affine, window)


PLAIN = Variation(mosaic=0, smallest=1, largest=1, stretch=0, flip=0, colour=0)


def place_boxes(tile: Tile, boxes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Boxes on the canvas.

    Args:
        tile: the picture's place.
        boxes: xyxy (M, 4) in pixels of the picture.

    Returns:
        xyxy float32 (M, 4) of what the window shows of them, and which part of each that is, float32 (M,).
    """
    corners = boxes.reshape(-1, 2, 2) * np.diag(tile.affine[:, :2]) + tile.affine[:, 2]
    whole = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    window = np.array(tile.window, float)
    shown = np.clip(whole, np.tile(window[:2], 2), np.tile(window[2:], 2))
    areas = [(item[:, 2:] - item[:, :2]).prod(axis=1) for item in (shown, whole)]
    return shown.astype(np.float32), (areas[0] / np.maximum(areas[1], 1e-9)).astype(np.float32)
