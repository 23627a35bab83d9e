"""Lines of text on pictures, placed where they cover no other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .colours import Colour

Rectangle = tuple[int, int, int, int]


class Labels:
    """The texts of one picture.

    Args:
        canvas: RGB uint8 (H, W, 3), which is written on.
    """

    def __init__(self, canvas: NDArray[np.uint8]) -> None:
        self._canvas = canvas
        self._taken = np.zeros((0, 4), int)

    def write(self, text: str, x: int, y: int, unit: float, background: Colour) -> None:
        """Write above (x, y), but inside the picture and whatever is there; `unit` is the person's line width."""
        width, height = _size(text, unit)
        left = int(np.clip(x, 0, max(self._canvas.shape[1] - width, 0)))
        bottom = int(np.clip(y, height, max(self._canvas.shape[0], height)))
        self._put(text, (left, bottom - height, left + width, bottom), unit, background)

    def write_where_free(self, text: str, x: float, y: float, unit: float, background: Colour) -> bool:
        """Write beside (x, y), right, left, above or below; nothing (False) where it would cover text or the edge."""
        width, height = _size(text, unit)
        gap = 2 * unit
        corners = (
            *((x + gap, y - height / 2), (x - gap - width, y - height / 2)),
            *((x - width / 2, y - gap - height), (x - width / 2, y + gap)),
        )
        for spot in self._free(corners, width, height):
            self._put(text, spot, unit, background)
            return True
        return False

    def _free(self, corners: Iterable[tuple[float, float]], width: int, height: int) -> Iterable[Rectangle]:
        rows, columns = self._canvas.shape[:2]
        for x, y in corners:
            left, top = round(x), round(y)
            right, bottom = left + width, top + height
            if left < 0 or top < 0 or right > columns or bottom > rows:
                continue
            taken = self._taken
            covered = (taken[:, 0] < right) & (taken[:, 2] > left) & (taken[:, 1] < bottom) & (taken[:, 3] > top)
            if not covered.any():
                yield left, top, right, bottom

    def _put(self, text: str, spot: Rectangle, unit: float, background: Colour) -> None:
        import cv2

        left, top, right, bottom = spot
        self._taken = np.concatenate([self._taken, [spot]])
        cv2.rectangle(self._canvas, (left, top), (right, bottom), background, -1)
        ink = (0, 0, 0) if sum(background) > 300 else (255, 255, 255)
        _, below = _extent(text, unit)
        at = (left + 2, bottom - below)
        cv2.putText(self._canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, _scale(unit), ink, 1, cv2.LINE_AA)


def text_height(unit: float) -> int:
    """Height in pixels of a line of text and its ground."""
    return _size("x", unit)[1]


def _scale(unit: float) -> float:
    return float(np.clip(unit / 6, 0.4, 1.2))


def _extent(text: str, unit: float) -> tuple[tuple[int, int], int]:
    """Width and height above the baseline, and what is below it, in pixels."""
    import cv2

    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _scale(unit), 1)
    return (width, height), below


def _size(text: str, unit: float) -> tuple[int, int]:
    """Width and height of the text and its ground."""
    (width, height), below = _extent(text, unit)
    return width + 4, height + below + 2
