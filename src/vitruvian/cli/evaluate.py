"""`vitruvian evaluate`: how good a model is, by the procedure of its authors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import InputError
from ..runtimes import EngineOptions
from .comparing import changed, folders, names, variants
from .options import (
    MODEL,
    OUTPUT,
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

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..evaluation import Annotations, Metrics
    from ..poses import Boxes
    from ..skeletons import Skeleton

PROCEDURE = "How it is measured (default: as the model's authors did)"
# AP is taken over all thresholds, so a detector must tell even what it is hardly sure of; COCO counts 100 a picture.
LEAST_SCORE, MOST_BOXES = 0.001, 100
JOURNAL = "predictions.jsonl"
WIDE = 1_000


def evaluate(
    annotations: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="COCO-style annotations: keypoints; boxes alone for a detector.", rich_help_panel=MODEL
        ),
    ],
    images: Annotated[Path, typer.Option(metavar="DIR", help="Folder of their pictures.", rich_help_panel=MODEL)],
    pose: Annotated[
        list[Path] | None,
        typer.Option(metavar="MODEL", help="Pose net; give several to compare them.", rich_help_panel=MODEL),
    ] = None,
    detections: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Boxes in COCO's results format (default: the annotated boxes).",
            rich_help_panel=MODEL,
        ),
    ] = None,
    detector: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL", help="Person detector that finds the boxes; measured too.", rich_help_panel=MODEL
        ),
    ] = None,
    img_size: ImgSize = None,
    pose_size: PoseSize = None,
    skeleton: SkeletonName = None,
    iou: Iou = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for what is written.", rich_help_panel=OUTPUT)
    ] = Path("runs/evaluate"),
    results: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Results in COCO's format, for its server.", rich_help_panel=OUTPUT),
    ] = None,
    worst: Annotated[
        int, typer.Option(min=0, metavar="N", help="Show the N worst persons on the page.", rich_help_panel=OUTPUT)
    ] = 24,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier evaluation.", rich_help_panel=OUTPUT)
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an earlier run stopped.", rich_help_panel=OUTPUT)
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail if any picture or detection can't be used.", rich_help_panel=OUTPUT)
    ] = False,
    quiet: Quiet = False,
    flip: Annotated[
        bool, typer.Option("--flip", help="Average with the mirrored crop.", rich_help_panel=PROCEDURE)
    ] = False,
    flip_shift: Annotated[
        bool | None, typer.Option(help="Shift the mirrored outputs by a pixel.", rich_help_panel=PROCEDURE)
    ] = None,
    refine: Annotated[
        str | None,
        typer.Option(help="Sub-pixel step for heatmaps: none, quarter, dark, udp.", rich_help_panel=PROCEDURE),
    ] = None,
    padding: Annotated[
        float | None, typer.Option(help="Factor by which boxes grow.", rich_help_panel=PROCEDURE)
    ] = None,
    score: Annotated[
        float | None,
        typer.Option(help="Leave out boxes with a lower score.", rich_help_panel=PROCEDURE),
    ] = None,
    clip_boxes: Annotated[
        bool | None,
        typer.Option(help="Clip annotated boxes as the authors' loaders do.", rich_help_panel=PROCEDURE),
    ] = None,
    rescoring: Annotated[
        Literal["product", "sum", "box"] | None,
        typer.Option(help="What ranks persons, from the scores of box and keypoints.", rich_help_panel=PROCEDURE),
    ] = None,
    keypoint_threshold: Annotated[
        float | None,
        typer.Option(help="Keypoints that score more count for the product.", rich_help_panel=PROCEDURE),
    ] = None,
    oks_nms: Annotated[
        float | None,
        typer.Option(help="Drop persons more similar to a better one; 1 keeps all.", rich_help_panel=PROCEDURE),
    ] = None,
    soft_nms: Annotated[bool | None, typer.Option(help="Soft suppression instead.", rich_help_panel=PROCEDURE)] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SETTINGS",
            help="Measure with other settings too, such as flip,refine=dark.",
            rich_help_panel=PROCEDURE,
        ),
    ] = None,
    runtime: Runtime = "auto",
    device: Device = "auto",
    threads: Threads = None,
    precision: Precision = "fp32",
    compile: Compile = False,
) -> None:
    """Measure pose nets, and person detectors, on COCO-style keypoint annotations."""
    from rich.console import Console

    from ..evaluation import Procedure, evaluate_boxes, evaluate_coco, read_annotations
    from ..evaluation.report import table, write_json, write_report, write_results
    from ..skeletons import as_skeleton
    from ..zoo import load_detector, load_pose

    console = Console(stderr=True, quiet=quiet, highlight=False)
    if detections is not None and detector is not None:
        raise InputError("boxes are from --detections or from a --detector, not from both")
    if not pose and detector is None:
        raise InputError("nothing to measure: give a pose net (--pose), a detector (--detector), or both")
    settings = {
        "flip": flip or None,
        "flip_shift": flip_shift,
        "refine": refine,
        "padding": padding,
        "score": score,
        "clip_boxes": clip_boxes,
        "rescoring": rescoring,
        "keypoint_threshold": keypoint_threshold,
        "oks_nms": oks_nms,
        "soft_nms": soft_nms,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    sets = variants(also or [])
    for changes in sets.values():
        changed(Procedure(), {**given, **changes})  # raises now what would otherwise end a run half way
    models = pose or []
    labels = names(models, list(sets))
    targets = folders(output, labels)
    if results is not None and len(labels) != 1:
        raise InputError("--results is for one evaluation; here are several, or none")
    _check(output, targets, results, overwrite, resume)
    truth = read_annotations(annotations, boxes_alone=not models)
    given_skeleton = None if skeleton is None else as_skeleton(skeleton)
    if given_skeleton is not None:
        truth = _renamed(truth, given_skeleton)
    engine = EngineOptions(runtime, device, threads, precision, compile)
    finder = None
    if detector is not None:
        size = parse_size("--img-size", img_size)
        finder = load_detector(detector, size, score=LEAST_SCORE, iou=iou, max_persons=MOST_BOXES, engine=engine)
    if finder is not None and not models:
        with _progress("boxes", console) as progress:
            numbers, notes = evaluate_boxes(finder, truth, images, strict=strict, progress=progress)
        write_json(output / "metrics.json", {"boxes": numbers, "notes": notes})
        _say(notes, console)
        if not quiet:
            print(", ".join(f"{name} {value:.4f}" for name, value in numbers.items()) + f" -> {output}")
        return
    runs: dict[str, Metrics] = {}
    found: dict[int, Boxes] = {}
    places = zip(labels, targets, strict=True)  # of the first model with all settings, then of the second
    try:
        for model in models:
            net = load_pose(model, None, parse_size("--pose-size", pose_size), skeleton=given_skeleton, engine=engine)
            preset = Procedure.of(net, detections is None and finder is None)
            for changes, (label, target) in zip(sets.values(), places, strict=False):
                with _progress(label, console) as progress:
                    runs[label] = evaluate_coco(
                        *(net, truth, images, finder or detections),
                        procedure=changed(preset, {**given, **changes}),
                        strict=strict,
                        journal=target / JOURNAL,
                        resume=resume,
                        progress=progress,
                        found=found,
                    )
                write_report(runs[label], target, label, worst)
    except KeyboardInterrupt:
        console.print("vitruvian: interrupted; the same command with --resume goes on from here")
        raise typer.Exit(130) from None
    if results is not None:
        write_results(results, runs[labels[0]].results)
    if len(runs) > 1:
        rows = [{"name": label, **metrics.to_dict()} for label, metrics in runs.items()]
        write_json(output / "metrics.json", {"runs": rows})
    _say(dict.fromkeys(note for metrics in runs.values() for note in metrics.notes), console)
    if not quiet:
        _print(table(runs))
        print(f"-> {output}")


def _renamed(truth: Annotations, skeleton: Skeleton) -> Annotations:
    """The annotations with the keypoints of a skeleton. Raises InputError if these are others."""
    names, own = skeleton.keypoints, truth.skeleton.keypoints
    if len(names) != len(own) or (names != own and set(names) == set(own)):
        raise InputError(
            f"--skeleton {skeleton.name} has {len(names)} keypoints ({', '.join(names)}), the annotations have "
            f"{len(own)} ({', '.join(own)}): they must be the same, in one order"
        )
    return replace(truth, skeleton=skeleton)


def _check(output: Path, targets: list[Path], results: Path | None, overwrite: bool, resume: bool) -> None:
    """Raises InputError if something would be lost."""
    if overwrite and resume:
        raise InputError("an earlier evaluation is either replaced (--overwrite) or gone on with (--resume), not both")
    there = [path for path in (output / "metrics.json", *(target / JOURNAL for target in targets)) if path.exists()]
    if there and not overwrite and not resume:
        raise InputError(f"{there[0]} is there: replace it (--overwrite), go on with it (--resume), or give another -o")
    if results is not None and results.exists() and not overwrite and not resume:
        raise InputError(f"{results} is there: replace it (--overwrite), or give another name")


def _say(notes: Iterable[str], console: Console) -> None:
    for note in notes:
        console.print(f"vitruvian: {note}", markup=False, soft_wrap=True)


def _print(table: Table) -> None:
    """To standard output, as wide as the table is: numbers that are cut off are of no use."""
    from rich.console import Console

    Console(highlight=False, width=WIDE).print(table, soft_wrap=True)


@contextmanager
def _progress(name: str, console: Console) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal; gives the function that takes the pictures done and all of them."""
    from rich import progress

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
    )
    hidden = console.quiet or not console.is_terminal
    with progress.Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
