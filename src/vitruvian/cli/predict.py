"""The command `vitruvian predict`: poses of a source, drawn and as data."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..choices import CocoMode, PresetName
from ..errors import InputError, printable
from ..runtimes import EngineOptions
from .options import (
    LOOK,
    OUTPUT,
    TIME,
    Angles,
    BlurFaces,
    Boxes,
    Colours,
    Compile,
    Crop,
    DetectEveryN,
    DetectorModel,
    Device,
    DrawAngles,
    End,
    Flip,
    ImgSize,
    Iou,
    LineWidth,
    MaxPersons,
    PoseModel,
    PoseSize,
    Precision,
    Preset,
    Quiet,
    Refine,
    Runtime,
    Score,
    Select,
    SkeletonName,
    Slow,
    Start,
    Stride,
    Threads,
    TrackPatience,
    TrackScore,
    Trail,
    parse_every,
    parse_size,
    parse_time,
)
from .progress import progress_bar

if TYPE_CHECKING:
    from ..process import Process
    from ..skeletons import Skeleton


def predict(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            help="Images, folders, globs, videos, stream URLs, camera numbers, or - for an image on stdin.",
            show_default=False,
        ),
    ] = None,
    named_source: Annotated[str | None, typer.Option("--source", hidden=True)] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            help="File or folder for what is drawn (default: runs/predict, runs/predict2 ...).",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Poses as JSON; - is standard output.", rich_help_panel=OUTPUT),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Poses as CSV, one row a person.", rich_help_panel=OUTPUT),
    ] = None,
    coco: Annotated[
        Path | None,
        typer.Option("--coco", metavar="FILE", help="Poses in COCO's results format.", rich_help_panel=OUTPUT),
    ] = None,
    coco_mode: Annotated[
        CocoMode,
        typer.Option(
            help="What --coco writes: results, or a dataset with images and categories, as CVAT and FiftyOne read it.",
            rich_help_panel=OUTPUT,
        ),
    ] = "results",
    parquet: Annotated[
        Path | None,
        typer.Option("--parquet", metavar="FILE", help="Poses as Parquet, one row a person.", rich_help_panel=OUTPUT),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing files.", rich_help_panel=OUTPUT)
    ] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Show the result in a window (q closes it).", rich_help_panel=OUTPUT)
    ] = False,
    quiet: Quiet = False,
    pose: PoseModel = None,
    detector: DetectorModel = None,
    preset: Preset = "fast",
    img_size: ImgSize = None,
    pose_size: PoseSize = None,
    skeleton: SkeletonName = None,
    boxes: Boxes = None,
    select: Select = None,
    score: Score = 0.3,
    iou: Iou = None,
    max_persons: MaxPersons = None,
    refine: Refine = None,
    flip: Flip = False,
    track: Annotated[bool, typer.Option("--track", help="Number the persons over time.", rich_help_panel=TIME)] = False,
    track_score: TrackScore = None,
    track_patience: TrackPatience = None,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Steady the keypoints over time (with --track).", rich_help_panel=TIME)
    ] = False,
    detect_every: DetectEveryN = "1",
    angles: Angles = False,
    trail: Trail = None,
    crop: Crop = None,
    slow: Slow = 1,
    draw_angles: DrawAngles = False,
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="Take subfolders too.")] = False,
    start: Start = None,
    end: End = None,
    stride: Stride = 1,
    no_draw: Annotated[
        bool, typer.Option("--no-draw", help="Write no pictures and no video.", rich_help_panel=LOOK)
    ] = False,
    draw_boxes: Annotated[bool, typer.Option("--draw-boxes", help="Draw boxes too.", rich_help_panel=LOOK)] = False,
    draw_scores: Annotated[
        bool, typer.Option("--draw-scores", help="Write each person's score.", rich_help_panel=LOOK)
    ] = False,
    draw_names: Annotated[
        bool, typer.Option("--draw-names", help="Write each keypoint's name.", rich_help_panel=LOOK)
    ] = False,
    keypoint_score: Annotated[
        float, typer.Option(min=0, max=1, help="Draw keypoints from this score on.", rich_help_panel=LOOK)
    ] = 0.3,
    colours: Colours = "auto",
    line_width: LineWidth = None,
    blur_faces: BlurFaces = False,
    runtime: Runtime = "auto",
    device: Device = "auto",
    threads: Threads = None,
    precision: Precision = "auto",
    compile: Compile = False,
) -> None:
    """Find every person in each SOURCE and the keypoints of each; draw them, and write them as data."""
    from rich.console import Console

    from ..process import Process, ProcessOptions
    from ..zoo import PRESETS, load, load_pose

    if boxes is not None and detector is not None:
        raise InputError("--boxes brings the persons, --detector finds them: give one of them")
    if no_draw and not show and not any((json, csv, coco, parquet)):
        raise InputError(
            "nothing would be written: --no-draw, and none of --json, --csv, --coco, --parquet and --show; give one"
        )

    console = Console(stderr=True, quiet=quiet, highlight=False)
    options = ProcessOptions(
        output=output,
        draw=not no_draw,
        json=json,
        csv=csv,
        coco=coco,
        coco_mode=coco_mode,
        parquet=parquet,
        overwrite=overwrite,
        recursive=recursive,
        start=parse_time("--start", start) or 0.0,
        end=parse_time("--end", end),
        stride=stride,
        boxes=boxes,
        select=select,
        # Without a detector, its limits are the file's.
        score=None if boxes is None else score,
        max_persons=None if boxes is None else max_persons,
        track=track,
        track_score=track_score,
        track_patience=track_patience,
        smooth=smooth,
        detect_every=parse_every(detect_every),
        angles=angles,
        trail=tuple(trail or ()),
        crop=crop,
        slow=slow,
        draw_angles=draw_angles,
        show=show,
        draw_boxes=draw_boxes,
        draw_scores=draw_scores,
        draw_names=draw_names,
        keypoint_score=keypoint_score,
        colours=colours,
        line_width=line_width,
        blur_faces=blur_faces,
    )
    run = Process(_the_sources(source, named_source), options)
    for note in run.notes:
        console.print(f"vitruvian: {printable(note)}", markup=False, soft_wrap=True)
    engine = EngineOptions(runtime, device, threads, precision, compile)
    reading: dict[str, Any] = {"refine": refine, "pose_size": parse_size("--pose-size", pose_size), "flip": flip}
    reading["skeleton"] = skeleton
    if boxes is not None:
        from ..pipeline import TopDown

        model = TopDown(load_pose(pose or PRESETS[preset].pose, **reading, engine=engine))
    else:
        model = load(
            pose,
            detector,
            preset=preset,
            img_size=parse_size("--img-size", img_size),
            score=score,
            iou=iou,
            max_persons=max_persons,
            **reading,
            **asdict(engine),
        )
        if detector is None:
            for note in _no_persons(model.pose.skeleton):
                console.print(f"vitruvian: {printable(note)}", markup=False, soft_wrap=True)
    interrupted = False
    try:
        with progress_bar(run.name, console, run.length, rate=True) as update:
            run.run(model, lambda: update(run.summary.frames, None))
    except KeyboardInterrupt:
        interrupted = True
    if not quiet:
        # Of another detector, or of chosen persons, it isn't known what would help.
        hint = "" if detector or boxes or select else _hint(run, preset, score)
        lines = filter(None, (_closing_line(run, interrupted), hint, run.numbering))
        print(printable("\n  ".join(lines)), file=sys.stderr if run.to_stdout else sys.stdout)
    for problem in run.summary.problems:
        print(f"vitruvian: {printable(problem)}", file=sys.stderr)
    if interrupted:
        raise typer.Exit(130)
    if run.summary.unread:
        raise typer.Exit(InputError.exit_code)


def _closing_line(run: Process, interrupted: bool) -> str:
    done = run.summary
    kinds = {source.kind == "images" for source in run.sources}
    counted = []
    if True in kinds:
        persons = _persons(done.picture_persons, done.picture_tracked, "person", run.options.track)
        counted += [_count(done.pictures, "picture"), persons]
    if False in kinds:
        persons = _persons(done.persons - done.picture_persons, done.tracked, "pose", run.options.track)
        counted += [_count(done.frames - done.pictures, "frame"), persons]
    counts = ", ".join(counted)
    rate = done.frames / max(done.seconds, 1e-9)
    where = f" -> {run.written}" if run.written else ""
    return f"{'interrupted: ' * interrupted}{counts}, {done.seconds:.1f} s, {rate:.1f} frames/s{where}"


def _persons(poses: int, tracked: int, noun: str, track: bool) -> str:
    """How many there are: of tracked persons by number, with their poses."""
    return f"{_count(tracked, 'person')} ({_count(poses, 'pose')})" if track else _count(poses, noun)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _hint(run: Process, preset: PresetName, score: float) -> str:
    """What may help where the package's detectors, or those of a preset, have found nobody; else empty."""
    ways = [*(["--score 0.2"] if score > 0.2 else []), *(["--preset balanced"] if preset == "fast" else [])]
    nobody = run.summary.frames and not run.summary.persons
    return f"nobody was found: try {' or '.join(ways)}" if nobody and ways else ""


def _the_sources(sources: list[str] | None, named: str | None) -> list[str]:
    """SOURCE, or the older way to give it, --source."""
    if sources and named is not None:
        raise InputError(f"two sources, {sources[0]} and {named}: give one or the other, not --source")
    if not sources and named is None:
        raise InputError("no SOURCE: give an image, a folder, a video ... (vitruvian predict --help)")
    return sources or [named or ""]


def _no_persons(skeleton: Skeleton) -> list[str]:
    """A warning where a pose net's keypoints have names, and none of them is a person's."""
    from ..datasets.json_records import listed
    from ..skeletons import COCO17

    names = skeleton.keypoints
    if not skeleton.named or not {name.lower() for name in names}.isdisjoint(COCO17.keypoints):
        return []
    return [
        "the detector finds persons, and none of the pose net's keypoints has the name of a person's: "
        f"{listed(names)}; for other objects give a --detector of theirs, or --boxes"
    ]
