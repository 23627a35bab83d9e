"""The command `vitruvian batch`: poses of data sets of millions, on the machines of a Ray cluster."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ..choices import BatchFormat
from ..errors import InputError, printable
from .options import (
    ENGINE,
    MODEL,
    OUTPUT,
    TIME,
    Compile,
    DetectorModel,
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
    parse_size,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from ..scaling import BatchProgress, BatchSummary

WORKERS = "Workers"


def batch(
    source: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Pictures, folders, globs, manifests (.txt, .csv, .parquet), tar shards, videos; on this machine, or "
            "on s3://, gs://, az://, hf:// ...",
            show_default=False,
        ),
    ],
    output: Annotated[
        str,
        typer.Option("-o", "--output", metavar="DIR", help="Folder of the job, or address.", rich_help_panel=OUTPUT),
    ],
    format: Annotated[
        BatchFormat, typer.Option("--format", help="What is written.", rich_help_panel=OUTPUT)
    ] = "parquet",
    partition: Annotated[
        int, typer.Option(min=1, metavar="N", help="Pictures that are committed together.", rich_help_panel=OUTPUT)
    ] = 1000,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the job in DIR.", rich_help_panel=OUTPUT)
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try the pictures again that failed.", rich_help_panel=OUTPUT)
    ] = False,
    quiet: Quiet = False,
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="Take subfolders too.")] = False,
    column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column of manifests with the paths or the bytes.")
    ] = None,
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
    pictures_at_once: Annotated[
        int, typer.Option("--batch", min=1, metavar="N", help="Pictures in a batch.", rich_help_panel=MODEL)
    ] = 16,
    track: Annotated[bool, typer.Option("--track", help="Number the persons of videos.", rich_help_panel=TIME)] = False,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Steady the keypoints over time (with --track).", rich_help_panel=TIME)
    ] = False,
    stride: Annotated[int, typer.Option(min=1, metavar="N", help="One of N frames.", rich_help_panel=TIME)] = 1,
    segment: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Frames of a video that one worker takes.", rich_help_panel=TIME),
    ] = 3000,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Most workers (default: as the cluster has room).", rich_help_panel=WORKERS
        ),
    ] = None,
    gpus: Annotated[
        float, typer.Option(min=0, metavar="N", help="GPUs of a worker, such as 1 or 0.5.", rich_help_panel=WORKERS)
    ] = 0.0,
    threads: Annotated[
        int, typer.Option(min=1, metavar="N", help="CPU threads of a worker.", rich_help_panel=WORKERS)
    ] = 1,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Ray cluster, or auto (default: RAY_ADDRESS, or this machine alone).",
            rich_help_panel=WORKERS,
        ),
    ] = None,
    runtime: Runtime = "auto",
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, tensorrt ... (auto is cuda with --gpus).", rich_help_panel=ENGINE)
    ] = "auto",
    precision: Precision = "auto",
    compile: Compile = False,
) -> None:
    """Find the persons of millions of pictures, and write their keypoints as Parquet, JSON lines or tar shards.

    Pictures that fail are rows with their reasons; a finished job ends with 0, unless all of its pictures failed (2).
    """
    from rich.console import Console

    from ..scaling import BatchOptions, Workers, estimate

    console = Console(stderr=True, quiet=quiet, highlight=False)
    options = BatchOptions(
        format=format,
        partition=partition,
        recursive=recursive,
        column=column,
        stride=stride,
        segment=segment,
        track=track,
        smooth=smooth,
        batch=pictures_at_once,
        resume=resume,
        retry_failed=retry_failed,
    )
    try:
        with _progress(console) as update:
            done = estimate(
                source,
                output,
                options,
                Workers(most=workers, gpus=gpus, threads=threads, address=address),
                progress=update,
                pose=pose,
                detector=detector,
                preset=preset,
                img_size=parse_size("--img-size", img_size),
                pose_size=parse_size("--pose-size", pose_size),
                skeleton=skeleton,
                score=score,
                iou=iou,
                max_persons=max_persons,
                refine=refine,
                flip=flip,
                runtime=runtime,
                device=None if device == "auto" else device,
                precision=precision,
                compile=compile,
            )
    except KeyboardInterrupt:
        console.print("vitruvian: interrupted; the same command with --resume goes on from here")
        raise typer.Exit(130) from None
    if not quiet:
        print(printable(_closing_line(done, output)))
    if done.pictures and done.failed == done.pictures:
        raise InputError(f"all {done.pictures} pictures failed; {done.report} says why")


def _closing_line(done: BatchSummary, output: str) -> str:
    if not done.done_now:
        return f"nothing to do: {done.pictures} pictures are done -> {output}"
    rate = done.done_now / max(done.seconds, 1e-9)
    counts = f"{done.pictures} pictures, {done.persons} persons, {done.failed} failed"
    return f"{counts}, {done.seconds:.1f} s, {rate:.1f} pictures/s -> {output}"


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[BatchProgress], None]]:
    """A bar on a terminal; else, and unless quiet, a line a minute."""
    from rich import progress

    columns = [
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[more]}", markup=False),
    ]
    logger, last = logging.getLogger("vitruvian"), 0.0
    with progress.Progress(
        *columns, console=console, transient=True, disable=console.quiet or not console.is_terminal
    ) as bar:
        task = bar.add_task("poses", total=None, more="")

        def update(state: BatchProgress) -> None:
            nonlocal last
            left = "" if state.left is None else f", {_clock(state.left)} left"
            more = f"{state.rate:.1f}/s, {state.failed} failed{left}"
            bar.update(task, completed=state.pictures, total=state.expected if state.listed else None, more=more)
            elapsed = bar.tasks[0].elapsed or 0.0
            if not console.is_terminal and elapsed - last >= 60:
                last = elapsed
                logger.info("%d of %d pictures, %s", state.pictures, state.expected, more)

        yield update


def _clock(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"
