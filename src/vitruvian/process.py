"""The loop from a source over a model and tracking to files: what `vitruvian predict` runs, for Python.

    import vitruvian as vt
    from vitruvian.process import ProcessOptions, process

    summary = process(vt.load(), "dance.mp4", ProcessOptions(output="drawn/", json="poses.json", track=True))
    print(summary.frames, summary.persons, summary.problems)

For poses without files use `vitruvian.TopDown.stream`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import media
from .errors import InputError
from .media.destinations import check_targets, picture_targets, video_target
from .media.person_crop import PersonCrop
from .media.records import STDOUT
from .media.threads import Background
from .media.trails import Trails
from .media.window import Window
from .tracking import DetectEvery, Tracker, check_every

if TYPE_CHECKING:
    from .media import Frame, Sink, Source
    from .pipeline import TopDown
    from .poses import Poses
    from .skeletons import Skeleton

    File = str | os.PathLike[str]

# Results that may wait to be written.
_WRITER_QUEUE = 8


@dataclass(frozen=True)
class ProcessOptions:
    """What is written of a source, and how its persons are tracked.

    Args:
        output: file or folder for what is drawn; None is the folder ``runs/predict``.
        draw: write drawn pictures, or a drawn video with the source's timing and sound.
        json, csv, coco: files for the poses as data (docs/output.md); ``-`` is standard output, for one of them.
        overwrite: existing files are replaced. The source itself never is.
        recursive: take a folder's subfolders too.
        track: number the persons over time.
        track_score: only persons detected with this score get a number, 0..1; None is 0.4, or the detector's score if
            that is higher.
        track_patience: seconds that somebody may be out of sight and keep the number; None is 1.
        smooth: steady the keypoints of tracked persons.
        detect_every: look for persons on every n-th frame, or with "auto" where enough has moved (needs `track`).
        show: show the results in a window, which ends the run when it is closed; for the main thread only.
        angles: write joint angles into JSON and CSV.
        trail: draw the way of these keypoints over the last second, such as "wrist" or "left_wrist" (needs `track`).
        crop: the drawn video shows the person with this track number alone, 480x640 pixels (needs `track`).
        slow: the drawn video goes by so many times as slowly, 1..100, without sound.
        draw_angles: write the joint angles beside the joints.
        draw_boxes, draw_scores, draw_names: draw boxes, each person's score, each keypoint's name.
        keypoint_score: draw keypoints from this score on, 0..1.

    Raises:
        InputError: what needs `track` without it; a setting out of its range; several files to standard output.
    """

    output: File | None = None
    draw: bool = True
    json: File | None = None
    csv: File | None = None
    coco: File | None = None
    overwrite: bool = False
    recursive: bool = False
    track: bool = False
    track_score: float | None = None
    track_patience: float | None = None
    smooth: bool = False
    detect_every: DetectEvery = 1
    angles: bool = False
    trail: tuple[str, ...] = ()
    crop: int | None = None
    slow: float = 1.0
    show: bool = False
    draw_boxes: bool = False
    draw_scores: bool = False
    draw_names: bool = False
    draw_angles: bool = False
    keypoint_score: float = 0.3

    def __post_init__(self) -> None:
        if not self.track and (self.smooth or self.track_score is not None or self.track_patience is not None):
            raise InputError(
                "smooth, track_score and track_patience need track "
                "(--smooth, --track-score and --track-patience need --track)"
            )
        if check_every(self.detect_every) != 1 and not self.track:
            raise InputError("detect_every needs track (--detect-every needs --track)")
        if not self.track and (self.trail or self.crop is not None):
            raise InputError("trail and crop need track (--trail and --crop need --track)")
        if self.crop is not None and self.crop < 1:
            raise InputError(f"crop is {self.crop}; a track number from 1 wanted (--crop N)")
        if not 1 <= self.slow <= 100:
            raise InputError(f"slow is {self.slow}; a number from 1 to 100 wanted (--slow N)")
        if [Path(file) for file in (self.json, self.csv, self.coco) if file is not None].count(STDOUT) > 1:
            raise InputError("standard output (-) takes one of --json, --csv and --coco: give the others files")

    @property
    def style(self) -> dict[str, Any]:
        """Keywords of `vitruvian.drawing.draw`."""
        switches = {
            "boxes": self.draw_boxes,
            "scores": self.draw_scores,
            "names": self.draw_names,
            "angles": self.draw_angles,
        }
        return {**switches, "keypoint_score": self.keypoint_score}


@dataclass
class Summary:
    """Result of a run, as far as it came.

    Args:
        frames, persons: how many were read, and found on them.
        seconds: from the first frame asked for to the last file closed.
        problems: what went wrong without ending the run, each message naming its file.
    """

    frames: int = 0
    persons: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Targets:
    """The files that a run writes.

    Args:
        pictures: the drawn picture of each source picture; None if none are drawn.
        video: the drawn video.
        json, csv, coco: the data files.
    """

    pictures: Mapping[str, Path] | None
    video: Path | None
    json: Path | None
    csv: Path | None
    coco: Path | None

    @classmethod
    def of(cls, source: Source, options: ProcessOptions) -> Targets:
        """The files for a source. Raises InputError for those that don't fit it, and where something would be lost."""
        pictures = video = None
        if (options.trail or options.crop is not None or options.slow != 1) and (
            source.kind == "images" or not options.draw
        ):
            raise InputError("trail, crop and slow are for drawn videos (--trail, --crop, --slow)")
        output = None if options.output is None else os.fspath(options.output)
        if options.draw and source.kind == "images":
            pictures = picture_targets(source, output)
        elif options.draw:
            video = video_target(source, output)
        data = [None if file is None else Path(file) for file in (options.json, options.csv, options.coco)]
        files = [path for path in (video, *data) if path not in (None, STDOUT)]
        check_targets([*files, *(pictures or {}).values()], source, options.overwrite)
        return cls(pictures, video, *data)

    def open(self, source: Source, skeleton: Skeleton, options: ProcessOptions) -> Iterator[Sink]:
        """The sinks, one after the other, so that the first ones can be closed if a later one fails."""
        if self.pictures is not None:
            yield media.DrawnPictures(self.pictures, options.style)
        if self.video is not None and source.info is not None:
            sound = source.name if source.kind == "video" and source.info.has_audio else None
            trails = Trails(skeleton, options.trail, options.keypoint_score) if options.trail else None
            crop = None if options.crop is None else PersonCrop(options.crop)
            yield media.DrawnVideo(self.video, source.info, sound, options.style, trails, crop, options.slow)
        if self.json is not None:
            yield media.JsonFile(self.json, source.name, skeleton, options.angles)
        if self.csv is not None:
            yield media.CsvFile(self.csv, skeleton, options.angles)
        if self.coco is not None:
            yield media.CocoFile(self.coco, media.image_ids(source))

    @property
    def to_stdout(self) -> bool:
        """Whether data goes to standard output, where nothing else may then go."""
        return STDOUT in (self.json, self.csv, self.coco)

    def __str__(self) -> str:
        """The files, many pictures as their folder."""
        drawn = [str(self.video)] if self.video else []
        if self.pictures:
            drawn = [str(path) for path in self.pictures.values()]
            drawn = drawn if len(drawn) == 1 else [os.path.commonpath(drawn)]
        return ", ".join(drawn + [str(path) for path in (self.json, self.csv, self.coco) if path])


