"""Sinks of results: the protocol, drawn pictures, a drawn video."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .writers import VideoWriter, write_image

if TYPE_CHECKING:
    from ..poses import Poses
    from .frames import Frame, VideoInfo


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
    """

    def __init__(self, path: Path, info: VideoInfo, audio_from: str | None, style: Mapping[str, Any]) -> None:
        self._writer = VideoWriter(path, info, audio_from)
        self.problems = self._writer.problems
        self._style = style

    def write(self, frame: Frame, poses: Poses) -> None:
        """Draw the poses and append the frame."""
        self._writer.write(poses.draw(frame.image, **self._style), frame.pts)

    def close(self) -> None:
        """Complete the video file."""
        self._writer.close()
