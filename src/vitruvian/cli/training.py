"""Options that `vitruvian train` and `vitruvian train-detector` share, and their conversion to a job."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import InputError
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
        help="COCO-style annotations, or a file of predict --json; may be given several times.",
    ),
]
Images = Annotated[
    list[Path], typer.Option("--images", metavar="DIR", help="Folder of their pictures, one for each --data.")
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


def sources_of(data: Sequence[Path], images: Sequence[Path], weight: Sequence[float] | None) -> tuple[DataSource, ...]:
    """The data sets, each with its pictures and weight (default: 1). Raises InputError if their numbers differ."""
    from ..datasets import DataSource

    weights = weight or [1.0] * len(data)
    if len(weights) != len(data):
        raise InputError(f"{len(data)} times --data needs as many times --weight, not {len(weights)}")
    return tuple(DataSource(*pair, share) for pair, share in zip(paired(data, images), weights, strict=True))


def paired(data: Sequence[Path], images: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Pairs of --data and --images. Raises InputError if their numbers differ."""
    if len(images) != len(data):
        raise InputError(f"{len(data)} times --data needs as many times --images, not {len(images)}")
    return list(zip(data, images, strict=True))


def validation_of(data: Path | None, images: Path | None, overfit: int) -> DataSource | None:
    """The data for evaluation. Raises InputError for annotations without pictures, or pictures without annotations."""
    from ..datasets import DataSource

    if (data is None) != (images is None):
        raise InputError("--val-data and --val-images belong together: give both, or none")
    if data is not None and images is not None:
        return DataSource(data, images)
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
        "progress": sys.stderr.isatty() and not quiet,
    }


def print_result(result: TrainingResult, dry_run: bool) -> None:
    """Print epochs, loss, AP and the model's file."""
    measured = f", AP {result.best:.4f}" if result.best >= 0 else ""
    loss = f"loss {result.history[-1]['loss']:.6g}" if result.history else "no steps"
    where = "nothing is kept of a dry run" if dry_run else f"-> {result.model}"
    epochs = f"{len(result.history)} epoch{'s' * (len(result.history) != 1)}"
    print(f"{epochs}, {loss}{measured} {where}")
