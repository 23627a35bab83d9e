"""Picture decoding with Pillow: allowed formats, size limits, conversion of every pixel format to RGB."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from ..errors import InputError
from .frames import Image

if TYPE_CHECKING:
    from PIL import Image as PIL

MAX_PIXELS: Final = 2**28
"""Pictures with more pixels than this are refused before they are decoded (2**28 is 16,384 x 16,384)."""

MAX_SIDE: Final = 32_766
"""Longer pictures are refused: OpenCV 4 can't cut persons out of them."""

FORMATS: Final = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")
"""What Pillow is asked to read; some of its other formats run programs or accept nearly any bytes."""

_ORIENTATION = 0x0112
# The EXIF orientation says where row 0 and column 0 of the stored picture belong; these undo it.
_UPRIGHT: dict[int, Callable[[Image], Image]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}
# Pillow's size guard and Python's warning filters are globals: one thread at a time may bend them.
_pillow_globals = threading.Lock()


def known_formats() -> list[str]:
    """The formats of ``FORMATS`` that the installed Pillow has."""
    from PIL import Image as PIL

    PIL.init()
    return [name for name in FORMATS if name in PIL.OPEN]


def picture_extensions() -> frozenset[str]:
    """File name extensions of pictures that can be read, lower case, with the dot."""
    from PIL import Image as PIL

    formats = set(known_formats())
    return frozenset(extension for extension, name in PIL.registered_extensions().items() if name in formats)


def _fits(width: int, height: int) -> bool:
    return width * height <= MAX_PIXELS and max(width, height) <= MAX_SIDE


class TooLarge(Exception):
    """Marks, as the cause of an InputError, a picture that is one but has too many pixels."""


def open_picture(stream: BinaryIO, name: str) -> PIL.Image:
    from PIL import Image as PIL
    from PIL import UnidentifiedImageError

    formats = known_formats()
    with _pillow_globals, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        guard, PIL.MAX_IMAGE_PIXELS = PIL.MAX_IMAGE_PIXELS, None
        try:
            picture = PIL.open(stream, formats=formats)
            if _fits(*picture.size):
                # Read here because Pillow warns about damaged EXIF; it keeps what it has parsed.
                _orientation(picture)
        except UnidentifiedImageError as error:
            raise InputError(_why_not_identified(stream, name)) from error
        except Exception as error:
            raise InputError(f"{name} can't be read as a picture: {error}; replace or re-export it") from error
        finally:
            PIL.MAX_IMAGE_PIXELS = guard
    width, height = picture.size
    if not _fits(width, height):
        picture.close()
        raise InputError(
            f"{name} is {width}x{height}, {width * height:,} pixels; the limit is {MAX_PIXELS:,}, "
            f"and {MAX_SIDE:,} a side: scale it down first"
        ) from TooLarge()
    return picture


def _why_not_identified(stream: BinaryIO, name: str) -> str:
    stream.seek(0)
    if not stream.read(1):
        return f"{name} is empty (0 bytes); fetch or copy it again"
    return f"{name} is not a picture that can be read; give one of {', '.join(known_formats())}"


def _orientation(picture: PIL.Image) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:
        # EXIF that can't be parsed turns nothing: the pixels are still worth having.
        return 1


def upright_rgb(picture: PIL.Image, name: str) -> Image:
    try:
        picture.load()
        rgb = _to_rgb(picture, name)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{name} is damaged or cut off: {error}; fetch or export it again") from error
    # After loading: for TIFF, Pillow turns the picture itself and then forgets the orientation.
    upright = _UPRIGHT.get(_orientation(picture))
    return np.ascontiguousarray(upright(rgb) if upright else rgb)


def _to_rgb(picture: PIL.Image, name: str) -> Image:
    mode = picture.mode
    if mode.startswith("I;16"):
        return _grey16(np.asarray(picture))
    if mode == "I":
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(f"{name} has 32-bit values beyond 0..65535; scale it to 8 or 16 bits first")
        return _grey16(values)
    if mode == "F":
        raise InputError(f"{name} has floating-point pixels, whose range nobody knows; scale it to 8 or 16 bits first")
    if mode in ("P", "PA", "La", "RGBa"):
        # Straight to RGB, Pillow warns about palettes with transparency and refuses premultiplied alpha.
        picture = picture.convert("RGBA")
    if picture.mode != "RGB":
        try:
            picture = picture.convert("RGB")
        except ValueError as error:
            raise InputError(
                f"{name} has pixels of mode {mode}, which has no way to RGB; re-export it as RGB"
            ) from error
    # np.asarray would give a read-only view of Pillow's bytes.
    return np.array(picture)


def _grey16(values: np.ndarray[Any, Any]) -> Image:
    return np.repeat((values // 256).astype(np.uint8)[:, :, None], 3, axis=2)
