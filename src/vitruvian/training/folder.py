"""Whose a folder of training is: one run's, and of its processes only the first writes there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from lightning.fabric.utilities.rank_zero import rank_zero_only

from ..errors import InputError, OutputError
from ..io import why_not_written
from .rounds import STATE

_LOCK = ".lock"


def is_first() -> bool:
    """Whether this process writes the files; the others learn beside it."""
    return getattr(rank_zero_only, "rank", 0) == 0


@contextmanager
def own_folder(folder: Path, resume: bool) -> Iterator[None]:
    """The folder, made if need be, is this run's until it ends, however it does. One that stayed empty goes again.

    Raises:
        InputError: it is another run's, which would be lost, or nothing is there to go on from.
        OutputError: it can't be written to.
    """
    state = folder / STATE
    if resume and not state.is_file():
        raise InputError(f"{state}: no such file, so there is nothing to go on from; leave out --resume")
    with ExitStack() as stack:
        if is_first():
            new = not folder.exists()
            try:
                stack.enter_context(FileLock(folder / _LOCK, timeout=0))
            except Timeout:
                raise InputError(f"{folder}: a run is writing there; wait, or give another folder (-o)") from None
            except OSError as error:
                raise OutputError(why_not_written(os.fspath(folder), error)) from None
            if state.is_file() and not resume:
                raise InputError(f"{folder} has a run already: go on with it (--resume), or give another folder (-o)")
            if new:
                stack.callback(_remove_empty, folder)
        yield


def _remove_empty(folder: Path) -> None:
    """Remove a folder that has nothing but its lock."""
    with suppress(OSError):
        if [path.name for path in folder.iterdir()] == [_LOCK]:
            (folder / _LOCK).unlink()
            folder.rmdir()
