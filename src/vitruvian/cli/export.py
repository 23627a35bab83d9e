"""The command `vitruvian export`: a model as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..choices import ExportPrecision
from ..errors import InputError
from .options import parse_size


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A .pth, .pt, .safetensors or ONNX file, or a name.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="The ONNX file.", show_default="required")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="N|HxW", help="Input in pixels, where the weights fit any (default: what the file says)."),
    ] = None,
    precision: Annotated[
        ExportPrecision, typer.Option(help="What the file computes in; int8 needs --calibrate.")
    ] = "fp32",
    calibrate: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Pictures like those to come, to find int8's ranges with.")
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Finds the persons in the pictures of --calibrate, for a pose net (default: the one in the package).",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Write a model as one ONNX file, which `--pose` or `--detector` then takes as it is."""
    from .. import export as exporting
    from ..zoo import load_detector

    if output is None:
        raise InputError(_no_output(model))
    if output.exists() and not overwrite:
        raise InputError(f"{output} exists already; give --overwrite to replace it")
    finder = load_detector(detector) if detector is not None else None
    done = exporting.export_onnx(
        model, output, size=parse_size("--size", size), precision=precision, calibration=calibrate, detector=finder
    )
    height, width = done.card.input_size
    apart = "" if done.difference is None else f"; outputs within {done.difference:.1e} of their range from the model's"
    print(
        f"{done.path}: {done.card.name}, {done.card.family}, {height}x{width}, {precision}, "
        f"{done.path.stat().st_size / 1e6:.1f} MB{apart}"
    )


def _no_output(model: str) -> str:
    """The message where no output is given."""
    name = f"{Path(model).stem}.onnx"
    if Path(model).suffix.lower() != ".onnx":
        return f"give the ONNX file to write: vitruvian export {model} -o {name}"
    return (
        f"{model} is an ONNX file already, which --pose and --detector take as it is; to write it with another size or "
        f"precision, give a new file: vitruvian export {model} -o {Path(model).stem}_fp16.onnx --precision fp16"
    )
