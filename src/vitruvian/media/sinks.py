"""Sinks of results: the protocol, drawn pictures, a drawn video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .writers import VideoWriter, write_image

if TYPE_CHECKING:
    from ..poses import Poses
    from .frames import Frame, VideoInfo
    from .person_crop import PersonCrop
    from .trails import Trails


class Sink(Protocol):
    """A target of results, written picture by picture. Methods raise OutputError where writing fails.

    Attributes:
        problems: errors that didn't end the writing; each message names its file.
    """

    problems: list[str]

    def write(self, frame: Frame, poses: Poses) -> None:
        """Take the poses of one picture."""

    def close(self) -> None:
        """Complete what was written."""


class DrawnPictures:
    """One drawn picture a source picture.

    Args:
        targets: the file to write for each source file.
        style: keywords of `vitruvian.drawing.draw`.
    """

    def __init__(self, targets: Mapping[str, Path], style: Mapping[str, Any]) -> None:
        self.problems: list[str] = []
        self._targets = targets
        self._style = style

    def write(self, frame: Frame, poses: Poses) -> None:
        """Draw the poses and write the picture."""
        write_image(self._targets[frame.source], poses.draw(frame.image, **self._style))

    def close(self) -> None:
        """Nothing is left open."""


class DrawnVideo:
    """One drawn video with the source's timing and sound.

    Args:
        path: the file to write.
        info: the source's timing and size.
        audio_from: the file whose sound is kept.
        style: keywords of `vitruvian.drawing.draw`.
        trails: drawn below the skeletons.
        crop: the video is of one person; frames without that person are left out.
        slow: times go by so many times as slowly, without the sound.

    Attributes:
        path: the file.
        empty: nothing was written so far, so that there is no file.
    """

    def __init__(
        self,
        path: Path,
        info: VideoInfo,
        audio_from: str | None,
        style: Mapping[str, Any],
        trails: Trails | None = None,
        crop: PersonCrop | None = None,
        slow: float = 1.0,
    ) -> None:
        if slow != 1:
            factor = Fraction(slow).limit_denominator(100)
            info = replace(info, fps=info.fps / factor, time_base=info.time_base * factor)
            audio_from = None
        self.path = path
        self._writer = VideoWriter(path, info, audio_from)
        self.problems = self._writer.problems
        self._style = style
        self._trails = trails
        self._crop = crop
        self.empty = True

    def write(self, frame: Frame, poses: Poses) -> None:
        """Draw the poses and append the frame."""
        time = frame.index / 30 if frame.time is None else frame.time
        image = frame.image if self._trails is None else self._trails.draw(frame.image, poses, time)
        whole = poses.draw(image, **self._style)
        drawn = whole if self._crop is None else self._crop(whole, poses, time)
        if drawn is not None:
            self._writer.write(drawn, frame.pts)
            self.empty = False

    def close(self) -> None:
        """Complete the video file."""
        if self._crop is not None and self.empty:
            name, numbers = self._writer.name, self._crop.numbers
            there = f"there are {_listed(numbers)}" if numbers else "nobody has a number"
            self.problems.append(f"{name} wasn't written: nobody has the track number {self._crop.number}; {there}")
        self._writer.close()


def _listed(numbers: set[int], most: int = 20) -> str:
    """The first of the numbers, and how many more there are."""
    first, more = sorted(numbers)[:most], len(numbers) - most
    return ", ".join(map(str, first)) + (f" and {more} more" if more > 0 else "")
