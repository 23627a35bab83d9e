"""The folder of a run, locked so that one run at a time writes to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from lightning.fabric.utilities.rank_zero import rank_zero_only

from ..errors import InputError, OutputError
from ..io import why_not_written
from .callbacks import STATE

_LOCK = ".lock"


def is_rank_zero() -> bool:
    """Whether this is the process of rank 0, which writes all files."""
    return getattr(rank_zero_only, "rank", 0) == 0


@contextmanager
def lock_folder(folder: Path, resume: bool) -> Iterator[None]:
    """Context of a run that locks the folder, and creates it. A new folder that stays empty is removed at the end.

    Raises:
        InputError: another run is writing to the folder, or has written there, or there is no state to resume from.
        OutputError: the folder can't be written to.
    """
    state = folder / STATE
    if resume and not state.is_file():
        raise InputError(f"{state}: no such file, so there is nothing to go on from; leave out --resume")
    with ExitStack() as stack:
        if is_rank_zero():
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
    """Remove a folder that holds nothing but the lock."""
    with suppress(OSError):
        if [path.name for path in folder.iterdir()] == [_LOCK]:
            (folder / _LOCK).unlink()
            folder.rmdir()
