"""Several sources opened as one list: paths, folders, globs, URLs, cameras and pictures in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import InputError
from ..pictures import is_tensor
from ..pictures.decoding import picture_extensions
from ..pictures.fetching import is_url
from ..pictures.reading import read_bounded
from .excerpts import Excerpt, Section
from .frames import Source
from .pictures import GivenPictures, ImageBytes, ImageFiles, PictureList, listed, natural, skipped
from .sources import is_glob, open_source

if TYPE_CHECKING:
    from ..pictures import Channels, Picture

# One source: what `open_source` takes, or a picture in memory.
Spec: TypeAlias = "int | Picture"
# One or several of them.
Specs: TypeAlias = "Spec | Iterable[Spec]"

VIDEO_EXTENSIONS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".mts", ".m2ts", ".3gp"}
    | {".ogv", ".gif"}
)
"""Extensions of the files in a folder that are opened as videos, lower case, with the dot; a GIF may be a picture."""


@dataclass
class SourceList:
    """What several sources hold: all their pictures as one source, then each video.

    Attributes:
        sources: at least one. Of several, the videos are closed until they are read.
        name: what was given, or of several the folder that all are in.
        root: absolute path of the folder that all files are in; of a single folder that folder.
        problems: what couldn't be opened, each message naming it.
        notes: remarks for the user that aren't errors.
    """

    sources: list[Source]
    name: str
    root: str
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def open_sources(
    specs: Specs, recursive: bool = False, section: Section | None = None, channels: Channels = "rgb"
) -> SourceList:
    """Open one or several sources. What can't be opened among several is one of the problems.

    Args:
        specs: what `open_source` takes, where folders and globs also give their videos; a picture in memory (array,
            tensor, PIL image, bytes, binary file object); a list of these; or an iterator of pictures, which are
            taken as they come.
        recursive: look for files in the folders below, too.
        section: the wanted frames of each video.
        channels: order of the channels of arrays and tensors, "rgb" or "bgr".

    Raises:
        InputError: nothing can be opened; or a section, but no video.
    """
    opening = _Opening(recursive, channels)
    several = _as_list(specs)
    if isinstance(several, Iterator):
        opening.add(GivenPictures(several, "pictures", channels))
    else:
        for number, spec in enumerate(several):
            try:
                opening.open(spec, number, alone=len(several) == 1)
            except InputError as error:
                if len(several) == 1:
                    raise
                opening.problems.append(f"{error}{unquoted(several, number)}")
    return opening.result(several[0] if isinstance(several, list) and len(several) == 1 else None, section)


# A name of more words is not put together again.
_WORDS = 8


def unquoted(specs: Sequence[Any], missing: int) -> str:
    """The end of a message about specs[missing]: a hint where it is a part of a file's name with spaces, else empty."""
    for first in range(max(0, missing + 1 - _WORDS), missing + 1):
        for last in range(missing + 1, min(len(specs), first + _WORDS) + 1):
            words = specs[first:last]
            if len(words) > 1 and all(isinstance(word, str) for word in words) and os.path.exists(" ".join(words)):
                return f'; a name with spaces needs quotes: "{" ".join(words)}"'
    return ""


def _as_list(specs: Any) -> list[Any] | Iterator[Any]:
    if is_tensor(specs) and specs.ndim == 4:
        return list(specs)
    if isinstance(specs, (list, tuple, set, frozenset)):
        return list(specs)
    if isinstance(specs, Iterator) and not hasattr(specs, "read"):
        return specs
    return [specs]


