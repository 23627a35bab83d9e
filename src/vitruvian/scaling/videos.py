"""Segments of videos: some of the frames of one, by their index."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import cast

from ..errors import InputError
from ..media.frames import Frame, Kind, VideoInfo
from ..media.videos import Video
from ..stores import is_address, open_file, retried


class Segment:
    """The frames ``first <= index < last`` of a video whose index is a multiple of `stride`, as a source.

    Frames keep their index and time. Those before are decoded, as only that tells their number, but not converted.

    Args:
        path: of the video.
        name: what it is called.
        first, last: indices; None is the video's end.
        stride: see above.

    Raises:
        InputError: it can't be read as a video.
    """

    kind: Kind = "video"
    paced = False

    def __init__(self, path: str, name: str, first: int = 0, last: int | None = None, stride: int = 1) -> None:
        self.name = name
        self.length: int | None = None
        self.problems: list[str] = []
        self.notes: list[str] = []
        self._video = Video(path)
        self._first, self._last, self._stride = first, last, stride
        self.info: VideoInfo = self._video.info

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames. Raises InputError."""
        self._video.skip = lambda index, time: index < self._first or index % self._stride != 0
        with closing(cast("Generator[Frame]", iter(self._video))) as frames:
            for frame in frames:
                if self._last is not None and frame.index >= self._last:
                    return
                # The first frame is converted before anybody can skip it.
                if frame.index >= self._first and frame.index % self._stride == 0:
                    yield frame
                del frame
        # Damage of the whole video, told once: by the segment that comes to its end.
        self.problems += self._video.problems


@contextmanager
def local_video(path: str) -> Iterator[str]:
    """A file of this machine with the video; one on an address is copied into a temporary file.

    Raises:
        InputError: it can't be read; StoreError where the store fails.
    """
    if not is_address(path) or path.startswith(("http://", "https://")):
        yield path
        return
    suffix = os.path.splitext(path)[1]
    with tempfile.NamedTemporaryFile(suffix=suffix) as copy:

        def fetch() -> None:
            copy.seek(0)
            copy.truncate()
            with open_file(path) as stream:
                shutil.copyfileobj(stream, copy, 2**22)
            copy.flush()

        try:
            retried(path, fetch)
        except OSError as error:
            raise InputError(f"{path} can't be copied for decoding: {error.strerror or error}") from None
        yield copy.name
