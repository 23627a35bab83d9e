"""Cameras of this machine, read with OpenCV."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from ..errors import InputError
from ..pictures.decoding import Image
from .frames import Frame, Kind, VideoInfo

if TYPE_CHECKING:
    import cv2

_MILLISECONDS = Fraction(1, 1000)
_USUAL_FPS = 30


class Camera:
    """A camera. Opening it reads the first frame; it stays open until an iteration ends or `close`.

    Attributes:
        name: ``"camera 0"``.
        info: the size it delivers, and the rate it claims.
    """

    kind: Kind = "live"
    paced = True

    def __init__(self, index: int) -> None:
        """
        Args:
            index: number of the camera, from 0.

        Raises:
            InputError: there is none, or it delivers nothing.
        """
        self.index = index
        self.name = f"camera {index}"
        self.length: int | None = None
        self.problems: list[str] = []
        self.notes: list[str] = []
        self._capture: cv2.VideoCapture | None = None
        self._first: Image | None = None
        fps = self._open()
        assert self._first is not None
        height, width = self._first.shape[:2]
        self.info = VideoInfo(width, height, fps, _MILLISECONDS)

    def _open(self) -> Fraction:
        import cv2

        with _quiet():
            self._capture = cv2.VideoCapture(self.index)
            self._first = self._read() if self._capture.isOpened() else None
        if self._first is None:
            self.close()
            raise InputError(f"{self.name} gives no picture; check that it is connected and not in use, or try another")
        claimed = self._capture.get(cv2.CAP_PROP_FPS)
        # Drivers that don't know say 0, -1 or nan.
        return Fraction(claimed).limit_denominator(1001) if 1 <= claimed <= 1000 else Fraction(_USUAL_FPS)

    def _read(self) -> Image | None:
        import cv2

        assert self._capture is not None
        read, image = self._capture.read()
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if read else None  # type: ignore[return-value]

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames as they come, timed by this machine's clock from the first.

        Raises:
            InputError: the camera was closed and can't be opened again.
        """
        self.problems.clear()
        if self._capture is None:
            self._open()
        image, self._first = self._first, None
        start, index = time.monotonic(), 0
        try:
            while True:
                if image is None:
                    image = self._read()
                if image is None:
                    self.problems.append(f"{self.name} stopped delivering after {index} frames; check its connection")
                    return
                seconds = time.monotonic() - start
                yield Frame(image, self.name, index, seconds, round(seconds / _MILLISECONDS))
                image, index = None, index + 1
        finally:
            self.close()

    def close(self) -> None:
        """Release the camera; iterating opens it again."""
        capture, self._capture = self._capture, None
        self._first = None
        if capture is not None:
            capture.release()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    import cv2

    # OpenCV 4 has these functions, and numbers, at the top.
    log = getattr(cv2.utils, "logging", cv2)
    level = log.getLogLevel()
    log.setLogLevel(0)
    try:
        yield
    finally:
        log.setLogLevel(level)