class _Opening:
    """Sources opened so far; a file is opened once, however often it is named."""

    def __init__(self, recursive: bool, channels: Channels) -> None:
        self.recursive = recursive
        self.channels = channels
        self.sources: list[Source] = []
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.folders: list[str] = []
        self.seen: set[str] = set()

    def add(self, source: Source) -> None:
        self.sources.append(source)

    def open(self, spec: Any, number: int, alone: bool) -> None:
        if not isinstance(spec, (int, str, os.PathLike)):
            self.add(self._in_memory(spec, number))
        elif not isinstance(spec, int) and (os.path.isdir(spec) or is_glob(spec)):
            self._open_files(os.fspath(spec), alone)
        else:
            self._open_one(spec, close=not alone)

    def _open_one(self, spec: int | str | os.PathLike[str], close: bool) -> None:
        path = isinstance(spec, os.PathLike) or (isinstance(spec, str) and not is_url(spec) and os.path.exists(spec))
        if self._again(os.path.realpath(spec) if path and not isinstance(spec, int) else str(spec)):
            return
        source = open_source(spec)  # type: ignore[arg-type]
        if path and not isinstance(spec, int):
            self.folders.append(os.path.dirname(os.path.abspath(spec)))
        if close:
            _close(source)
        self.add(source)

    def _again(self, identity: str) -> bool:
        known = identity in self.seen
        self.seen.add(identity)
        return known

    def _open_files(self, spec: str, alone: bool) -> None:
        """The pictures and the videos of a folder or a glob."""
        pictures, others = listed(spec, self.recursive)
        videos = [path for path in others if Path(path).suffix.lower() in VIDEO_EXTENSIONS]
        if not pictures and not videos:
            known = ", ".join(sorted(picture_extensions() | VIDEO_EXTENSIONS))
            among = f" among its {len(others)} files" if others else ""
            deeper = "" if self.recursive or not os.path.isdir(spec) else " Folders below it are searched with -r only."
            raise InputError(f"{spec}: no pictures found{among}, and no videos; known are {known}.{deeper}")
        if os.path.isdir(spec):
            folder = os.path.abspath(spec)
            self.folders.append(folder if alone else os.path.dirname(folder))
        else:
            self.folders += {os.path.dirname(os.path.abspath(path)) for path in (*pictures, *videos)}
        notes = skipped(spec, len(others) - len(videos), self.recursive)
        self.notes += notes if alone else [f"{spec}: {note}" for note in notes]
        # Only its content tells whether a GIF moves.
        gifs = [path for path in pictures if Path(path).suffix.lower() == ".gif"]
        known_before = len(self.sources)
        for path in sorted([*videos, *gifs], key=natural):
            try:
                self._open_one(path, close=True)
            except InputError as error:
                if alone and len(pictures) + len(videos) == 1:
                    raise
                self.problems.append(str(error))
        found, self.sources = self.sources[known_before:], self.sources[:known_before]
        still = [source.name for source in found if source.kind == "images"]
        new = [path for path in pictures if path not in gifs and not self._again(os.path.realpath(path))]
        new = sorted([*new, *still], key=natural)
        if new:
            self.add(ImageFiles(new, spec))
        self.sources += [source for source in found if source.kind != "images"]

    def _in_memory(self, item: Any, number: int) -> Source:
        name = f"picture {number}"
        if callable(getattr(item, "read", None)):
            name = str(getattr(item, "name", name))
            item = read_bounded(item, name)
        if isinstance(item, (bytes, bytearray, memoryview)):
            return ImageBytes(bytes(item), name)
        return GivenPictures([item], name, self.channels, number)

    def result(self, only: Any, section: Section | None) -> SourceList:
        if not self.sources:
            raise InputError("\n  ".join(self.problems) or "no source: give at least one")
        pictures = [source for source in self.sources if source.kind == "images"]
        moving = [source for source in self.sources if source.kind != "images"]
        for source in self.sources:
            self.notes += source.notes
        if section is not None and not section.whole:
            if not moving:
                raise InputError("start, end and stride (--start, --end, --stride) are for videos: there is none here")
            moving = [Excerpt(source, section) for source in moving]
        root = _common(self.folders)
        name = str(only) if isinstance(only, (str, os.PathLike)) else os.path.relpath(root)
        if len(pictures) > 1:
            pictures = [PictureList(pictures, name)]
        sources = [*pictures, *moving]
        return SourceList(sources, sources[0].name if len(sources) == 1 else name, root, self.problems, self.notes)


def _common(folders: list[str]) -> str:
    """The folder that all of these are in; the current one where they have none in common."""
    try:
        return os.path.commonpath(folders)
    except ValueError:
        return os.getcwd()


def _close(source: Source) -> None:
    release = getattr(source, "close", None)
    if release is not None:
        release()
