"""Excerpts of videos: from a time, up to a time, every so many frames."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import cast

from ..errors import InputError
from .frames import Frame, Kind, Source, VideoInfo
from .videos import Video


@dataclass(frozen=True)
class Section:
    """The frames of a video that are wanted.

    Args:
        start: seconds from the start of the video to the first frame that may be taken.
        end: seconds from the start of the video to the first frame that isn't taken any more; None is the video's end.
        stride: one of so many frames is taken, counted from the first that is.

    Raises:
        InputError: negative or no numbers, an end that isn't after the start, a stride below 1.
    """

    start: float = 0.0
    end: float | None = None
    stride: int = 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start) and self.start >= 0):
            raise InputError(f"start is {self.start}; it must be a number of seconds, 0 or more (--start)")
        if self.end is not None and not self.end > self.start:
            raise InputError(f"end is {self.end}; it must be later than the start, {self.start} s (--end)")
        if not (isinstance(self.stride, int) and self.stride >= 1):
            raise InputError(f"stride is {self.stride!r}; it must be a whole number, at least 1 (--stride)")

    @property
    def whole(self) -> bool:
        """Whether every frame is wanted."""
        return self == Section()


class Excerpt:
    """A section of a video or a live source. Frames keep their index and their time.

    The frames before it are decoded, as only that tells their number, but not converted.
    """

    def __init__(self, source: Source, section: Section) -> None:
        assert source.info is not None
        self.source = source
        self.section = section
        self.name = source.name
        self.kind: Kind = source.kind
        self.paced = source.paced
        self.notes = source.notes
        self.problems: list[str] = []
        info, count = source.info, source.length
        if count is not None:
            first = math.ceil(section.start * info.fps)
            last = count if section.end is None else min(count, math.ceil(section.end * info.fps))
            count = max(0, math.ceil((last - first) / section.stride))
        self.length: int | None = count
        self.info: VideoInfo = replace(info, fps=info.fps / section.stride, frame_count=count, duration=None)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames.

        Raises:
            InputError: the source can't be opened any more.
        """
        section, end, first, taken = self.section, self.section.end, None, 0
        self.problems.clear()
        if isinstance(self.source, Video):
            self.source.skip = lambda index, time: not self._wanted(index, time, first)
        with closing(cast("Generator[Frame]", iter(self.source))) as frames:
            for frame in frames:
                if end is not None and frame.time is not None and frame.time >= end:
                    break
                if not self._wanted(frame.index, frame.time or 0.0, first):
                    continue
                first, taken = frame.index if first is None else first, taken + 1
                yield frame
                del frame
        self.problems += self.source.problems
        if not taken:
            self.problems.append(f"{self.name} has no frame from {section.start:g} s on; give an earlier --start")

    def _wanted(self, index: int, time: float, first: int | None) -> bool:
        return time >= self.section.start and (first is None or (index - first) % self.section.stride == 0)

    def close(self) -> None:
        """Release the source of an excerpt that will not be iterated; iterating opens it again."""
        release = getattr(self.source, "close", None)
        if release is not None:
            release()
