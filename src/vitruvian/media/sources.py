"""Opening of sources by path, glob, URL or camera number."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final

from ..errors import InputError
from ..pictures.decoding import TooLarge, open_picture
from ..pictures.fetching import fetched_picture, is_url
from ..pictures.reading import is_picture_name, read_bounded, read_image
from .animations import Animation, is_animation
from .cameras import Camera
from .frames import Source
from .output_file import is_special
from .pictures import ImageBytes, ImageFiles, open_folder
from .threads import prefetch
from .videos import Video

_GLOB: Final = frozenset("*?[")
# Reading such a picture takes more than a gibibyte, which a user may want to know.
_NOTED: Final = 2**26


def open_source(spec: str | Path | int, recursive: bool = False) -> Source:
    """Open pictures, a video, a stream or a camera.

    Args:
        spec: a path of a picture or a video (told apart by content; animated pictures are videos), a folder or a glob
            of pictures, a URL of a picture, a video or a stream, ``"-"`` for one picture from standard input, a
            camera's number.
        recursive: look for pictures in the folders below, too.

    Returns:
        The source; its `Frame`s are RGB uint8 (H, W, 3).

    Raises:
        InputError: nothing there, or nothing that can be read.
    """
    if isinstance(spec, int):
        return Camera(spec)
    name = os.fspath(spec)
    if isinstance(spec, str):
        if spec.isascii() and spec.isdigit():
            return Camera(int(spec))
        if spec == "-":
            if sys.stdin is None:
                raise InputError("standard input is closed: give a file")
            return _encoded(read_bounded(sys.stdin.buffer, "stdin"), "stdin")
        if is_url(spec):
            return _open_stream(spec)
    if os.path.isdir(name):
        return open_folder(name, recursive)
    if is_special(name):
        return _open_pipe(name)
    if os.path.exists(name):
        return _open_file(name)
    if is_glob(name):
        return open_folder(name, recursive)
    raise InputError(f"{name!r}: no such file or folder; check the path")


def is_glob(spec: str | os.PathLike[str]) -> bool:
    """Whether this is a pattern of paths (with ``*``, ``?`` or ``[``), and not a file that is called so, or a URL."""
    text = os.fspath(spec)
    return not _GLOB.isdisjoint(text) and not is_url(text) and not os.path.exists(text)


def _open_stream(address: str) -> Source:
    """On another thread, as FFmpeg doesn't hear Ctrl-C while a server keeps it waiting."""

    def opened() -> Iterator[Source]:
        data = fetched_picture(address)
        yield Video(address) if data is None else _encoded(data, address)

    return next(prefetch(opened(), 1))


def _open_pipe(path: str) -> Source:
    """A pipe or a device: what it has can be read once."""
    try:
        with open(path, "rb") as stream:
            return _encoded(read_bounded(stream, path), path)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}") from error


def _encoded(data: bytes, name: str) -> Source:
    try:
        with open_picture(BytesIO(data), name) as picture:
            animated = is_animation(picture)
    except InputError:
        animated = False  # reading it says what is wrong
    return Animation(data, name) if animated else ImageBytes(data, name)


def _open_file(path: str) -> Source:
    try:
        with open(path, "rb") as stream, open_picture(stream, path) as picture:
            animated, (width, height) = is_animation(picture), picture.size
    except InputError as error:
        return ImageFiles([path], path) if isinstance(error.__cause__, TooLarge) else _open_video(path)
    except OSError:
        return _open_video(path)
    if animated:
        return Animation(path, path)
    large = f"{path} is {width}x{height}: reading it takes up to {width * height / 2**26:.0f} GiB of memory"
    return ImageFiles([path], path, [large] if width * height > _NOTED else [])


def _open_video(path: str) -> Source:
    try:
        return Video(path)
    except InputError as error:
        if is_picture_name(path):
            read_image(path)
        for said in ("can't be read as a video", "has no video in it"):
            name, found, rest = str(error).partition(f" {said}")
            if found and name == path:
                raise InputError(f"{path} is neither a picture nor a video that can be read{rest}") from error
        raise
