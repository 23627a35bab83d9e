"""Options that `vitruvian train` and `vitruvian train-detector` share, and their conversion to a job."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import InputError, printable
from .options import OUTPUT

if TYPE_CHECKING:
    from ..datasets import DataSource
    from ..training.run import TrainingResult

DATA, RUN, HOW = "Data", "Hardware", "Training"

Annotations = Annotated[
    list[Path],
    typer.Option(
        "--data",
        metavar="FILE",
        help="COCO-style annotations, a YOLO data.yaml, CVAT's XML, a file of predict --json, or a folder of "
        "batch; may be given several times.",
    ),
]
Images = Annotated[
    list[Path] | None,
    typer.Option(
        "--images", metavar="DIR", help="Folder of their pictures, one for each --data; a data.yaml needs none."
    ),
]
AllowOutside = Annotated[
    bool,
    typer.Option("--allow-outside", help="Take pictures whose names lead out of the folder.", rich_help_panel=DATA),
]
Weight = Annotated[
    list[float] | None,
    typer.Option(
        metavar="W",
        help="How often an epoch has the samples of each --data (default: 1).",
        rich_help_panel=DATA,
    ),
]
ValData = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Annotations for evaluation (AP).", rich_help_panel=DATA)
]
ValImages = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of their pictures.", rich_help_panel=DATA)]
Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the run.", rich_help_panel=OUTPUT)
]
Resume = Annotated[bool, typer.Option("--resume", help="Resume the run in the folder.", rich_help_panel=OUTPUT)]
Recipe = Annotated[
    str,
    typer.Option(metavar="NAME|FILE", help="Recipe: a model's name, or a YAML file.", rich_help_panel=HOW),
]
Init = Annotated[
    str | None,
    typer.Option(
        metavar="CHECKPOINT|NAME",
        help="Weights to start from; none for random ones, and for pose nets also imagenet.",
        rich_help_panel=HOW,
    ),
]
Epochs = Annotated[int | None, typer.Option(metavar="N", help="As the setting epochs.", rich_help_panel=HOW)]
TrainingPrecision = Annotated[
    str | None,
    typer.Option(help="32-true, 16-mixed, bf16-mixed: as the setting precision.", rich_help_panel=HOW),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Another setting of the recipe.", rich_help_panel=HOW),
]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=2**32 - 1,
        help="Random seed; the same seed and number of threads give the same weights.",
        rich_help_panel=HOW,
    ),
]
Teacher = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Model whose outputs are targets too (--set distill_weight=WEIGHT), of the same shapes.",
        rich_help_panel=HOW,
    ),
]
Overfit = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        help="Train and evaluate on N well labelled persons (pictures, for a detector): a test of the whole set-up.",
        rich_help_panel=HOW,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Take two steps, evaluate, and keep nothing.", rich_help_panel=HOW),
]
Accelerator = Annotated[Literal["auto", "cpu", "gpu"], typer.Option(help="Kind of device.", rich_help_panel=RUN)]
Devices = Annotated[str, typer.Option(help="Number of devices, or their indices: 4, or 0,2.", rich_help_panel=RUN)]
Nodes = Annotated[int, typer.Option(min=1, help="Number of machines.", rich_help_panel=RUN)]


def settings_of(
    settings: Sequence[str] | None, init: str | None, epochs: int | None, precision: str | None
) -> list[str]:
    """Settings as --set takes them, followed by those of options of their own."""
    given = {"init": init, "epochs": epochs, "precision": precision}
    return [*(settings or []), *(f"{name}={value}" for name, value in given.items() if value is not None)]


def sources_of(
    data: Sequence[Path],
    images: Sequence[Path] | None,
    weight: Sequence[float] | None = None,
    allow_outside: bool = False,
) -> tuple[DataSource, ...]:
    """The data sets, each with its pictures and weight (default: 1). Raises InputError if their numbers differ."""
    from ..datasets import DataSource

    weights = weight or [1.0] * len(data)
    if len(weights) != len(data):
        raise InputError(f"{len(data)} times --data needs as many times --weight, not {len(weights)}")
    return tuple(
        DataSource(file, folder, share, allow_outside=allow_outside)
        for (file, folder), share in zip(_paired(data, images), weights, strict=True)
    )


def _paired(data: Sequence[Path], images: Sequence[Path] | None) -> list[tuple[Path, Path | None]]:
    """Pairs of --data and --images, None where a data set has its own. Raises InputError if their numbers differ."""
    from ..datasets.yolo import description

    folders = list(images or ())
    if len(folders) == len(data):
        return list(zip(data, folders, strict=True))
    without = [description(file) is not None for file in data]
    if len(folders) != without.count(False):
        raise InputError(f"{len(data)} times --data needs as many times --images, not {len(folders)}")
    return [(file, None if own else folders.pop(0)) for file, own in zip(data, without, strict=True)]


def validation_of(
    data: Path | None, images: Path | None, overfit: int, training: Sequence[DataSource] = ()
) -> DataSource | None:
    """The data for evaluation; without any the split val of a single YOLO data set.

    Raises:
        InputError: annotations without pictures, or pictures without annotations.
    """
    from ..datasets import DataSource
    from ..datasets.yolo import description, splits

    allow_outside = any(source.allow_outside for source in training)
    described = None if data is None else description(data)
    if (images is not None and data is None) or (data is not None and images is None and described is None):
        raise InputError("--val-data and --val-images belong together: give both, or none")
    if data is not None:
        return DataSource(data, images, split="val", allow_outside=allow_outside)
    if len(training) == 1 and not overfit:
        described = description(training[0].annotations)
        if described is not None and "val" in splits(described):
            return replace(training[0], weight=1.0, split="val")
    if not overfit:
        logging.getLogger("vitruvian").warning("no --val-data, so that no AP is measured and the last model is kept")
    return None


def hardware(accelerator: str, devices: str, nodes: int, seed: int | None, quiet: bool) -> dict[str, Any]:
    """Arguments of a job for its hardware, seed and progress bar."""
    return {
        "seed": seed or 0,
        "accelerator": accelerator,
        "devices": int(devices) if devices.isdecimal() else devices,
        "nodes": nodes,
        "deterministic": seed is not None,
        "progress": bool(sys.stderr and sys.stderr.isatty()) and not quiet,
    }


def print_result(result: TrainingResult, dry_run: bool) -> None:
    """Print epochs, loss, AP and the model's file."""
    measured = f", AP {result.best:.4f}" if result.best >= 0 else ""
    loss = f"loss {result.history[-1]['loss']:.6g}" if result.history else "no steps"
    where = "nothing is kept of a dry run" if dry_run else f"-> {result.model}"
    epochs = f"{len(result.history)} epoch{'s' * (len(result.history) != 1)}"
    print(printable(f"{epochs}, {loss}{measured} {where}"))
