"""Video files of requests: which kinds are opened, from where, and within which limits."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING

from ..errors import InputError
from ..media.excerpts import Excerpt, Section
from ..media.videos import Video
from .problems import Problem, too_large

if TYPE_CHECKING:
    from .options import Limits

# Formats that hold their frames themselves. Playlists (HLS, DASH, concat, SDP ...) name other files and addresses,
# which FFmpeg would open, so that nothing is opened whose first bytes aren't one of these.
_MAGIC: tuple[tuple[int, bytes], ...] = (
    *((4, kind) for kind in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")),  # mp4, mov
    (0, b"\x1a\x45\xdf\xa3"),  # matroska, webm
    (8, b"AVI "),
    (0, b"FLV\x01"),
    (0, b"OggS"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # asf, wmv
    (0, b"\x00\x00\x01\xba"),  # MPEG program stream
    (0, b"\x00\x00\x01\xb3"),  # MPEG video
    (0, b"\x00\x00\x00\x01"),  # H.264, HEVC
    (0, b"GIF87a"),
    (0, b"GIF89a"),
    (0, b"\x06\x0e\x2b\x34"),  # mxf
)
# Transport streams have this byte at every packet's start, plain or after a time code.
_SYNC, _PACKETS = 0x47, ((0, 188), (4, 192))


def is_container(start: bytes) -> bool:
    """Whether a file begins as a video with its frames in it; `start` is its first 1024 bytes."""
    if any(start[place : place + len(magic)] == magic for place, magic in _MAGIC):
        return True
    return any(
        len(start) > first + 2 * size and all(start[first + i * size] == _SYNC for i in range(3))
        for first, size in _PACKETS
    )


class _Checked(Excerpt):
    """An excerpt that can be given up at any frame, also where frames are skipped."""

    def __init__(self, video: Video, section: Section, check: Callable[[], None]) -> None:
        super().__init__(video, section)
        self._check = check

    def _wanted(self, index: int, time: float, first: int | None) -> bool:
        self._check()
        return super()._wanted(index, time, first)


@contextmanager
def opened(
    file: IO[bytes], name: str, section: Section, limits: Limits, check: Callable[[], None]
) -> Iterator[Video | Excerpt]:
    """Context with the video in an open file.

    Args:
        file: the file, of any place; it may have no name.
        name: what frames and messages call it.
        section: the wanted frames.
        limits: see `Limits`.
        check: is called at each frame, wanted or not; what it raises ends the reading.

    Raises:
        InputError: no video.
        Problem: one that is too large or long (413), whose frames are elsewhere, or that ends before the section (422).
    """
    file.seek(0)
    start = file.read(1024)
    if not is_container(start):
        raise Problem(422, f"{name} is no video that is taken; give mp4, mov, mkv, webm, avi, ts, mpg, flv, ogv or wmv")
    with _path(file) as path:
        try:
            video = Video(path)
        except InputError as error:
            raise InputError(str(error).replace(path, name)) from None
        try:
            # Frames and messages have the client's name for it.
            video.name = name
            _check(video, name, section, limits)
            yield video if section.whole else _Checked(video, section, check)
        finally:
            video.close()


def _check(video: Video, name: str, section: Section, limits: Limits) -> None:
    """Raises Problem for a video beyond the limits (413) or before the section (422), as far as its header tells."""
    info = video.info
    if info.width * info.height > limits.pixels:
        raise too_large(f"{name} is {info.width}x{info.height}; the limit is {limits.pixels:,} pixels: scale it down")
    seconds = info.duration or 0.0
    if info.duration and section.start >= seconds:
        raise Problem(
            422, f"{name} lasts {seconds:.1f} s, which is before start={section.start:g}; give an earlier start"
        )
    wanted = min(seconds, section.end or seconds) - section.start
    if wanted > limits.video_seconds:
        raise too_large(
            f"{name} lasts {seconds:.0f} s; the limit is {limits.video_seconds:g} s: cut it, or give start and end"
        )
    count = (info.frame_count or 0) if section.whole else int(wanted * info.fps / section.stride)
    if count > limits.frames:
        raise too_large(f"{name} has {count:,} frames; the limit is {limits.frames:,}: cut it, or give a stride")


@contextmanager
def _path(file: IO[bytes]) -> Iterator[str]:
    """A path under which a file can be opened once more, even one without a name."""
    file.flush()
    descriptor = file.fileno()  # a spooled file goes to the disk for this
    if sys.platform == "linux" and os.path.exists(path := f"/proc/self/fd/{descriptor}"):
        yield path
        return
    with NamedTemporaryFile(delete=False) as copy:
        try:
            file.seek(0)
            shutil.copyfileobj(file, copy)
            copy.close()
            yield copy.name
        finally:
            copy.close()
            os.unlink(copy.name)
