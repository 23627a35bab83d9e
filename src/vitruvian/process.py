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
from typing import TYPE_CHECKING, Any, get_args

from . import media
from .choices import CocoMode
from .drawing import Colours, check_faces, check_style
from .errors import InputError
from .io import check_extension
from .media.destinations import (
    DEFAULT_FOLDER,
    check_folder,
    check_targets,
    free_folder,
    picture_targets,
    places,
    video_target,
)
from .media.excerpts import Section
from .media.parquet import check_parquet
from .media.person_crop import PersonCrop
from .media.records import STDOUT
from .media.threads import Background
from .media.trails import Trails
from .media.window import Window
from .poses import Boxes
from .selection import Selection
from .tracking import DetectEvery, Tracker, check_every

if TYPE_CHECKING:
    from .media import Frame, Sink, Source, SourceList
    from .media.several import Specs
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
        output: file or folder for what is drawn, a folder for several sources; None is the folder ``runs/predict``, or
            the first of ``runs/predict2``, ... that isn't there yet (with `overwrite`, the first).
        draw: write drawn pictures, or a drawn video with the source's timing and sound.
        json, csv, coco: files for the poses as data (docs/output.md); ``-`` is standard output, for one of them.
        coco_mode: "results" for COCO's results format, "dataset" for its annotation format, with images and categories.
        parquet: file for the poses as a table, one row a person; it needs the extra ``parquet``.
        overwrite: existing files are replaced. The source itself never is.
        recursive: take a folder's subfolders too.
        start, end: seconds of the videos between which frames are taken; None is a video's end.
        stride: of the frames of videos one of so many is taken.
        boxes: file with the persons' boxes, instead of a detector's, see `vitruvian.media.BoxFile`.
        select: keep one person only, ``largest``, ``central``, a number or a point ``X,Y``, see
            `vitruvian.selection.Selection`; a tracked one is followed.
        score, max_persons: persons detected with a lower score, or beyond so many, are dropped; None is the model's.
        track: number the persons over time.
        track_score: only persons detected with this score get a number, 0..1; None is 0.4, or the detector's score if
            that is higher.
        track_patience: seconds that somebody may be out of sight and keep the number; None is 1.
        smooth: steady the keypoints of tracked persons.
        detect_every: look for persons on every n-th frame, or with "auto" where enough has moved (needs `track`).
        show: show the results in a window, which ends the run when it is closed; for the main thread only.
        angles: write joint angles into JSON, CSV and Parquet.
        trail: draw the way of these keypoints over the last second, such as "wrist" or "left_wrist" (needs `track`).
        crop: the drawn video shows the person with this track number alone, 480x640 pixels (needs `track`).
        slow: the drawn video goes by so many times as slowly, 1..100, without sound.
        draw_angles: write the joint angles beside the joints.
        draw_boxes, draw_scores, draw_names: draw boxes, each person's score, each keypoint's name.
        keypoint_score: draw keypoints from this score on, 0..1.
        colours: as of `vitruvian.drawing.draw`, but that "auto" colours the persons of pictures, too.
        line_width: of limbs, in pixels; None is as the person is large.
        blur_faces: make faces unrecognisable in what is drawn.

    Raises:
        InputError: what needs `track` without it; a setting out of its range; several files to standard output.
    """

    output: File | None = None
    draw: bool = True
    json: File | None = None
    csv: File | None = None
    coco: File | None = None
    coco_mode: CocoMode = "results"
    parquet: File | None = None
    overwrite: bool = False
    recursive: bool = False
    start: float = 0.0
    end: float | None = None
    stride: int = 1
    boxes: File | None = None
    select: str | None = None
    score: float | None = None
    max_persons: int | None = None
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
    colours: Colours = "auto"
    line_width: float | None = None
    blur_faces: bool = False

    def __post_init__(self) -> None:
        if not self.track and (self.smooth or self.track_score is not None or self.track_patience is not None):
            raise InputError(
                "smooth, track_score and track_patience need track "
                "(--smooth, --track-score and --track-patience need --track)"
            )
        _ = self.section, self.selection  # checks them
        check_style(self.colours, self.line_width)
        if self.coco_mode not in get_args(CocoMode):
            raise InputError(f"coco_mode is {self.coco_mode!r}; it can be {', '.join(get_args(CocoMode))}")
        for file, form, option in (
            *((self.csv, "CSV", "--csv"), (self.parquet, "Parquet", "--parquet")),
            *((self.json, "JSON", "--json"), (self.coco, "JSON", "--coco")),
        ):
            if file is not None:
                check_extension(file, form, {"CSV": "--csv", "JSON": "--json", "Parquet": "--parquet", form: option})
        if self.parquet is not None:
            check_parquet()
            if Path(self.parquet) == STDOUT:
                raise InputError("a Parquet file can't go to standard output (-): give a file")
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
    def section(self) -> Section:
        """The wanted frames of videos."""
        return Section(self.start, self.end, self.stride)

    @property
    def selection(self) -> Selection | None:
        """The wanted person."""
        return None if self.select is None else Selection.parse(self.select)

    @property
    def style(self) -> dict[str, Any]:
        """Keywords of `vitruvian.drawing.draw`."""
        switches = {
            "boxes": self.draw_boxes,
            "scores": self.draw_scores,
            "names": self.draw_names,
            "angles": self.draw_angles,
        }
        looks = {"colours": self.colours, "line_width": self.line_width, "blur_faces": self.blur_faces}
        return {**switches, **looks, "keypoint_score": self.keypoint_score}


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


@dataclass(frozen=True)
class Targets:
    """The files that a run writes for one source.

    Args:
        pictures: the drawn picture of each source picture; None if none are drawn.
        video: the drawn video.
        json, csv, coco, parquet: the data files.
        coco_mode: see `ProcessOptions`.
    """

    pictures: Mapping[str, Path] | None
    video: Path | None
    json: Path | None
    csv: Path | None
    coco: Path | None
    parquet: Path | None = None
    coco_mode: CocoMode = "results"

    @classmethod
    def of(cls, opened: SourceList, options: ProcessOptions) -> list[Targets]:
        """The files for each source. Raises InputError for those that don't fit, and where something would be lost.

        Several sources have one data file for all pictures, the given one, and one for each video, in the folder that
        is called like the given file without its extension.
        """
        if (options.trail or options.crop is not None or options.slow != 1) and (
            not options.draw or all(source.kind == "images" for source in opened.sources)
        ):
            raise InputError("trail, crop and slow are for drawn videos (--trail, --crop, --slow)")
        sources, root = opened.sources, opened.root if len(opened.sources) > 1 else None
        output = None if options.output is None else os.fspath(options.output)
        if options.draw and output is None and not options.overwrite:
            output = os.fspath(free_folder())
        if root is None and isinstance(sources[0], media.PictureList):
            root = opened.root
        if options.draw and root is not None:
            check_folder(output)
        files_of_data = (options.json, options.csv, options.coco, options.parquet)
        given = [None if file is None else Path(file) for file in files_of_data]
        if len(sources) > 1 and STDOUT in given:
            raise InputError("standard output (-) takes the poses of pictures or of one video: give a file")
        moving = [source for source in sources if source.kind != "images"]
        stems = dict(zip(map(id, moving), places(moving, root or opened.root), strict=True))
        targets = []
        for source in sources:
            pictures, video, data = None, None, given
            if options.draw and source.kind == "images":
                pictures = picture_targets(source, output, root)
            elif options.draw and root is None:
                video = video_target(source, output)
            elif options.draw:
                stem = stems[id(source)]
                video = Path(output or DEFAULT_FOLDER) / stem.with_name(f"{stem.name}.mp4")
            if source.kind != "images" and root is not None:
                data = [None if file is None else _of_video(file, stems[id(source)]) for file in given]
            json, csv, coco, parquet = data
            targets.append(cls(pictures, video, json, csv, coco, parquet, options.coco_mode))
        files = [path for target in targets for path in target.files if path != STDOUT]
        check_targets(files, sources, options.overwrite)
        return targets

    @property
    def drawn(self) -> list[Path]:
        """The pictures or the video."""
        return [*(self.pictures or {}).values(), *([self.video] if self.video else [])]

    @property
    def data(self) -> list[Path]:
        """The data files."""
        return [path for path in (self.json, self.csv, self.coco, self.parquet) if path is not None]

    @property
    def files(self) -> list[Path]:
        """All of them."""
        return [*([self.video] if self.video else []), *self.data, *(self.pictures or {}).values()]

    def open(
        self, source: Source, name: str, skeleton: Skeleton, style: Mapping[str, Any], options: ProcessOptions
    ) -> Iterator[Sink]:
        """The sinks, one after the other, so that the first ones can be closed if a later one fails."""
        if self.pictures is not None:
            yield media.DrawnPictures(self.pictures, style)
        if self.video is not None and source.info is not None:
            sound = source.name if source.kind == "video" and source.info.has_audio else None
            trails = Trails(skeleton, options.trail, options.keypoint_score) if options.trail else None
            crop = None if options.crop is None else PersonCrop(options.crop)
            yield media.DrawnVideo(self.video, source.info, sound, style, trails, crop, options.slow)
        if self.json is not None:
            yield media.JsonFile(self.json, name if source.kind == "images" else source.name, skeleton, options.angles)
        if self.csv is not None:
            yield media.CsvFile(self.csv, skeleton, options.angles)
        if self.coco is not None and self.coco_mode == "dataset":
            yield media.CocoDataset(self.coco, media.image_ids(source), source, skeleton)
        elif self.coco is not None:
            yield media.CocoFile(self.coco, media.image_ids(source))
        if self.parquet is not None:
            yield media.ParquetFile(self.parquet, skeleton, options.angles)


def _of_video(file: Path, stem: Path) -> Path:
    """The data file of one of several videos."""
    folder = file.with_suffix("") if file.suffix else file.with_name(f"{file.name}-videos")
    return folder / stem.with_name(f"{stem.name}{file.suffix}")


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
