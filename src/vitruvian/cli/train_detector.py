"""`vitruvian train-detector`: training of person detectors on annotated boxes, or a teacher's."""

from __future__ import annotations

from pathlib import Path

from .options import Quiet
from .training import (
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


def train_detector(
    data: Annotations,
    images: Images = None,
    weight: Weight = None,
    val_data: ValData = None,
    val_images: ValImages = None,
    allow_outside: AllowOutside = False,
    recipe: Recipe = "person_mobilenet_384x384",
    output: Output = Path("runs/train-detector"),
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
    accelerator: Accelerator = "auto",
    devices: Devices = "auto",
    nodes: Nodes = 1,
) -> None:
    """Train a person detector on annotated boxes, another detector's, or both, or resume a run."""
    from ..training import DetectorJob, DetectorRecipe, read_settings, train_detector

    chosen = read_settings(DetectorRecipe, recipe, settings_of(settings, init, epochs, precision))
    sources = sources_of(data, images, weight, allow_outside)
    job = DetectorJob(
        chosen,
        sources,
        output,
        validation_of(val_data, val_images, overfit, sources),
        teacher=teacher,
        overfit=overfit,
        dry_run=dry_run,
        resume=resume,
        **hardware(accelerator, devices, nodes, seed, quiet),
    )
    result = train_detector(job)
    if not quiet:
        print_result(result, dry_run)
