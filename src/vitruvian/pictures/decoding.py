"""Picture decoding with Pillow: allowed formats, size limits, conversion of every pixel format to RGB."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .memory import memory

if TYPE_CHECKING:
    from PIL import Image as PIL

Image = npt.NDArray[np.uint8]
"""RGB picture: uint8 (H, W, 3), C-contiguous."""

MAX_PIXELS: Final = 2**28
"""Pictures with more pixels than this are refused before they are decoded (2**28 is 16,384 x 16,384)."""

MAX_BYTES: Final = 2**30
"""Of a pipe, standard input or a URL no more than this is read for a picture."""

# What decoding takes at its worst, a progressive JPEG that is then turned: coefficients, Pillow's picture, two arrays.
_BYTES_PER_PIXEL = 16
# Two bits a block of a grey JPEG, for its DC and its end, are 256 pixels a byte; progressive ones need half.
_JPEG_PIXELS_PER_BYTE = 1024

MAX_SIDE: Final = 32_766
"""Longer pictures are refused: OpenCV 4 can't cut persons out of them."""

FORMATS: Final = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF", "HEIF")
"""What Pillow is asked to read; some of its other formats run programs or accept nearly any bytes."""

NO_MEMORY: Final = "there is not enough memory to decode it; scale it down, or run where there is more"

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


@cache
def known_formats() -> list[str]:
    """The formats of ``FORMATS`` that the installed Pillow and pi-heif have."""
    from PIL import Image as PIL

    PIL.init()
    with suppress(ImportError):  # no wheel of it for this platform
        import pi_heif

        pi_heif.register_heif_opener(thumbnails=False)
    return [name for name in FORMATS if name in PIL.OPEN]


def picture_extensions() -> frozenset[str]:
    """File name extensions of pictures that can be read, lower case, with the dot."""
    from PIL import Image as PIL

    formats = set(known_formats())
    return frozenset(extension for extension, name in PIL.registered_extensions().items() if name in formats)


def max_pixels() -> int:
    """How many pixels a picture may have: MAX_PIXELS, or what half of the memory is enough for."""
    return min(MAX_PIXELS, memory() // (2 * _BYTES_PER_PIXEL))


class TooLarge(Exception):
    """Marks, as the cause of an InputError, a picture that is one but has too many pixels, for its file or for us."""


def _why_too_large(picture: PIL.Image, stream: BinaryIO, name: str) -> str | None:
    width, height = picture.size
    limit = max_pixels()
    if width * height > limit or max(width, height) > MAX_SIDE:
        return (
            f"{name} is {width}x{height}, {width * height:,} pixels; the limit is {limit:,}"
            f"{' on a machine with so little memory' * (limit < MAX_PIXELS)}, and {MAX_SIDE:,} a side: "
            "scale it down first"
        )
    # Decoders fill up with grey what is missing, and need the memory of the whole picture for it.
    if picture.format in ("JPEG", "MPO") and width * height > _JPEG_PIXELS_PER_BYTE * (size := _size(stream)):
        return f"{name} claims {width}x{height} pixels in {size} bytes: it is damaged or cut off; fetch it again"
    return None


def _size(stream: BinaryIO) -> int:
    place = stream.tell()
    size = stream.seek(0, os.SEEK_END)
    stream.seek(place)
    return size


def open_picture(stream: BinaryIO, name: str) -> PIL.Image:
    """A picture whose header is read, and nothing more.

    Raises:
        InputError: it is none, or (with the cause TooLarge) one that must not be decoded.
    """
    from PIL import Image as PIL
    from PIL import UnidentifiedImageError

    formats = known_formats()
    with _pillow_globals, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        guard, PIL.MAX_IMAGE_PIXELS = PIL.MAX_IMAGE_PIXELS, None
        try:
            picture = PIL.open(stream, formats=formats)
            problem = _why_too_large(picture, stream, name)
            if problem is None:
                # Read here because Pillow warns about damaged EXIF; it keeps what it has parsed.
                _orientation(picture)
        except UnidentifiedImageError as error:
            raise InputError(_why_not_identified(stream, name)) from error
        except MemoryError:
            raise InputError(f"{name}: {NO_MEMORY}") from None
        except Exception as error:
            raise InputError(f"{name} can't be read as a picture: {error}; replace or re-export it") from error
        finally:
            PIL.MAX_IMAGE_PIXELS = guard
    if problem is not None:
        picture.close()
        raise InputError(problem) from TooLarge()
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
    except MemoryError:
        raise InputError(f"{name} is {'x'.join(map(str, picture.size))}: {NO_MEMORY}") from None
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
