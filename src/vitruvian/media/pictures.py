"""Picture files, bytes, arrays and folders as RGB uint8 frames."""

from __future__ import annotations

import glob
import io
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..errors import InputError
from .containers import fetched_picture, is_url
from .decoding import MAX_BYTES, MAX_SIDE, TooLarge, open_picture, picture_extensions, upright_rgb
from .frames import Frame, Image, Kind

if TYPE_CHECKING:
    from PIL import Image as PIL


_CHUNK = 2**20
_PAGED = (".tif", ".tiff")


def is_picture_name(path: str | os.PathLike[str]) -> bool:
    """Whether the file name has a picture's extension, in any case."""
    return Path(path).suffix.lower() in picture_extensions()


def is_picture(file: str | os.PathLike[str]) -> bool:
    """Whether Pillow identifies the content of this file as a picture; its name doesn't matter."""
    try:
        with open(file, "rb") as stream:
            open_picture(stream, os.fspath(file)).close()
    except InputError as error:
        return isinstance(error.__cause__, TooLarge)
    except OSError:
        return False
    return True


def pages(path: str) -> int:
    """How many pages a file has: more than one only for TIFF.

    What can't be read has one, whose reading says what is wrong.
    """
    if Path(path).suffix.lower() not in _PAGED:
        return 1
    try:
        with open(path, "rb") as stream, open_picture(stream, path) as picture:
            return int(getattr(picture, "n_frames", 1)) if picture.format == "TIFF" else 1
    except Exception:  # damage raises anything at all
        return 1


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
        return _read(io.BytesIO(file), name or "image bytes")
    if isinstance(file, (str, os.PathLike)):
        label = name or os.fspath(file)
        if isinstance(file, str) and is_url(file):
            data = fetched_picture(file)
            if data is None:
                raise InputError(f"{label} is no picture; give the address of one")
            return _read(io.BytesIO(data), label)
        try:
            with open(file, "rb") as stream:
                return _read(stream, label)
        except OSError as error:
            raise InputError(_why_not_opened(label, error)) from error
        except ValueError as error:
            raise InputError(f"{label!r} is no usable path: {error}") from error
    label = name or str(getattr(file, "name", "image stream"))
    return _read(file if file.seekable() else io.BytesIO(read_bounded(file, label)), label)


