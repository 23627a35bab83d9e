"""The command `vitruvian predict`: poses of a source, drawn and as data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from .options import (
    LOOK,
    OUTPUT,
    TIME,
    Angles,
    Compile,
    Crop,
    DetectEveryN,
    DetectorModel,
    Device,
    DrawAngles,
    Flip,
    ImgSize,
    Iou,
    MaxPersons,
    PoseModel,
    PoseSize,
    Precision,
    Preset,
    Quiet,
    Refine,
    Runtime,
    Score,
    SkeletonName,
    Slow,
    Threads,
    TrackPatience,
    TrackScore,
    Trail,
    parse_every,
    parse_size,
)
from .progress import progress_bar

if TYPE_CHECKING:
    from ..process import Process


def predict(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="Image, folder, quoted glob, video, stream URL, camera number, or - for an image on stdin.",
            show_default=False,
        ),
    ] = None,
    named_source: Annotated[str | None, typer.Option("--source", hidden=True)] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", help="File or folder for what is drawn (default: runs/predict).", rich_help_panel=OUTPUT
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
    runtime: Runtime = "auto",
    device: Device = "auto",
    threads: Threads = None,
    precision: Precision = "auto",
    compile: Compile = False,
) -> None:
    """Find every person in SOURCE and the keypoints of each; draw them, and write them as data."""
    from rich.console import Console

    from ..process import Process, ProcessOptions
    from ..zoo import load

    console = Console(stderr=True, quiet=quiet, highlight=False)
    options = ProcessOptions(
        output=output,
        draw=not no_draw,
        json=json,
        csv=csv,
        coco=coco,
        overwrite=overwrite,
        recursive=recursive,
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
    )
    run = Process(_the_source(source, named_source), options)
    for note in run.source.notes:
        console.print(f"vitruvian: {note}", markup=False)
    model = load(
        pose,
        detector,
        preset=preset,
        img_size=parse_size("--img-size", img_size),
        pose_size=parse_size("--pose-size", pose_size),
        score=score,
        iou=iou,
        max_persons=max_persons,
        refine=refine,
        flip=flip,
        skeleton=skeleton,
        runtime=runtime,
        device=device,
        threads=threads,
        precision=precision,
        compile=compile,
    )
    interrupted = False
    try:
        with progress_bar(run.source.name, console, run.source.length, rate=True) as update:
            run.run(model, lambda: update(run.summary.frames, None))
    except KeyboardInterrupt:
        interrupted = True
    if not quiet:
        print(_closing_line(run, interrupted), file=sys.stderr if run.targets.to_stdout else sys.stdout)
    for problem in run.summary.problems:
        print(f"vitruvian: {problem}", file=sys.stderr)
    if interrupted:
        raise typer.Exit(130)
    if run.summary.problems and run.source.kind == "images":
        raise typer.Exit(InputError.exit_code)


def _closing_line(run: Process, interrupted: bool) -> str:
    done = run.summary
    kinds = ((done.frames, "picture" if run.source.kind == "images" else "frame"), (done.persons, "person"))
    counts = ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in kinds)
    rate = done.frames / max(done.seconds, 1e-9)
    where = f" -> {run.targets}" if str(run.targets) else ""
    return f"{'interrupted: ' * interrupted}{counts}, {done.seconds:.1f} s, {rate:.1f} frames/s{where}"


def _the_source(source: str | None, named: str | None) -> str:
    """SOURCE, or the older way to give it, --source."""
    if source is not None and named is not None:
        raise InputError(f"two sources, {source} and {named}: give one")
    if source is None and named is None:
        raise InputError("no SOURCE: give an image, a folder, a video ... (vitruvian predict --help)")
    return source or named or ""
