"""Pictures decoded for training: JPEGs at 1/2, 1/4 or 1/8 of their size where the crop is that much smaller."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..media import read_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Markers of a JPEG: those that start a frame, whose sixth byte counts the channels, and the few without a length.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_CHANNELS = 1, 3


def read_picture(path: str | os.PathLike[str], most: int = 1) -> tuple[NDArray[np.uint8], int]:
    """Read a picture, reduced where that is cheap.

    Args:
        path: the file.
        most: 1, 2, 4 or 8, the reduction to apply. It applies to JPEGs, unless EXIF may turn them or their colours
            need conversion; other files are never reduced.

    Returns:
        RGB uint8 (h, w, 3) and the reduction r: its pixel x covers the pixels r * x to r * x + r - 1 of the file.

    Raises:
        InputError: the file is missing, damaged, or no picture.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}") from None
    if _plain_jpeg(data):
        import cv2

        flags = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2}
        flags |= {4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags[most] | cv2.IMREAD_IGNORE_ORIENTATION)
        if image is not None:
            return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False), most
    return read_image(data, str(path)), 1


def _plain_jpeg(data: bytes) -> bool:
    """Whether this is a complete JPEG, grey or of three colours, without EXIF data that may turn it."""
    # cv2 fills the missing end of a truncated file with grey, so such files go to a stricter reader.
    if not data.startswith(b"\xff\xd8") or b"\xff\xd9" not in data[-1024:]:
        return False
    place = 2
    while place + 10 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == 0xE1 and data[place + 4 : place + 8] == b"Exif":
            return False
        if marker in _FRAMES:
            return data[place + 9] in _CHANNELS
        place += 2 + length
    return False


def reduction(affine: NDArray[np.float64]) -> int:
    """The largest reduction of a picture, 1, 2, 4 or 8, that leaves every crop pixel at least as fine as before.

    Args:
        affine: (2, 3), from picture pixels to crop pixels.
    """
    scale = float(np.linalg.norm(affine[:, :2], 2))
    return next((factor for factor in (8, 4, 2) if scale * factor <= 1), 1)


def from_reduced(affine: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """The map (2, 3) to the crop from pixels of the picture reduced by `factor`.

    Pixel x of the reduced picture lies at r * x + (r - 1) / 2, the centre of the pixels that it covers.
    """
    if factor == 1:
        return affine
    result = affine.copy()
    result[:, 2] += affine[:, :2].sum(axis=1) * (factor - 1) / 2
    result[:, :2] *= factor
    return result
