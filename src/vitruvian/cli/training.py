"""What `vitruvian train` and `vitruvian train-detector` share: their options, and what becomes of them."""

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
    from ..datasets import Source
    from ..training.run import Trained

DATA, RUN, HOW = "What it learns from", "What it runs on", "How it learns"

Annotations = Annotated[
    list[Path],
    typer.Option(
        "--data",
        metavar="FILE",
        help="COCO-style annotations, or what predict --json wrote; may be given several times.",
    ),
]
Images = Annotated[
    list[Path], typer.Option("--images", metavar="DIR", help="Folder of their pictures, one for each --data.")
]
Weight = Annotated[
    list[float] | None,
    typer.Option(
        metavar="W",
        help="How often what each --data has comes in an epoch (default: 1).",
        rich_help_panel=DATA,
    ),
]
ValData = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Annotations that AP is measured on.", rich_help_panel=DATA)
]
ValImages = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of their pictures.", rich_help_panel=DATA)]
Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for what is written.", rich_help_panel=OUTPUT)
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the run that the folder has.", rich_help_panel=OUTPUT)
]
Recipe = Annotated[
    str,
    typer.Option(metavar="NAME|FILE", help="How to train what: a model's name, or a YAML file.", rich_help_panel=HOW),
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
        help="What chance starts from; given, the same run on as many threads gives the same weights.",
        rich_help_panel=HOW,
    ),
]
Teacher = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Model whose outputs are matched too (--set match=WEIGHT); their shapes must agree.",
        rich_help_panel=HOW,
    ),
]
Overfit = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        help="Learn N well labelled persons (pictures, for a detector) by heart: a test of everything.",
        rich_help_panel=HOW,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Try two steps and an evaluation, and keep nothing of them.", rich_help_panel=HOW),
]
Accelerator = Annotated[Literal["auto", "cpu", "gpu"], typer.Option(help="What computes.", rich_help_panel=RUN)]
Devices = Annotated[str, typer.Option(help="How many of them, or which: 4, or 0,2.", rich_help_panel=RUN)]
Nodes = Annotated[int, typer.Option(min=1, help="Machines of a cluster.", rich_help_panel=RUN)]


def settings_of(
    settings: Sequence[str] | None, init: str | None, epochs: int | None, precision: str | None
) -> list[str]:
    """The settings that change a recipe, as --set takes them; the options that are short for one come last."""
    given = {"init": init, "epochs": epochs, "precision": precision}
    return [*(settings or []), *(f"{name}={value}" for name, value in given.items() if value is not None)]


def sources_of(data: Sequence[Path], images: Sequence[Path], weight: Sequence[float] | None) -> tuple[Source, ...]:
    """The data sets, each with its pictures and its weight, 1 unless given. Raises InputError for one too few."""
    from ..datasets import Source

    weights = weight or [1.0] * len(data)
    if len(weights) != len(data):
        raise InputError(f"{len(data)} times --data needs as many times --weight, not {len(weights)}")
    return tuple(Source(*pair, share) for pair, share in zip(paired(data, images), weights, strict=True))


def paired(data: Sequence[Path], images: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Each --data with its --images. Raises InputError where there aren't as many."""
    if len(images) != len(data):
        raise InputError(f"{len(data)} times --data needs as many times --images, not {len(images)}")
    return list(zip(data, images, strict=True))


def validation_of(data: Path | None, images: Path | None, overfit: int) -> Source | None:
    """What AP is measured on. Raises InputError for annotations without their pictures, or the other way round."""
    from ..datasets import Source

    if (data is None) != (images is None):
        raise InputError("--val-data and --val-images belong together: give both, or none")
    if data is not None and images is not None:
        return Source(data, images)
    if not overfit:
        logging.getLogger("vitruvian").warning("no --val-data, so that no AP is measured and the last model is kept")
    return None


def machines(accelerator: str, devices: str, nodes: int, seed: int | None, quiet: bool) -> dict[str, Any]:
    """What a job runs on, and how."""
    return {
        "seed": seed or 0,
        "accelerator": accelerator,
        "devices": int(devices) if devices.isdecimal() else devices,
        "nodes": nodes,
        "deterministic": seed is not None,
        "progress": sys.stderr.isatty() and not quiet,
    }


def tell(done: Trained, dry_run: bool) -> None:
    """Print what came of it."""
    measured = f", AP {done.best:.4f}" if done.best >= 0 else ""
    loss = f"loss {done.history[-1]['loss']:.6g}" if done.history else "no steps"
    where = "nothing is kept of a dry run" if dry_run else f"-> {done.model}"
    epochs = f"{len(done.history)} epoch{'s' * (len(done.history) != 1)}"
    print(f"{epochs}, {loss}{measured} {where}")
