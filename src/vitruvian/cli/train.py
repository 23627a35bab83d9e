"""`vitruvian train` and `vitruvian check-data`: training of pose nets on COCO-style annotations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..errors import printable
from .options import Quiet
from .training import (
    DATA,
    Accelerator,
    AllowOutside,
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
    print_result,
    settings_of,
    sources_of,
    validation_of,
)

SkeletonFile = Annotated[
    Path | None,
    typer.Option(
        "--skeleton",
        metavar="FILE",
        help="YAML with names, limbs, flip_pairs, sigmas of the keypoints.",
        rich_help_panel=DATA,
    ),
]


def train(
    data: Annotations,
    images: Images = None,
    recipe: Recipe = "pose_mobilenet_256x192",
    weight: Weight = None,
    val_data: ValData = None,
    val_images: ValImages = None,
    allow_outside: AllowOutside = False,
    skeleton: SkeletonFile = None,
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
        check_data(data, images, allow_outside, skeleton)
        return
    from ..training import Job, read_recipe, train

    chosen = read_recipe(recipe, settings_of(settings, init, epochs, precision))
    sources = sources_of(data, images, weight, allow_outside)
    job = Job(
        chosen,
        sources,
        output,
        validation_of(val_data, val_images, overfit, sources),
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


def check_data(
    data: Annotations, images: Images = None, allow_outside: AllowOutside = False, skeleton: SkeletonFile = None
) -> None:
    """Check COCO-style annotations, YOLO data sets and their pictures before training.

    The exit code is 2 where pictures are missing, can't be read, or have another size than annotated.
    """
    from rich.console import Console

    from ..datasets import examine
    from ..datasets.persons import persons_of
    from ..datasets.yolo import description, splits

    console = Console(highlight=False)

    def say(text: str) -> None:
        console.print(printable(text), markup=False, soft_wrap=True)

    checked = []
    for source in sources_of(data, images, None, allow_outside):
        described = description(source.annotations)
        for split in splits(described) if described else [""]:
            part = replace(source, split=split or source.split)
            report = examine(part, skeleton)
            checked.append((part, report))
            say(f"{source.annotations}{f' ({split})' * bool(split)}: {report.counts}")
            for line in report.summary:
                say(f"  {line}")
            for finding in report.findings:
                say(f"  {'error: ' * finding.error}{finding}")
            if not report.findings:
                say("  nothing is wrong")
    # Training refuses what this does.
    persons_of([part for part, _ in checked], [report.truth for _, report in checked], skeleton)
    if any(finding.error for _, report in checked for finding in report.findings):
        raise typer.Exit(2)
