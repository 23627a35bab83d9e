"""`vitruvian train` and `vitruvian check-data`: training of pose nets on COCO-style annotations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Quiet
from .training import (
    DATA,
    Accelerator,
    Annotations,
    Devices,
    DryRun,
    Epochs,
    Images,
    Init,
    Nodes,
    Output,
    Overfit,
    Recipe,
    Resume,
    Seed,
    Settings,
    Teacher,
    TrainingPrecision,
    ValData,
    ValImages,
    Weight,
    hardware,
    paired,
    print_result,
    settings_of,
    sources_of,
    validation_of,
)


def train(
    data: Annotations,
    images: Images,
    recipe: Recipe = "pose_hrnet_w32_256x192",
    weight: Weight = None,
    val_data: ValData = None,
    val_images: ValImages = None,
    skeleton: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="YAML with names, limbs, flip_pairs, sigmas of the keypoints.", rich_help_panel=DATA
        ),
    ] = None,
    output: Output = Path("runs/train"),
    resume: Resume = False,
    quiet: Quiet = False,
    init: Init = None,
    epochs: Epochs = None,
    precision: TrainingPrecision = None,
    settings: Settings = None,
    seed: Seed = None,
    teacher: Teacher = None,
    overfit: Overfit = 0,
    dry_run: DryRun = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Only check the data (vitruvian check-data).", rich_help_panel=DATA),
    ] = False,
    accelerator: Accelerator = "auto",
    devices: Devices = "auto",
    nodes: Nodes = 1,
) -> None:
    """Train or fine-tune a pose net on COCO-style annotations, or resume a run."""
    if check:
        check_data(data, images)
        return
    from ..training import Job, read_recipe, train

    chosen = read_recipe(recipe, settings_of(settings, init, epochs, precision))
    job = Job(
        chosen,
        sources_of(data, images, weight),
        output,
        validation_of(val_data, val_images, overfit),
        skeleton=skeleton,
        teacher=teacher,
        overfit=overfit,
        dry_run=dry_run,
        resume=resume,
        **hardware(accelerator, devices, nodes, seed, quiet),
    )
    result = train(job)
    if not quiet:
        print_result(result, dry_run)


def check_data(data: Annotations, images: Images) -> None:
    """Check COCO-style annotations and their pictures before training."""
    from rich.console import Console

    from ..datasets import DataSource
    from ..datasets import check as check_data_set

    console = Console(highlight=False)
    for file, folder in paired(data, images):
        found = check_data_set(DataSource(file, folder))
        console.print(f"{file}: {'nothing is wrong' if not found else ''}", markup=False, soft_wrap=True)
        for finding in found:
            console.print(f"  {finding}", markup=False, soft_wrap=True)
