"""The command `vitruvian benchmark`: speed of a model's stages and networks on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from .json_output import check_json, write_json
from .options import MODEL, OUTPUT, Device, ImgSize, PoseSize, Precision, Quiet, Runtime, Threads, parse_size

if TYPE_CHECKING:
    from ..benchmark import Setting, Timing


def benchmark(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[SOURCE]", help="Video or pictures to time the stages on.", show_default=False),
    ] = None,
    pose: Annotated[
        str | None, typer.Option("--pose", metavar="MODEL", help="Pose net.", rich_help_panel=MODEL)
    ] = None,
    detector: Annotated[
        str | None, typer.Option("--detector", metavar="MODEL", help="Person detector.", rich_help_panel=MODEL)
    ] = None,
    img_size: ImgSize = None,
    pose_size: PoseSize = None,
    frames: Annotated[int, typer.Option(min=1, metavar="N", help="Time the first N frames.")] = 32,
    seconds: Annotated[
        float,
        typer.Option(min=0.01, metavar="S", help="Seconds for each engine, precision and batch size, three times."),
    ] = 0.5,
    json: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="The same as JSON; - is standard output.", rich_help_panel=OUTPUT),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing FILE.")] = False,
    quiet: Quiet = False,
    runtime: Runtime = "auto",
    device: Device = "auto",
    threads: Threads = None,
    precision: Precision = "auto",
) -> None:
    """Time each stage of a model on SOURCE, and its networks in each engine, precision and batch size."""
    from ..benchmark import compare, measure
    from ..media import open_source
    from ..zoo import load

    if json is not None:
        check_json(json, overwrite)
    opened = open_source(source) if source is not None else None
    if opened is not None and opened.kind == "live":
        raise InputError(f"{source}: a live source has its own pace; give a video or pictures")
    model = load(
        pose,
        detector,
        img_size=parse_size("--img-size", img_size),
        pose_size=parse_size("--pose-size", pose_size),
        runtime=runtime,
        device=device,
        threads=threads,
        precision=precision,
    )
    timing = measure(model, opened, frames) if opened is not None else None
    settings = compare(model, seconds)
    if json is not None:
        write_json(_record(timing, settings), json, overwrite)
    if not quiet and str(json) != "-":
        _print(timing, settings)


def _record(timing: Timing | None, settings: list[Setting]) -> dict[str, object]:
    from dataclasses import asdict

    stages = {**asdict(timing), "bottleneck": timing.bottleneck} if timing else None
    return {"stages": stages, "networks": [asdict(setting) for setting in settings]}


def _print(timing: Timing | None, settings: list[Setting]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if timing:
        total = sum(timing.stages.values())
        table = Table("stage", "ms a frame", "share")
        for name, seconds in timing.stages.items():
            table.add_row(name, f"{seconds * 1e3:.1f}", f"{seconds / total:.0%}")
        table.add_section()
        table.add_row("one after the other", f"{total * 1e3:.1f}", "100%")
        table.add_row("at once, as predict does", f"{timing.whole * 1e3:.1f}", f"{timing.whole / total:.0%}")
        console.print(table)
        console.print(
            f"{timing.frames} frames, {timing.persons} persons: {1 / timing.whole:.1f} frames/s. A network runs for "
            f"{timing.networks / timing.whole:.0%} of the time. Most goes into: {timing.bottleneck}."
        )
    table = Table("network", "engine", "precision", "batch", "samples/s")
    for one in settings:
        table.add_row(one.network, one.runtime, one.precision, str(one.batch), f"{one.samples_per_second:.1f}")
    console.print(table)
    for name in dict.fromkeys(one.network for one in settings):
        best = max((one for one in settings if one.network == name), key=lambda one: one.samples_per_second)
        console.print(f"Fastest {name}: {best.runtime} in {best.precision}, {best.batch} at a time.")
