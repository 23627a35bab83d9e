"""Animated GIF, WebP, PNG and AVIF pictures, read as the videos that they are."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO, Final

from ..errors import InputError
from ..pictures.decoding import open_picture, upright_rgb
from .frames import Frame, Kind, VideoInfo

if TYPE_CHECKING:
    from PIL import Image as PIL

_FORMATS: Final = ("GIF", "WEBP", "PNG", "AVIF")
_MILLISECONDS = Fraction(1, 1000)
# Browsers show a frame that asks for less than 20 ms for 100 ms.
_SHORTEST, _USUAL = 20, 100
# The rest of a frame's time is of no use to anybody, and would overflow a video's clock.
_LONGEST = 60_000


def is_animation(picture: PIL.Image) -> bool:
    """Whether an opened picture has several frames that are to be shown one after the other."""
    # A phone's MPO and HEIF files also have several pictures: a preview, a second lens.
    if picture.format not in _FORMATS:
        return False
    try:
        return bool(getattr(picture, "is_animated", False))
    except Exception:  # damage after the first frame raises anything at all
        return False


class Animation:
    """An animated picture, played once.

    Attributes:
        name: what messages call it.
        info: size, number of frames, and the rate that they have on average.
    """

    kind: Kind = "video"
    paced = False

    def __init__(self, source: str | bytes, name: str) -> None:
        """
        Args:
            source: path, or the file's content.
            name: what messages call it.

        Raises:
            InputError: it can't be read.
        """
        self.name = name
        self.problems: list[str] = []
        self.notes: list[str] = []
        self._source = source
        with self._open() as stream, open_picture(stream, name) as picture:
            try:
                count = int(getattr(picture, "n_frames", 1))
                picture.seek(0)
                step = _duration(picture)
            except Exception as error:
                raise InputError(f"{name} is damaged or cut off: {error}; fetch or export it again") from error
            width, height = picture.size
        fps = Fraction(1000, step)
        self.info = VideoInfo(width, height, fps, _MILLISECONDS, count, float(count / fps))
        self.length: int | None = count

    def _open(self) -> BinaryIO:
        if isinstance(self._source, bytes):
            return io.BytesIO(self._source)
        try:
            return open(self._source, "rb")
        except OSError as error:
            raise InputError(f"{self.name} can't be read: {error.strerror or error}") from error

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames, each as it is shown: over what the ones before it have left.

        Raises:
            InputError: the first frame can't be read.
        """
        self.problems.clear()
        elapsed = 0
        with self._open() as stream, open_picture(stream, self.name) as picture:
            for index in range(self.info.frame_count or 1):
                try:
                    picture.seek(index)
                    image = upright_rgb(picture, self.name)
                except Exception as error:
                    if index == 0:
                        raise
                    self.problems.append(f"{self.name} is damaged: it ends early, after {index} frames: {error}")
                    return
                yield Frame(image, self.name, index, elapsed / 1000, elapsed)
                elapsed += _duration(picture)


def _duration(picture: PIL.Image) -> int:
    """Milliseconds for which the frame is shown."""
    try:
        claimed = round(float(picture.info.get("duration", 0)))
    except (ValueError, OverflowError):
        claimed = 0
    return _USUAL if claimed < _SHORTEST else min(claimed, _LONGEST)
