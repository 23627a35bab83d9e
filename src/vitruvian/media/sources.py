"""Opening of sources by path, glob, URL or camera number."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError
from .cameras import Camera
from .containers import is_url
from .frames import Source
from .pictures import ImageBytes, ImageFiles, is_picture, is_picture_name, open_folder, read_image
from .threads import prefetch
from .videos import Video

_GLOB = frozenset("*?[")


def open_source(spec: str | Path | int, recursive: bool = False) -> Source:
    """Open pictures, a video, a stream or a camera.

    Args:
        spec: a path of a picture or a video (told apart by content), a folder or a glob of pictures, a URL, ``"-"`` for
            one picture from standard input, a camera's number.
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
            return ImageBytes(sys.stdin.buffer.read(), "stdin")
        if is_url(spec):
            return _open_stream(spec)
    if os.path.isdir(name):
        return open_folder(name, recursive)
    if os.path.exists(name):
        return _open_file(name)
    if _GLOB & set(name):
        return open_folder(name, recursive)
    raise InputError(f"{name!r}: no such file or folder; check the path")


def _open_stream(address: str) -> Source:
    """On another thread, as FFmpeg doesn't hear Ctrl-C while a server keeps it waiting."""

    def opened() -> Iterator[Source]:
        yield Video(address)

    return next(prefetch(opened(), 1))


def _open_file(path: str) -> Source:
    if is_picture(path):
        return ImageFiles([path], path)
    try:
        return Video(path)
    except InputError as error:
        if is_picture_name(path):
            read_image(path)
        if os.path.getsize(path) == 0:
            raise
        raise InputError(f"{path} is neither a picture nor a video that can be read: {error}") from error
