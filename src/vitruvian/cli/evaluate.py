"""The command `vitruvian evaluate`: accuracy of models on annotated pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .._version import __version__
from ..choices import Rescoring
from ..errors import InputError, printable
from ..runtimes import EngineOptions
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
from .procedures import variants
from .progress import progress_bar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..evaluation import Annotations
    from ..skeletons import Skeleton

PROCEDURE = "Procedure (default: that of the model's authors)"
# AP is taken over all thresholds, so a detector must report even boxes with low scores; COCO counts 100 per picture.
LEAST_SCORE, MOST_BOXES = 0.001, 100
WIDE = 1_000


def evaluate(
    annotations: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="COCO-style annotations: keypoints; boxes alone for a detector. Or a YOLO data.yaml, or CVAT's XML.",
            rich_help_panel=MODEL,
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of their pictures; a data.yaml needs none.", rich_help_panel=MODEL),
    ] = None,
    split: Annotated[
        Literal["train", "val", "test"], typer.Option(help="Split of a YOLO data set.", rich_help_panel=MODEL)
    ] = "val",
    allow_outside: Annotated[
        bool,
        typer.Option(
            "--allow-outside", help="Take pictures whose names lead out of the folder.", rich_help_panel=MODEL
        ),
    ] = False,
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
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Results of vitruvian batch, instead of a model's.", rich_help_panel=MODEL),
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
        Rescoring | None,
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

    from ..evaluation import evaluate_boxes, read_annotations
    from ..evaluation.comparison import check_outputs, compare, plan_runs
    from ..evaluation.provenance import MeasuredModel
    from ..evaluation.report import table, write_json, write_results
    from ..skeletons import as_skeleton
    from ..zoo import load_detector, load_pose

    console = Console(stderr=True, quiet=quiet, highlight=False)
    if detections is not None and detector is not None:
        raise InputError("boxes are from --detections or from a --detector, not from both")
    if not pose and detector is None and predictions is None:
        raise InputError("nothing to measure: give a pose net (--pose), a detector (--detector), or both")
    if predictions is not None and (pose or detector or detections or also or images):
        raise InputError(
            "--predictions are measured alone: leave out --pose, --detector, --detections, --images, --also"
        )
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
    if predictions is not None:
        check_outputs([], output, results, overwrite, False)
        _measure_batch(predictions, annotations, given, output, results, console)
        return
    models = pose or []
    runs = plan_runs(models, {text: {**given, **changes} for text, changes in variants(also or []).items()}, output)
    if results is not None and len(runs) != 1:
        raise InputError("--results is for one evaluation; here are several, or none")
    check_outputs(runs, output, results, overwrite, resume)
    truth = read_annotations(annotations, boxes_alone=not models, split=split)
    given_skeleton = None if skeleton is None else as_skeleton(skeleton)
    if given_skeleton is not None:
        truth = _renamed(truth, given_skeleton)
    engine = EngineOptions(runtime, device, threads, precision, compile)
    finder = None
    if detector is not None:
        size = parse_size("--img-size", img_size)
        finder = load_detector(detector, size, score=LEAST_SCORE, iou=iou, max_persons=MOST_BOXES, engine=engine)
    if finder is not None and not models:
        with progress_bar("boxes", console) as progress:
            numbers, notes = evaluate_boxes(
                finder, truth, images, strict=strict, allow_outside=allow_outside, progress=progress
            )
        found = MeasuredModel.of(finder)
        measured_models = {} if found is None else {"detector": asdict(found)}
        content = {"boxes": numbers, "models": measured_models, "version": __version__, "notes": notes}
        write_json(output / "metrics.json", content)
        _say(notes, console)
        if not quiet:
            print(", ".join(f"{name} {value:.4f}" for name, value in numbers.items()) + f" -> {output}")
        return
    try:
        measured = compare(
            runs,
            lambda file: load_pose(
                file, None, parse_size("--pose-size", pose_size), skeleton=given_skeleton, engine=engine
            ),
            *(truth, images, finder or detections, output),
            strict=strict,
            allow_outside=allow_outside,
            resume=resume,
            worst=worst,
            progress=lambda label: progress_bar(label, console),
        )
    except KeyboardInterrupt:
        console.print("vitruvian: interrupted; the same command with --resume goes on from here")
        raise typer.Exit(130) from None
    if results is not None:
        write_results(results, measured[runs[0].label].results)
    _say(dict.fromkeys(note for metrics in measured.values() for note in metrics.notes), console)
    if not quiet:
        _print(table(measured))
        print(f"-> {output}")


def _measure_batch(
    folder: Path, annotations: Path, given: Mapping[str, object], output: Path, results: Path | None, console: Console
) -> None:
    """Measure what a batch job found, with settings that rank persons. Raises InputError for others."""
    from ..evaluation import evaluate_batch
    from ..evaluation.report import table, write_json, write_results

    others = sorted(set(given) - {"rescoring", "keypoint_threshold", "oks_nms", "soft_nms"})
    if others:
        raise InputError(f"{', '.join(others)}: the poses of --predictions are found already; leave it out")
    metrics = evaluate_batch(folder, annotations, given)
    write_json(output / "metrics.json", metrics.to_dict())
    if results is not None:
        write_results(results, metrics.results)
    _say(metrics.notes, console)
    if not console.quiet:
        _print(table({folder.name: metrics}))
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


def _say(notes: Iterable[str], console: Console) -> None:
    for note in notes:
        console.print(f"vitruvian: {printable(note)}", markup=False, soft_wrap=True)


def _print(table: Table) -> None:
    """To standard output, as wide as the table is: numbers that are cut off are of no use."""
    from rich.console import Console

    Console(highlight=False, width=WIDE).print(table, soft_wrap=True)
