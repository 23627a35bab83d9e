"""Frames, properties of a video, and the protocol of sources."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

from ..pictures.decoding import Image

Kind = Literal["images", "video", "live"]


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a source.

    Attributes:
        image: RGB uint8 (H, W, 3), C-contiguous, upright.
        source: the path as it was given, the URL, or ``"camera 0"``.
        index: position in its source, from 0.
        time: seconds from the start of the video; None for pictures.
        pts: presentation time in units of ``VideoInfo.time_base``; None for pictures.
    """

    image: Image
    source: str
    index: int
    time: float | None = None
    pts: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture in pixels."""
        return self.image.shape[1], self.image.shape[0]


@dataclass(frozen=True)
class VideoInfo:
    """Properties of a video.

    Attributes:
        width: pixels, as shown (after rotation).
        height: pixels, as shown (after rotation).
        fps: average frames per second, above 0.
        time_base: seconds per unit of ``Frame.pts``.
        frame_count: frames to expect; None when unknown (a live stream).
        duration: seconds; None when unknown.
        has_audio: whether there is an audio stream.
    """

    width: int
    height: int
    fps: Fraction
    time_base: Fraction
    frame_count: int | None = None
    duration: float | None = None
    has_audio: bool = False


class Source(Protocol):
    """Anything that frames can be read from.

    Attributes:
        name: the name that messages use.
        kind: pictures, a video with an end, or a stream without one.
        length: items to expect, for a progress bar; None when unknown.
        info: size and timing of a video or a live source; None for pictures.
        paced: frames come in real time, as from a camera; late frames may be dropped.
        problems: errors that didn't end the iteration; each message names its file.
        notes: remarks for the user that aren't errors.
    """

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def length(self) -> int | None: ...
    @property
    def info(self) -> VideoInfo | None: ...
    @property
    def paced(self) -> bool: ...
    @property
    def problems(self) -> list[str]: ...
    @property
    def notes(self) -> list[str]: ...

    def __iter__(self) -> Iterator[Frame]:
        """Start over from the first frame; closing the returned generator releases everything it holds."""
        ...
