"""The command line: one file per command, and the entry point.

Errors are printed without a traceback. Exit codes: 0 success, 1 failure, 2 bad usage or input, 130 Ctrl-C.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import Annotated, NoReturn

import typer

from .._version import __version__
from ..errors import VitruvianError
from .benchmark import benchmark
from .evaluate import evaluate
from .evaluate_tracking import evaluate_tracking
from .export import export
from .models import models
from .plot import plot
from .predict import predict
from .train import check_data, train
from .train_detector import train_detector

app = typer.Typer(
    name="vitruvian",
    help="Find every person in a picture or a video, and the keypoints of each.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    predict,
    evaluate,
    evaluate_tracking,
    plot,
    export,
    models,
    benchmark,
    train,
    train_detector,
    check_data,
):
    app.command()(command)


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
    """Run the command line. This is the console script's entry point."""
    for stream in (sys.stdout, sys.stderr):
        # Names of files are any bytes, and terminals know fewer characters than that.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(format="vitruvian: %(message)s")
    logging.getLogger("vitruvian").setLevel(logging.INFO)
    try:
        _leave(_run())
    except BrokenPipeError:
        _leave(VitruvianError.exit_code)


def _run() -> int:
    try:
        app()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except (VitruvianError, OSError) as error:
        print(f"vitruvian: {error}", file=sys.stderr)
        return getattr(error, "exit_code", VitruvianError.exit_code)
    return 0


def _leave(code: int) -> NoReturn:
    threads = sys.modules.get("vitruvian.media.threads")
    if threads is not None and threads.any_stuck():
        # Python must not be taken down under a thread that is still inside FFmpeg.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
