"""The command `vitruvian convert`: annotations in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import InputError, printable
from .options import Quiet


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="COCO keypoints, a YOLO data.yaml or its folder, CVAT's XML, or a file of predict --json.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write; for YOLO a folder.")],
    to: Annotated[
        Literal["coco", "yolo", "cvat", "poses"] | None,
        typer.Option(help="Format to write (default: coco for .json, cvat for .xml, yolo for a folder)."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the pictures, which a YOLO data set gets copies of.")
    ] = None,
    split: Annotated[Literal["train", "val", "test"], typer.Option(help="Split of a YOLO data set.")] = "train",
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Take pictures whose names lead out of the folder.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file, or a split of a YOLO data set.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Convert annotations between COCO keypoints, YOLO-pose, CVAT's XML and the poses of predict --json."""
    from rich.console import Console

    from ..datasets.conversion import convert as convert_annotations

    if output.is_dir() and source.exists() and source.resolve() in (output.resolve(), (output / "data.yaml").resolve()):
        raise InputError(f"{output} is the source itself, which is never overwritten: give another folder")
    if output.is_file() and (not overwrite or (source.exists() and output.samefile(source))):
        raise InputError(f"{output} exists already; give --overwrite to replace it, or another name")
    truth, notes = convert_annotations(source, output, to, images, split, allow_outside, overwrite)
    console = Console(stderr=True, quiet=quiet, highlight=False)
    for note in dict.fromkeys(notes):
        console.print(f"vitruvian: {printable(note)}", markup=False, soft_wrap=True)
    if not quiet:
        print(printable(f"{len(truth.images)} pictures, {len(truth)} persons -> {output}"))
