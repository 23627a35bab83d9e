"""One run: from sources over a model and tracking to files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .. import media
from ..drawing import check_faces
from ..errors import InputError
from ..media.records import STDOUT
from ..media.threads import Background
from ..media.window import Window
from ..poses import Boxes
from ..tracking import Tracker
from .options import ProcessOptions
from .targets import Targets

if TYPE_CHECKING:
    from ..media import Frame, Sink, Source
    from ..media.several import Specs
    from ..pipeline import TopDown
    from ..poses import Poses


# Results that may wait to be written.
_WRITER_QUEUE = 8


@dataclass
class Summary:
    """Result of a run, as far as it came.

    Args:
        frames, persons: how many pictures and frames of videos were read, and persons found on them.
        pictures: how many of the frames were pictures.
        picture_persons: how many of the persons were on pictures.
        tracked, picture_tracked: with `track`, how many different persons have track numbers, on videos (each has its
            own numbers) and on pictures.
        seconds: from the first frame asked for to the last file closed.
        problems: what went wrong without ending the run, each message naming its file.
        unread: how many pictures or videos could not be read at all, whose boxes no file knows, or that haven't the
            person that was to be cut out.
    """

    frames: int = 0
    persons: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    pictures: int = 0
    unread: int = 0
    picture_persons: int = 0
    tracked: int = 0
    picture_tracked: int = 0


class Process:
    """One run over one or several sources. What can't be done is found when it is made, before a model is loaded.

    Args:
        source: an image, a folder, a glob, a video, a stream's URL, ``-`` for an image on standard input, or the number
            of a camera; a picture in memory, as `vitruvian.TopDown` takes it; or a list of these.
        options: what is written, and how persons are tracked.

    Attributes:
        name: what is read, for messages.
        sources: the opened sources: all pictures as one, then each video.
        notes: what a user may want to know before.
        targets: the files to be written, of each source.
        summary: what was done so far.
        numbering: a note where the COCO file numbers pictures by their place, and not by their names; else empty.

    Raises:
        InputError: nothing of the source can be read, or a file that can't or must not be written.
    """

    def __init__(self, source: Specs, options: ProcessOptions | None = None) -> None:
        self.options = options or ProcessOptions()
        opened = media.open_sources(source, self.options.recursive, self.options.section)
        if any(isinstance(item, media.GivenPictures) and item.length is None for item in opened.sources):
            raise InputError(
                "pictures of an iterator have no names for files yet: use vitruvian.TopDown.stream for them"
            )
        self.name = opened.name
        self.sources = opened.sources
        self.notes = opened.notes
        self.targets = Targets.of(opened, self.options)
        by_number = self.options.coco is not None and self.options.coco_mode == "results"
        numbered = map(media.numbered_by_place, self.sources) if by_number else ()
        self.numbering = next(filter(None, numbered), "")
        limits = self.options.score or 0.0, self.options.max_persons
        self._boxes = None if self.options.boxes is None else media.BoxFile(self.options.boxes, *limits)
        self._missing: set[Path] = set()
        self.summary = Summary(problems=list(opened.problems), unread=len(opened.problems))

    @property
    def length(self) -> int | None:
        """Pictures and frames to expect; None when unknown."""
        lengths = [source.length for source in self.sources]
        return None if None in lengths else sum(length or 0 for length in lengths)

    @property
    def to_stdout(self) -> bool:
        """Whether data goes to standard output, where nothing else may then go."""
        return any(STDOUT in target.data for target in self.targets)

    @property
    def written(self) -> str:
        """The files, many of them as their folder, without videos that had nothing to show."""
        drawn = [path for target in self.targets for path in target.drawn if path not in self._missing]
        data: list[str] = []
        for files in zip(*(target.data for target in self.targets), strict=True):
            kinds = [source.kind == "images" for source in self.sources]
            data += [str(path) for path, pictures in zip(files, kinds, strict=True) if pictures]
            data += _shortly([path for path, pictures in zip(files, kinds, strict=True) if not pictures])
        return ", ".join([*_shortly(drawn), *data])

    def run(self, model: TopDown, progress: Callable[[], object] | None = None) -> Summary:
        """Find the persons of every frame, and write them. Memory is constant; reading and writing run in threads.

        Args:
            model: with a detector, unless the options bring boxes.
            progress: called after each frame.

        Returns:
            What was done. Files that can't be read don't end the run; they are among its problems.

        Raises:
            InputError: a setting of tracking out of its range; faces to be blurred of a skeleton that has none; or the
                only source can't be read.
            OutputError: a file can't be written, or no window can be shown.
            KeyboardInterrupt: Ctrl-C. The files are complete up to the last frame, and so is `summary`.
        """
        started = time.perf_counter()
        model = model.limited(self.options.score, self.options.max_persons)
        if self.options.blur_faces:
            check_faces(model.pose.skeleton)
        try:
            with ExitStack() as stack:
                window = Window(f"vitruvian: {self.name}") if self.options.show else None
                if window is not None:
                    stack.callback(window.close)
                for source, targets in zip(self.sources, self.targets, strict=True):
                    try:
                        self._run(source, targets, model, window, progress)
                    except InputError as error:
                        if len(self.sources) == 1:
                            before = self.summary.problems
                            if not before:
                                raise
                            raise InputError("\n  ".join(dict.fromkeys([*before, str(error)]))) from error
                        self.summary.problems.append(str(error))
                        self.summary.unread += 1
                    if window is not None and window.closed:
                        break
                if window is not None and self.sources[-1].kind == "images":
                    window.wait()
        finally:
            self.summary.seconds = time.perf_counter() - started
        return self.summary

    def _run(
        self,
        source: Source,
        targets: Targets,
        model: TopDown,
        window: Window | None,
        progress: Callable[[], object] | None,
    ) -> None:
        options, summary = self.options, self.summary
        style = options.style
        # Without tracks, a person's place and so the colour changes from frame to frame; a picture has one.
        if options.colours == "auto" and source.kind == "images":
            style["colours"] = "person"
        sinks: list[Sink] = []
        given = None if self._boxes is None else _Given(self._boxes, source)
        numbers: set[int] = set()

        def write(frame: Frame, poses: Poses) -> None:
            for sink in sinks:
                sink.write(frame, poses)

        try:
            with ExitStack() as stack:
                for sink in targets.open(source, self.name, model.pose.skeleton, style, options):
                    sinks.append(sink)
                    stack.callback(sink.close)
                writer = Background(write, _WRITER_QUEUE)
                stack.callback(writer.close)
                found = model.frames(
                    *(source, self._tracker(model), options.smooth, options.detect_every),
                    boxes=given,
                    select=options.selection,
                )
                with closing(found) as frames:
                    for frame, poses in frames:
                        writer.submit(frame, poses)
                        summary.frames += 1
                        summary.pictures += source.kind == "images"
                        summary.persons += len(poses)
                        summary.picture_persons += len(poses) if source.kind == "images" else 0
                        if poses.track_ids is not None:
                            numbers.update(filter(None, poses.track_ids.tolist()))
                        if progress is not None:
                            progress()
                        if window is not None:
                            window.show(poses.draw(frame.image, **style))
                            if window.closed:
                                break
        finally:
            summary.problems += source.problems + [problem for sink in sinks for problem in sink.problems]
            if given is not None:
                summary.problems += given.problems
                summary.unread += len(given.problems)
            if source.kind == "images":
                summary.picture_tracked += len(numbers)
                summary.unread += len(source.problems)
            else:
                summary.tracked += len(numbers)
            for sink in sinks:
                if isinstance(sink, media.DrawnVideo) and sink.empty:
                    self._missing.add(sink.path)
                    summary.unread += options.crop is not None

    def _tracker(self, model: TopDown) -> Tracker | bool:
        if not self.options.track:
            return False
        settings, score, patience = model.tracker_settings, self.options.track_score, self.options.track_patience
        if score is not None:
            settings = replace(settings, high=score, low=min(settings.low, score))
        return Tracker(settings if patience is None else replace(settings, patience=patience))


class _Given:
    """The boxes of a file for the frames of a source."""

    def __init__(self, file: media.BoxFile, source: Source) -> None:
        self._file = file
        self._name = source.name
        self._image_id = media.image_ids(source)
        self._frames = self._missing = 0

    def __call__(self, frame: Frame) -> Boxes:
        found = self._file.of(frame, self._image_id)
        self._frames += 1
        if found is None:
            self._missing += 1
        return Boxes.empty() if found is None else found

    @property
    def problems(self) -> list[str]:
        """That the file knows none of the source's pictures."""
        none = self._frames and self._missing == self._frames
        return [f"{self._file.path} has no boxes for any picture of {self._name}"] if none else []


def _shortly(paths: list[Path]) -> list[str]:
    """One path as it is, several as their folder."""
    return [str(path) for path in paths] if len(paths) < 2 else [os.path.commonpath(paths)]


def process(
    model: TopDown,
    source: Specs,
    options: ProcessOptions | None = None,
    progress: Callable[[], object] | None = None,
) -> Summary:
    """Find the persons of one or several sources, and write them as drawn pictures or video, JSON, CSV, COCO results.

    Arguments, results and errors are those of `Process` and `Process.run`.
    """
    return Process(source, options).run(model, progress)
