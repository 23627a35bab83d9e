"""The command line: one file per command, and the entry point.

Errors are printed without a traceback. Exit codes: 0 success, 1 failure, 2 bad usage or input, 130 Ctrl-C.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from .._version import __version__
from ..errors import VitruvianError, printable
from .batch import batch
from .benchmark import benchmark
from .convert import convert
from .evaluate import evaluate
from .evaluate_tracking import evaluate_tracking
from .export import export
from .interruption import EXIT_CODE, end_in_any_case, interruptible
from .models import models
from .plot import plot
from .predict import predict
from .serve import serve
from .train import check_data, train
from .train_detector import train_detector


class _Commands(TyperGroup):
    """The commands; where a source stands in a command's place, `vitruvian predict` is named."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As click does. Raises UsageError for a command that there isn't."""
        if args and self.get_command(ctx, args[0]) is None and _is_source(args[0]):
            ctx.fail(f"No such command {args[0]!r}. Did you mean: vitruvian predict {args[0]}?")
        return super().resolve_command(ctx, args)


def _is_source(text: str) -> bool:
    """Whether this is what `vitruvian predict` takes, and no misspelt command."""
    return text == "-" or text.isdecimal() or "://" in text or bool(Path(text).suffix) or os.path.exists(text)


app = typer.Typer(
    name="vitruvian",
    cls=_Commands,
    help="Find every person in a picture or a video, and the keypoints of each.",
    invoke_without_command=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
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
    convert,
    serve,
    batch,
):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vitruvian {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Find every person in a picture or a video, and the keypoints of each."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line. This is the console script's entry point."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # Names of files are any bytes, and terminals know fewer characters than that.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler()
    handler.setFormatter(_Notes("vitruvian: %(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("vitruvian").setLevel(logging.INFO)
    try:
        with interruptible():
            code = _run()
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        code = VitruvianError.exit_code
        # Or Python would try again to write what is left.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    _leave(code)


class _Notes(logging.Formatter):
    """Notes without control characters, which names of files may have; tracebacks have their lines, all indented."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        return _indented(super().formatStack(stack_info))


def _indented(text: str) -> str:
    """Lines of a traceback, each printable; none can pass for a note."""
    return "\n".join(f"  {printable(line)}" for line in text.splitlines())


def _open_closed_streams() -> None:
    """Put the null device in the place of closed streams, or the next file opened would be standard output.

    `sys.stdin` and `sys.stdout` stay None then, so that data from or for them is an error.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (until the end of the program)


def _run() -> int:
    try:
        app()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BrokenPipeError:
        raise
    except (VitruvianError, OSError) as error:
        print(f"vitruvian: {printable(str(error))}", file=sys.stderr)
        return getattr(error, "exit_code", VitruvianError.exit_code)
    except KeyboardInterrupt:
        return EXIT_CODE
    return 0


def _leave(code: int) -> NoReturn:
    threads = sys.modules.get("vitruvian.media.threads")
    if threads is not None and threads.any_stuck():
        # Python must not be taken down under a thread that is still inside FFmpeg.
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        os._exit(code)
    if code == EXIT_CODE:
        end_in_any_case(code)
    sys.exit(code)
