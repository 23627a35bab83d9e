"""Picture files, bytes and folders as sources of frames."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..pictures.decoding import Image, open_picture, picture_extensions
from ..pictures.reading import load_rgb, read_image, read_page, why_not_opened
from .frames import Frame, Kind, Source

if TYPE_CHECKING:
    from ..pictures import Channels, Picture

_PAGED = (".tif", ".tiff")


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
            return read_page(stream, name, page)
    except OSError as error:
        raise InputError(why_not_opened(name, error)) from error


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


class GivenPictures:
    """Pictures in memory, or from an iterator, taken one by one. A bad one among several goes to ``problems``.

    Args:
        items: what `vitruvian.pictures.load_rgb` takes; of an iterator each can be had once.
        name: what messages call it; its pictures are called by their path or URL, or ``picture 0``, ``picture 1``, ...
        channels: order of the channels of arrays and tensors.
        first: number of the first of them.
    """

    kind: Kind = "images"
    paced = False
    info = None

    def __init__(self, items: Iterable[Picture], name: str, channels: Channels = "rgb", first: int = 0) -> None:
        self.name = name
        self.length: int | None = len(items) if isinstance(items, Sequence) else None
        self.problems: list[str] = []
        self.notes: list[str] = []
        self._items = items
        self._channels: Channels = channels
        self._first = first

    def __iter__(self) -> Iterator[Frame]:
        """Yield the pictures.

        Raises:
            InputError: the only picture can't be read.
        """
        self.problems.clear()
        for index, item in enumerate(self._items):
            name = str(item) if isinstance(item, (str, os.PathLike)) else f"picture {self._first + index}"
            try:
                image = load_rgb(item, self._channels, name)
            except InputError as error:
                problem = str(error) if name in str(error) else f"{name}: {error}"
                if self.length == 1:
                    raise InputError(problem) from None
                self.problems.append(problem)
                continue
            del item
            yield Frame(image, name, index)
            del image


class PictureList:
    """The pictures of several sources as those of one; what can't be read goes to ``problems``.

    Args:
        sources: sources of pictures.
        name: what messages call them.

    Attributes:
        files, paths: as those of `ImageFiles`.
    """

    kind: Kind = "images"
    paced = False
    info = None

    def __init__(self, sources: Sequence[Source], name: str) -> None:
        self.sources = sources
        self.name = name
        self.files = [file for source in sources for file in getattr(source, "files", ())]
        self.paths = [path for source in sources for path in paths_of(source)]
        lengths = [source.length for source in sources]
        self.length: int | None = None if None in lengths else sum(length or 0 for length in lengths)
        self.problems: list[str] = []
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        """Yield a frame for every readable picture; ``index`` is its place among all."""
        self.problems.clear()
        before = 0
        for source in self.sources:
            last = -1
            try:
                for frame in source:
                    last = frame.index
                    yield replace(frame, index=before + frame.index)
                    del frame
            except InputError as error:
                self.problems.append(str(error))
            self.problems += source.problems
            before += last + 1 if source.length is None else source.length


def paths_of(source: Source) -> list[str]:
    """What the pictures of a source are called, as far as that is known beforehand."""
    return source.paths if isinstance(source, (ImageFiles, PictureList)) else [source.name]


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
    spec, extensions = os.fspath(pattern), picture_extensions()
    pictures, rest = listed(spec, recursive)
    if not pictures:
        others = f" among its {len(rest)} files" if rest else ""
        deeper = "" if recursive or not os.path.isdir(spec) else " Folders below it are searched only when asked to."
        raise InputError(f"{spec}: no pictures found{others}; known are {', '.join(sorted(extensions))}.{deeper}")
    return pictures, len(rest)


def listed(spec: str, recursive: bool = False) -> tuple[list[str], list[str]]:
    """The files of a folder or a glob: those that have a picture's extension, in natural order, and the others."""
    files = _files_below(spec, recursive) if os.path.isdir(spec) else _files_matching(spec, recursive)
    extensions = picture_extensions()
    pictures = [path for path in files if Path(path).suffix.lower() in extensions]
    return sorted(pictures, key=natural), [path for path in files if Path(path).suffix.lower() not in extensions]


def open_folder(pattern: str | os.PathLike[str], recursive: bool = False) -> ImageFiles:
    """The pictures of a folder or a glob as a source; files that were skipped are told in its ``notes``.

    Raises:
        InputError: there are none.
    """
    pictures, others = expand(pattern, recursive)
    return ImageFiles(pictures, os.fspath(pattern), skipped(os.fspath(pattern), others, recursive))


def skipped(pattern: str, others: int, recursive: bool) -> list[str]:
    """Notes on what a folder or a glob holds that isn't taken: `others` files, and the folders below."""
    notes = []
    if others:
        files = "1 file that is no picture was" if others == 1 else f"{others} files that are no pictures were"
        notes.append(f"{files} skipped")
    if not recursive and (folders := _folders(pattern)):
        were = "1 folder was" if folders == 1 else f"{folders} folders were"
        notes.append(f"{were} skipped: -r (recursive=True) takes the pictures in folders, too")
    return notes


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


def natural(path: str) -> list[tuple[int, int, str]]:
    """Sorting key: numbers in the path by their value."""
    parts = re.split(r"([0-9]+)", path)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]
