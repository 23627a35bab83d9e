"""Pictures as RGB uint8 arrays, from files, URLs, bytes, file objects, PIL images, arrays and tensors."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias

import numpy as np

from ..errors import InputError
from .decoding import MAX_BYTES, MAX_SIDE, Image, open_picture, picture_extensions, upright_rgb
from .fetching import fetched_picture, is_url

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image as PIL
    from torch import Tensor

Picture: TypeAlias = "str | os.PathLike[str] | bytes | BinaryIO | NDArray[Any] | PIL.Image | Tensor"
"""A picture as callers have it: path, URL, encoded bytes, binary file object, array, PIL image or torch tensor."""

_CHUNK = 2**20


def is_picture_name(path: str | os.PathLike[str]) -> bool:
    """Whether the file name has a picture's extension, in any case."""
    return Path(path).suffix.lower() in picture_extensions()


def read_bounded(stream: BinaryIO, name: str) -> bytes:
    """All of a stream that can't be read twice.

    Raises:
        InputError: it has more than ``MAX_BYTES``, or can't be read.
    """
    parts, left = [], MAX_BYTES + 1
    try:
        while left and (part := stream.read(min(left, _CHUNK))):
            parts.append(part)
            left -= len(part)
    except (OSError, ValueError) as error:
        raise InputError(f"{name} can't be read: {getattr(error, 'strerror', None) or error}") from error
    if not left:
        raise InputError(f"{name} has more than {MAX_BYTES:,} bytes, too much for a picture; give a file instead")
    return b"".join(parts)


def read_image(file: str | os.PathLike[str] | bytes | BinaryIO, name: str | None = None) -> Image:
    """Read a picture: JPEG, PNG, WebP, BMP, TIFF, GIF, PPM, JPEG 2000, AVIF, HEIC. Of several frames the first.

    Orientation is applied, transparency dropped, 16 bits scaled to 8.

    Args:
        file: path, http(s) URL, encoded bytes, or a binary file object.
        name: what messages call it; the path by default.

    Returns:
        RGB uint8 (H, W, 3), C-contiguous.

    Raises:
        InputError: missing, unreadable, not a picture, damaged, above ``MAX_PIXELS``, or of a pixel format that has no
            RGB meaning.
    """
    if isinstance(file, bytes):
        return read_page(io.BytesIO(file), name or "image bytes")
    if isinstance(file, (str, os.PathLike)):
        label = name or os.fspath(file)
        if isinstance(file, str) and is_url(file):
            data = fetched_picture(file)
            if data is None:
                raise InputError(f"{label} is no picture; give the address of one")
            return read_page(io.BytesIO(data), label)
        try:
            with open(file, "rb") as stream:
                return read_page(stream, label)
        except OSError as error:
            raise InputError(why_not_opened(label, error)) from error
        except ValueError as error:
            raise InputError(f"{label!r} is no usable path: {error}") from error
    label = name or str(getattr(file, "name", "image stream"))
    return read_page(file if file.seekable() else io.BytesIO(read_bounded(file, label)), label)


