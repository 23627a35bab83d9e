"""The command line: one file per command, and here what they share: errors without tracebacks, and exit codes.

0 is success, 1 a failure, 2 bad usage or bad input, 130 Ctrl-C.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .. import __version__
from ..errors import VitruvianError
from .predict import predict

app = typer.Typer(
    name="vitruvian",
    help="Find every person in a picture or a video, and the keypoints of each.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(predict)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vitruvian {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Find every person in a picture or a video, and the keypoints of each."""


def main() -> None:
    """Run the command line; what the console script calls."""
    try:
        app()
    except VitruvianError as error:
        print(f"vitruvian: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
