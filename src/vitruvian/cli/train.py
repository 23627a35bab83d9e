"""`vitruvian train`: from annotated pictures to a model that the other commands take."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import InputError
from .options import OUTPUT

DATA, RUN, HOW = "What it learns from", "What it runs on", "How it learns"

Annotations = Annotated[
    list[Path],
    typer.Option("--data", metavar="FILE", help="COCO-style keypoint annotations; may be given several times."),
]
Images = Annotated[
    list[Path], typer.Option("--images", metavar="DIR", help="Folder of their pictures, one for each --data.")
]


def train(
    data: Annotations,
    images: Images,
    recipe: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE", help="How to train what: a model's name, or a YAML file.", rich_help_panel=HOW
        ),
    ] = "pose_hrnet_w32_256x192",
    weight: Annotated[
        list[float] | None,
        typer.Option(
            metavar="W",
            help="How often the persons of each --data come in an epoch (default: 1).",
            rich_help_panel=DATA,
        ),
    ] = None,
    val_data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Annotations that AP is measured on.", rich_help_panel=DATA)
    ] = None,
    val_images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of their pictures.", rich_help_panel=DATA)
    ] = None,
    skeleton: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="YAML with names, limbs, flip_pairs, sigmas of the keypoints.", rich_help_panel=DATA
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for what is written.", rich_help_panel=OUTPUT)
    ] = Path("runs/train"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that the folder has.", rich_help_panel=OUTPUT)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Say nothing unless something is wrong.", rich_help_panel=OUTPUT)
    ] = False,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="CHECKPOINT|NAME", help="Weights to start from; also imagenet, or none.", rich_help_panel=HOW
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="As the setting epochs.", rich_help_panel=HOW)] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="32-true, 16-mixed, bf16-mixed: as the setting precision.", rich_help_panel=HOW),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another setting of the recipe.", rich_help_panel=HOW),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="What chance starts from; given, the same run on as many threads gives the same weights.",
            rich_help_panel=HOW,
        ),
    ] = None,
    overfit: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Learn N well labelled persons by heart: a test of everything.",
            rich_help_panel=HOW,
        ),
    ] = 0,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Try two steps and an evaluation, and keep nothing of them.", rich_help_panel=HOW
        ),
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Only say what is wrong with the data (vitruvian check-data).", rich_help_panel=DATA
        ),
    ] = False,
    accelerator: Annotated[
        Literal["auto", "cpu", "gpu"], typer.Option(help="What computes.", rich_help_panel=RUN)
    ] = "auto",
    devices: Annotated[str, typer.Option(help="How many of them, or which: 4, or 0,2.", rich_help_panel=RUN)] = "auto",
    nodes: Annotated[int, typer.Option(min=1, help="Machines of a cluster.", rich_help_panel=RUN)] = 1,
) -> None:
    """Train a pose net on COCO-style annotations, fine-tune one, or go on with a run."""
    if quiet:
        logging.getLogger("vitruvian").setLevel(logging.WARNING)
    if check:
        check_data(data, images)
        return
    from ..datasets import Source
    from ..training import Job, read_recipe, train

    if (val_data is None) != (val_images is None):
        raise InputError("--val-data and --val-images belong together: give both, or none")
    given = {"init": init, "epochs": epochs, "precision": precision}
    extra = [f"{name}={value}" for name, value in given.items() if value is not None]
    chosen = read_recipe(recipe, [*(settings or []), *extra])
    weights = weight or [1.0] * len(data)
    if len(weights) != len(data):
        raise InputError(f"{len(data)} times --data needs as many times --weight, not {len(weights)}")
    sources = tuple(Source(*item) for item in zip(*_paired(data, images), weights, strict=True))
    validation = None
    if val_data is not None and val_images is not None:
        validation = Source(val_data, val_images)
    elif not overfit:
        logging.getLogger("vitruvian").warning("no --val-data, so that no AP is measured and the last model is kept")
    done = train(
        Job(
            chosen,
            sources,
            output,
            validation,
            skeleton,
            seed=seed or 0,
            overfit=overfit,
            dry_run=dry_run,
            resume=resume,
            accelerator=accelerator,
            devices=int(devices) if devices.isdecimal() else devices,
            nodes=nodes,
            deterministic=seed is not None,
            progress=sys.stderr.isatty() and not quiet,
        )
    )
    if not quiet:
        measured = f", AP {done.best:.4f}" if done.best >= 0 else ""
        loss = f"loss {done.history[-1]['loss']:.6g}" if done.history else "no steps"
        where = "nothing is kept of a dry run" if dry_run else f"-> {done.model}"
        print(f"{len(done.history)} epochs, {loss}{measured} {where}")


def check_data(data: Annotations, images: Images) -> None:
    """Say what is wrong with COCO-style annotations and their pictures, before a network learns it."""
    from rich.console import Console

    from ..datasets import Source
    from ..datasets import check as look

    console = Console(highlight=False)
    for file, folder in zip(*_paired(data, images), strict=True):
        found = look(Source(file, folder))
        console.print(f"{file}: {'nothing is wrong' if not found else ''}", markup=False, soft_wrap=True)
        for finding in found:
            console.print(f"  {finding}", markup=False, soft_wrap=True)


def _paired(data: list[Path], images: list[Path]) -> tuple[list[Path], list[Path]]:
    if len(images) != len(data):
        raise InputError(f"{len(data)} times --data needs as many times --images, not {len(images)}")
    return data, images
