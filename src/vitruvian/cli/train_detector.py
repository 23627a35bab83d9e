"""`vitruvian train-detector`: from boxes, annotated or a teacher's, to a detector that the other commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from .options import Quiet, parse_size
from .training import (
    DATA,
    Accelerator,
    Devices,
    DryRun,
    Epochs,
    Init,
    Nodes,
    Output,
    Overfit,
    Recipe,
    Resume,
    Seed,
    Settings,
    TrainingPrecision,
    ValData,
    ValImages,
    Weight,
    machines,
    paired,
    settings_of,
    tell,
    validation_of,
    weighted,
)


def train_detector(
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data",
            metavar="FILE",
            help="COCO-style annotations with boxes; may be given several times.",
            rich_help_panel=DATA,
        ),
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            "--images", metavar="DIR", help="Folder of their pictures, one for each --data.", rich_help_panel=DATA
        ),
    ] = None,
    weight: Weight = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="A detector whose boxes are learned on --unlabelled pictures.", rich_help_panel=DATA
        ),
    ] = None,
    teacher_size: Annotated[
        str | None,
        typer.Option(metavar="N|HxW", help="Its input in pixels (default: its own, or 640).", rich_help_panel=DATA),
    ] = None,
    unlabelled: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Pictures for the teacher; may be given several times.", rich_help_panel=DATA),
    ] = None,
    unlabelled_weight: Annotated[
        list[float] | None,
        typer.Option(
            metavar="W", help="How often those of each folder come in an epoch (default: 1).", rich_help_panel=DATA
        ),
    ] = None,
    val_data: ValData = None,
    val_images: ValImages = None,
    recipe: Recipe = "person_csp_w32_320x320",
    output: Output = Path("runs/train-detector"),
    resume: Resume = False,
    quiet: Quiet = False,
    init: Init = None,
    epochs: Epochs = None,
    precision: TrainingPrecision = None,
    settings: Settings = None,
    seed: Seed = None,
    overfit: Overfit = 0,
    dry_run: DryRun = False,
    accelerator: Accelerator = "auto",
    devices: Devices = "auto",
    nodes: Nodes = 1,
) -> None:
    """Train a person detector on annotated boxes, or on another detector's, or on both; or go on with a run."""
    from ..datasets import Source
    from ..training import DetectorJob, DetectorRecipe, read_settings, train_detector

    if not data and not unlabelled:
        raise InputError("nothing to learn from: give --data and --images, or --teacher and --unlabelled, or all four")
    chosen = read_settings(DetectorRecipe, recipe, settings_of(settings, init, epochs, precision))
    pairs = paired(data or [], images or [])
    weights = weighted("--data", "--weight", len(pairs), weight)
    folders = unlabelled or []
    job = DetectorJob(
        chosen,
        tuple(Source(*pair, share) for pair, share in zip(pairs, weights, strict=True)),
        output,
        validation_of(val_data, val_images, overfit),
        teacher=teacher,
        teacher_size=parse_size("--teacher-size", teacher_size),
        unlabelled=tuple(
            zip(folders, weighted("--unlabelled", "--unlabelled-weight", len(folders), unlabelled_weight), strict=True)
        ),
        overfit=overfit,
        dry_run=dry_run,
        resume=resume,
        **machines(accelerator, devices, nodes, seed, quiet),
    )
    done = train_detector(job)
    if not quiet:
        tell(done, dry_run)