class Process:
    """One run over a source. What can't be done is found when it is made, before a model is loaded.

    Args:
        source: an image, a folder, a glob, a video, a stream's URL, ``-`` for an image on standard input, or the number
            of a camera.
        options: what is written, and how persons are tracked.

    Attributes:
        source: the opened source; its `notes` are what a user may want to know before.
        targets: the files to be written.
        summary: what was done so far.

    Raises:
        InputError: nothing of the source can be read, or a file that can't or must not be written.
    """

    def __init__(self, source: str | Path | int, options: ProcessOptions | None = None) -> None:
        self.options = options or ProcessOptions()
        self.source = media.open_source(source, recursive=self.options.recursive)
        self.targets = Targets.of(self.source, self.options)
        self.summary = Summary()

    def run(self, model: TopDown, progress: Callable[[], object] | None = None) -> Summary:
        """Find the persons of every frame, and write them. Memory is constant; reading and writing run in threads.

        Args:
            model: with a detector.
            progress: called after each frame.

        Returns:
            What was done. Single files that can't be read don't end the run; they are among its problems.

        Raises:
            InputError: a setting of tracking out of its range.
            OutputError: a file can't be written, or no window can be shown.
            KeyboardInterrupt: Ctrl-C. The files are complete up to the last frame, and so is `summary`.
        """
        options, source, summary = self.options, self.source, self.summary
        started = time.perf_counter()
        sinks: list[Sink] = []

        def write(frame: Frame, poses: Poses) -> None:
            for sink in sinks:
                sink.write(frame, poses)

        try:
            with ExitStack() as stack:
                for sink in self.targets.open(source, model.pose.skeleton, options):
                    sinks.append(sink)
                    stack.callback(sink.close)
                writer = Background(write, _WRITER_QUEUE)
                stack.callback(writer.close)
                window = Window(f"vitruvian: {source.name}") if options.show else None
                if window is not None:
                    stack.callback(window.close)
                with closing(
                    model.frames(source, self._tracker(model), options.smooth, options.detect_every)
                ) as frames:
                    for frame, poses in frames:
                        writer.submit(frame, poses)
                        summary.frames += 1
                        summary.persons += len(poses)
                        if progress is not None:
                            progress()
                        if window is not None:
                            window.show(poses.draw(frame.image, **options.style))
                            if window.closed:
                                break
                if window is not None and source.kind == "images":
                    window.wait()
        finally:
            summary.seconds = time.perf_counter() - started
            summary.problems = source.problems + [problem for sink in sinks for problem in sink.problems]
        return summary

    def _tracker(self, model: TopDown) -> Tracker | bool:
        if not self.options.track:
            return False
        settings, score, patience = model.tracker_settings, self.options.track_score, self.options.track_patience
        if score is not None:
            settings = replace(settings, high=score, low=min(settings.low, score))
        return Tracker(settings if patience is None else replace(settings, patience=patience))


def process(
    model: TopDown,
    source: str | Path | int,
    options: ProcessOptions | None = None,
    progress: Callable[[], object] | None = None,
) -> Summary:
    """Find the persons of a source, and write them as drawn pictures or video, JSON, CSV, COCO results.

    Arguments, results and errors are those of `Process` and `Process.run`.
    """
    return Process(source, options).run(model, progress)
