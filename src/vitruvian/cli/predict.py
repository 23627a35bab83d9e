"""`vitruvian predict`: people in, poses out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..codecs import Refinement
from ..errors import InputError
from .options import (
    LOOK,
    MODEL,
    OUTPUT,
    TIME,
    Compile,
    Device,
    ImgSize,
    Iou,
    PoseSize,
    Precision,
    Quiet,
    Runtime,
    SkeletonName,
    Threads,
    parse_size,
)
from .outputs import Outputs

if TYPE_CHECKING:
    from rich.console import Console

    from ..media import Frame, Source
    from ..pipeline import TopDown
    from ..poses import Poses
    from ..tracking import Tracker

WRITER_QUEUE = 8


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
    pose: Annotated[
        str | None,
        typer.Option(
            "--pose",
            "--pose-model",
            metavar="MODEL",
            help="Pose net: a name (vitruvian models), an ONNX file or a checkpoint.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            "--detector",
            "--det-model",
            metavar="MODEL",
            help="Person detector: a name, an ONNX file or a YOLOv5 checkpoint.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    preset: Annotated[
        Literal["fast", "balanced", "accurate"],
        typer.Option(
            help="Pair of models that stands for --detector and --pose where they aren't given.", rich_help_panel=MODEL
        ),
    ] = "fast",
    img_size: ImgSize = None,
    pose_size: PoseSize = None,
    skeleton: SkeletonName = None,
    score: Annotated[
        float,
        typer.Option(
            "--score",
            "--conf-thres",
            min=0,
            max=1,
            help="Drop persons detected with a lower score.",
            rich_help_panel=MODEL,
        ),
    ] = 0.3,
    iou: Iou = None,
    max_persons: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Keep the N best persons only.", rich_help_panel=MODEL)
    ] = None,
    refine: Annotated[
        Refinement | None,
        typer.Option(
            help="Sub-pixel step for heatmaps (default: the model's, quarter if it has none).", rich_help_panel=MODEL
        ),
    ] = None,
    flip: Annotated[
        bool,
        typer.Option(
            "--flip", help="Average with the mirrored crop, as papers do: twice the work.", rich_help_panel=MODEL
        ),
    ] = False,
    track: Annotated[bool, typer.Option("--track", help="Number the persons over time.", rich_help_panel=TIME)] = False,
    track_score: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="With --track: only persons detected with this score get a number; fainter ones keep theirs "
            "(default: 0.4, or --score if that is more).",
            rich_help_panel=TIME,
        ),
    ] = None,
    track_patience: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="With --track: how long someone may be out of sight and keep the number (default: 1).",
            rich_help_panel=TIME,
        ),
    ] = None,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Steady the keypoints over time (with --track).", rich_help_panel=TIME)
    ] = False,
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

    from ..media import open_source
    from ..zoo import load

    console = Console(stderr=True, quiet=quiet, highlight=False)
    if not track and (smooth or track_score is not None or track_patience is not None):
        raise InputError("--smooth, --track-score and --track-patience need --track")
    source = _the_source(source, named_source)
    opened = open_source(source, recursive=recursive)
    outputs = Outputs.plan(opened, output, no_draw, json, csv, coco)
    outputs.check(opened, overwrite)
    for note in opened.notes:
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
    style = {"boxes": draw_boxes, "scores": draw_scores, "names": draw_names, "keypoint_score": keypoint_score}
    tracker = _tracker(score, track_score, track_patience) if track else False
    tally = _run(model, opened, outputs, tracker, smooth, show, style, console)
    if not quiet:
        print(tally.summary(opened, outputs), file=sys.stderr if outputs.to_stdout else sys.stdout)
    for problem in tally.problems:
        print(f"vitruvian: {problem}", file=sys.stderr)
    if tally.interrupted:
        raise typer.Exit(130)
    if tally.problems and opened.kind == "images":
        raise typer.Exit(InputError.exit_code)


@dataclass
class Tally:
    """What a run has done so far."""

    frames: int = 0
    persons: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    problems: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    def summary(self, source: Source, outputs: Outputs) -> str:
        """The closing line."""
        noun = "picture" if source.kind == "images" else "frame"
        counts = ", ".join(
            f"{count} {noun}{'' if count == 1 else 's'}"
            for count, noun in ((self.frames, noun), (self.persons, "person"))
        )
        rate = self.frames / max(self.seconds, 1e-9)
        where = f" -> {outputs}" if str(outputs) else ""
        return f"{'interrupted: ' * self.interrupted}{counts}, {self.seconds:.1f} s, {rate:.1f} frames/s{where}"


def _tracker(score: float, track_score: float | None, patience: float | None) -> Tracker:
    from ..tracking import Tracker, TrackerSettings

    settings = TrackerSettings.above(score)
    if track_score is not None:
        settings = replace(settings, high=track_score, low=min(settings.low, track_score))
    if patience is not None:
        settings = replace(settings, patience=patience)
    return Tracker(settings)


def _run(
    model: TopDown,
    source: Source,
    outputs: Outputs,
    track: Tracker | bool,
    smooth: bool,
    show: bool,
    style: dict[str, Any],
    console: Console,
) -> Tally:
    from ..media.threads import Background
    from ..media.window import Window

    tally = Tally()
    with ExitStack() as stack:
        sinks = []
        for sink in outputs.open(source, model.pose.skeleton, style):
            sinks.append(sink)
            stack.callback(sink.close)

        def write(frame: Frame, poses: Poses) -> None:
            for sink in sinks:
                sink.write(frame, poses)

        writer = Background(write, WRITER_QUEUE)
        stack.callback(writer.close)
        window = Window(f"vitruvian: {source.name}") if show else None
        if window is not None:
            stack.callback(window.close)
        try:
            advance = stack.enter_context(_progress(source, console))
            with closing(model.frames(source, track, smooth)) as frames:
                for frame, poses in frames:
                    writer.submit(frame, poses)
                    tally.frames += 1
                    tally.persons += len(poses)
                    advance()
                    if window is not None:
                        window.show(poses.draw(frame.image, **style))
                        if window.closed:
                            break
            if window is not None and source.kind == "images":
                window.wait()
        except KeyboardInterrupt:
            tally.interrupted = True
    tally.seconds = time.perf_counter() - tally.started
    tally.problems += source.problems + [problem for sink in sinks for problem in sink.problems]
    return tally


@contextmanager
def _progress(source: Source, console: Console) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal for what has more than one picture; gives the function that moves it on."""
    from rich import progress

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]:.1f} frames/s"),
        progress.TimeRemainingColumn(),
    )
    hidden = console.quiet or not console.is_terminal or source.length == 1
    with progress.Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(source.name, total=source.length, rate=0.0)

        def advance() -> None:
            bar.advance(task)
            elapsed = bar.tasks[0].elapsed or 0.0
            bar.update(task, rate=bar.tasks[0].completed / elapsed if elapsed else 0.0)

        yield advance


def _the_source(source: str | None, named: str | None) -> str:
    """SOURCE, or the older way to give it, --source."""
    if source is not None and named is not None:
        raise InputError(f"two sources, {source} and {named}: give one")
    if source is None and named is None:
        raise InputError("no SOURCE: give an image, a folder, a video ... (vitruvian predict --help)")
    return source or named or ""