def why_not_opened(label: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{label}: no such file; check the path"
    if isinstance(error, IsADirectoryError) or os.path.isdir(label):
        return f"{label} is a folder, not a picture; give a file in it"
    return f"{label} can't be read: {error.strerror or error}; check the path and its permissions"


def read_page(stream: BinaryIO, name: str, page: int = 0) -> Image:
    with open_picture(stream, name) as picture:
        if page:
            try:
                picture.seek(page)
            except Exception as error:
                raise InputError(f"{name} is damaged: {error}; fetch or export it again") from error
        return upright_rgb(picture, name)


Channels = Literal["rgb", "bgr"]

_ACCEPTED = (
    "accepted are RGB uint8 or uint16 arrays (H, W), (H, W, 1), (H, W, 3), (H, W, 4), "
    "torch tensors (C, H, W) or (H, W, C), uint8 or floating-point in 0..1, and PIL images"
)
_CHANNELS = (1, 3, 4)


def load_rgb(image: Picture, channels: Channels = "rgb", name: str | None = None) -> Image:
    """Any picture as RGB uint8 (H, W, 3): what `read_image` reads, and what `as_rgb` takes.

    Args:
        image: path, http(s) URL, encoded bytes, binary file object, array, torch tensor or PIL image.
        channels: order of the channels of arrays and tensors, "rgb" or "bgr" (as OpenCV has them).
        name: what messages call it.

    Raises:
        InputError: see `read_image` and `as_rgb`.
    """
    if isinstance(image, (bytearray, memoryview)):
        image = bytes(image)
    if isinstance(image, (str, os.PathLike, bytes)) or callable(getattr(image, "read", None)):
        _check_channels(channels)
        return read_image(image, name)  # type: ignore[arg-type]
    return as_rgb(image, channels)  # type: ignore[arg-type]


def as_rgb(image: NDArray[Any] | PIL.Image | Tensor, channels: Channels = "rgb") -> Image:
    """Make a picture in memory RGB uint8 (H, W, 3), C-contiguous; one that is already isn't copied.

    Args:
        image: array uint8, or uint16 (divided by 256), of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), alpha last
            (it is dropped); a PIL image (its EXIF orientation is applied); or a torch tensor of any device, (C, H, W),
            (H, W, C) or (H, W), uint8 or floating-point in 0..1. Where both the first and the last side may be the
            channels, the first are.
        channels: order of the channels of an array or a tensor, "rgb" or "bgr".

    Raises:
        InputError: another type, shape, dtype (bool, float), or no pixels at all; it says what is accepted.
    """
    from PIL import Image as PIL

    _check_channels(channels)
    if isinstance(image, PIL.Image):
        return upright_rgb(image, f"PIL image ({image.mode})")
    if is_tensor(image):
        image = _tensor_as_array(image)
    if not isinstance(image, np.ndarray):
        raise InputError(f"an image can't be a {type(image).__name__}; {_ACCEPTED}")
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(f"an image of dtype {image.dtype} has no agreed range; {_ACCEPTED}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in _CHANNELS) or image.size == 0:
        raise InputError(f"an array of shape {image.shape} is no image; {_ACCEPTED}")
    if max(image.shape[:2]) > MAX_SIDE:
        raise InputError(
            f"an image of shape {image.shape} is too long; the limit is {MAX_SIDE:,} a side: scale it down first"
        )
    eight: Image = image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)
    if eight.ndim == 2:
        eight = eight[:, :, None]
    if eight.shape[2] == 1:
        eight = np.repeat(eight, 3, axis=2)
    return np.ascontiguousarray(eight[:, :, 2::-1] if channels == "bgr" else eight[:, :, :3])


def _check_channels(channels: str) -> None:
    if channels not in ("rgb", "bgr"):
        raise InputError(f"channels is {channels!r}; it can be 'rgb' or 'bgr'")


def is_tensor(image: object) -> bool:
    """Whether this is a torch tensor, found out without importing torch."""
    return type(image).__module__.partition(".")[0] == "torch" and hasattr(image, "detach")


def _tensor_as_array(tensor: Any) -> NDArray[np.uint8]:
    """A tensor as uint8 (H, W) or (H, W, C). Raises InputError for another dtype or shape, or values beyond 0..1."""
    shape, dtype = tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        values: NDArray[Any] = tensor.float().numpy()
        if not (values.size and values.min() >= 0 and values.max() <= 1):
            raise InputError(f"a tensor of dtype {dtype} must have values in 0..1 only; {_ACCEPTED}")
        array = np.rint(values * 255).astype(np.uint8)
    elif dtype == "uint8":
        array = tensor.numpy()
    else:
        raise InputError(f"a tensor of dtype {dtype} has no agreed range; {_ACCEPTED}")
    if array.ndim == 3 and shape[0] in _CHANNELS:
        return array.transpose(1, 2, 0)
    if array.ndim in (2, 3):
        return array
    raise InputError(f"a tensor of shape {shape} is no image; {_ACCEPTED}")