def _why_not_opened(label: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{label}: no such file; check the path"
    if isinstance(error, IsADirectoryError) or os.path.isdir(label):
        return f"{label} is a folder, not a picture; give a file in it"
    return f"{label} can't be read: {error.strerror or error}; check the path and its permissions"


def _read(stream: BinaryIO, name: str, page: int = 0) -> Image:
    with open_picture(stream, name) as picture:
        if page:
            try:
                picture.seek(page)
            except Exception as error:
                raise InputError(f"{name} is damaged: {error}; fetch or export it again") from error
        return upright_rgb(picture, name)


_ACCEPTED = "accepted are RGB uint8 or uint16 arrays (H, W), (H, W, 1), (H, W, 3), (H, W, 4), and PIL images"


def as_rgb(image: np.ndarray[Any, Any] | PIL.Image) -> Image:
    """Make a picture in memory RGB uint8 (H, W, 3), C-contiguous; one that is already isn't copied.

    Args:
        image: array uint8, or uint16 (divided by 256), of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), channels in
            the order R, G, B, A (alpha is dropped); or a PIL image (its EXIF orientation is applied).

    Raises:
        InputError: another type, shape, dtype (bool, float), or no pixels at all; it says what is accepted.
    """
    from PIL import Image as PIL

    if isinstance(image, PIL.Image):
        return upright_rgb(image, f"PIL image ({image.mode})")
    if not isinstance(image, np.ndarray):
        raise InputError(f"an image can't be a {type(image).__name__}; {_ACCEPTED}")
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(f"an image of dtype {image.dtype} has no agreed range; {_ACCEPTED}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)) or image.size == 0:
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
    return np.ascontiguousarray(eight[:, :, :3])


class ImageFiles:
    """Pictures in files, in the order given. A bad one among several goes to ``problems``, a single bad one raises.

    Each page of a TIFF file is a picture; where it has several, they are called ``file.tif#1``, ``file.tif#2``, ...

    Attributes:
        files: the files.
        paths: what the pictures are called, which is their file's path but for pages.
    """

    kind: Kind = "images"
    paced = False
    info = None

    def __init__(self, paths: Sequence[str | os.PathLike[str]], name: str, notes: Sequence[str] = ()) -> None:
        self.files = [os.fspath(path) for path in paths]
        self._pictures = [picture for path in self.files for picture in _named_pages(path)]
        self.paths = [called for called, _, _ in self._pictures]
        self.name = name
        self.length: int | None = len(self.paths)
        self.problems: list[str] = []
        self.notes = list(notes)

    def __iter__(self) -> Iterator[Frame]:
        """Yield a frame for every readable picture; ``index`` is its place in the list.

        Raises:
            InputError: the only picture can't be read.
        """
        self.problems.clear()
        for index, (called, path, page) in enumerate(self._pictures):
            try:
                image = _page(path, called, page) if page else read_image(path, called)
            except InputError as error:
                if len(self.paths) == 1:
                    raise
                self.problems.append(str(error))
                continue
            yield Frame(image, called, index)
            # Or it would be kept alive while the next is read.
            del image


def _named_pages(path: str) -> list[tuple[str, str, int]]:
    count = pages(path)
    return [(path, path, 0)] if count == 1 else [(f"{path}#{page + 1}", path, page) for page in range(count)]


def _page(path: str, name: str, page: int) -> Image:
    try:
        with open(path, "rb") as stream:
            return _read(stream, name, page)
    except OSError as error:
        raise InputError(_why_not_opened(name, error)) from error


class ImageBytes:
    """One encoded picture in memory, as from standard input, a pipe or a URL."""

    kind: Kind = "images"
    paced = False
    info = None

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name
        self.length: int | None = 1
        self.problems: list[str] = []
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        """Yield the picture.

        Raises:
            InputError: it can't be read.
        """
        yield Frame(read_image(self.data, self.name), self.name, 0)


def expand(pattern: str | os.PathLike[str], recursive: bool = False) -> tuple[list[str], int]:
    """Find the pictures of a folder or a glob, in natural order (``img2`` before ``img10``).

    Hidden files and folders are passed over; what is a picture is decided by extension.

    Args:
        pattern: folder, or glob (``**`` descends).
        recursive: for a folder, or for folders that a glob matches: look into the folders below too.

    Returns:
        The paths, and how many other files there were.

    Raises:
        InputError: nothing matches, or there is no picture among what does.
    """
    spec = os.fspath(pattern)
    files = _files_below(spec, recursive) if os.path.isdir(spec) else _files_matching(spec, recursive)
    extensions = picture_extensions()
    pictures = [path for path in files if Path(path).suffix.lower() in extensions]
    if not pictures:
        others = f" among its {len(files)} files" if files else ""
        below = recursive or not os.path.isdir(spec)
        deeper = "" if below else " Folders below it are searched only when asked to (-r, recursive=True)."
        raise InputError(f"{spec}: no pictures found{others}; known are {', '.join(sorted(extensions))}.{deeper}")
    return sorted(pictures, key=_natural), len(files) - len(pictures)


def open_folder(pattern: str | os.PathLike[str], recursive: bool = False) -> ImageFiles:
    """The pictures of a folder or a glob as a source; files that were skipped are told in its ``notes``.

    Raises:
        InputError: there are none.
    """
    pictures, skipped = expand(pattern, recursive)
    some = {0: [], 1: ["1 file that is no picture was skipped"]}
    notes = some.get(skipped, [f"{skipped} files that are no pictures were skipped"])
    if not recursive and (folders := _folders(os.fspath(pattern))):
        were = "1 folder was" if folders == 1 else f"{folders} folders were"
        notes.append(f"{were} skipped: -r (recursive=True) takes the pictures in folders, too")
    return ImageFiles(pictures, os.fspath(pattern), notes)


def _files_below(folder: str, recursive: bool) -> list[str]:
    found = []
    for parent, folders, names in os.walk(folder, onerror=_raise):
        # Assigned in place: this is how os.walk is told where not to go.
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        found += [os.path.join(parent, name) for name in names if not name.startswith(".")]
    return [path for path in found if os.path.isfile(path)]


def _files_matching(pattern: str, recursive: bool) -> list[str]:
    found: list[str] = []
    for path in glob.glob(pattern, recursive=True):
        if os.path.isdir(path):
            found += _files_below(path, recursive=True) if recursive else []
        elif os.path.isfile(path):
            found.append(path)
    # A "**" with `recursive` meets the same file more than once.
    return list(dict.fromkeys(found))


def _folders(spec: str) -> int:
    """How many folders, not hidden, are in a folder, or match a glob."""
    if os.path.isdir(spec):
        with os.scandir(spec) as entries:
            return sum(entry.is_dir() and not entry.name.startswith(".") for entry in entries)
    return 0 if "**" in spec else sum(map(os.path.isdir, glob.iglob(spec)))


def _raise(error: OSError) -> None:
    raise InputError(f"{error.filename} can't be listed: {error.strerror}; check its permissions") from error


def _natural(path: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"([0-9]+)", path)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]
