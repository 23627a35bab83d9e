"""The command `vitruvian plot`: angles and positions of tracked persons over time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError, printable


def plot(
    poses: Annotated[Path, typer.Argument(metavar="POSES", help="What predict VIDEO --track --json wrote.")],
    angle: Annotated[
        list[str] | None, typer.Option("--angle", metavar="NAME", help="Joint angle, such as left_knee; repeatable.")
    ] = None,
    keypoint: Annotated[
        list[str] | None,
        typer.Option("--keypoint", metavar="NAME", help="Position of a keypoint, such as left_wrist; repeatable."),
    ] = None,
    person: Annotated[
        list[int] | None, typer.Option("--person", metavar="N", help="Track number (default: all); repeatable.")
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="PNG or SVG file.")] = Path("plot.png"),
    count: Annotated[
        bool, typer.Option("--count", help="Count the repetitions of each angle, print the numbers and mark the ends.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Plot joint angles and positions of keypoints over time (needs the extra `evaluate`)."""
    from ..io import write_file
    from ..plots import counts, read_movements
    from ..plots import plot as plotted
    from .json_output import check_free

    form = output.suffix.lower().removeprefix(".")
    if form not in ("png", "svg"):
        raise InputError(f"{output}: plots are written as .png or .svg; change the extension")
    check_free(output, overwrite)
    movements = read_movements(poses)
    for number in person or []:
        if number not in movements:
            raise InputError(f"{poses} has no person {number}; there are {', '.join(map(str, movements))}")
    chosen = {number: movement for number, movement in movements.items() if not person or number in person}
    write_file(output, plotted(chosen, angle or (), keypoint or (), form, count))
    if count:
        for line in counts(chosen, angle or ()):
            print(printable(line))
