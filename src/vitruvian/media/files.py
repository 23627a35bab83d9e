"""What writers need of the file system: whole files or none, errors that are not lost, and words for them."""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ..errors import OutputError


def is_special(path: str) -> bool:
    """Whether something is there that must not be replaced by a file: a device, a pipe."""
    with contextlib.suppress(OSError):
        mode = os.stat(path).st_mode
        return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
    return False


def write_beside(target: str, save: Callable[[BinaryIO], object]) -> None:
    """Let `save` write a new file and put it in place of `target` when it is complete; else nothing is left of it."""
    folder, name = os.path.split(target)
    # Not tempfile: its files are private to the user, and the result would stay so.
    temporary = os.path.join(folder, f".{uuid.uuid4().hex[:8]}.{name[-80:]}.part")
    try:
        with open(temporary, "xb") as stream:
            save(stream)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def write_file(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all, and the folders above it. Raises OutputError; an older file is still there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_beside(str(path), lambda stream: stream.write(data))
    except OSError as error:
        raise OutputError(why_not_written(str(path), error)) from None


def why_not_written(path: str, error: Exception) -> str:
    """The message of an OutputError."""
    reason = getattr(error, "strerror", None) or str(error)
    if isinstance(error, FileExistsError):
        reason = "a file stands where its folder should be"
    return f"{path} can't be written: {reason}; check free space and permissions, or write elsewhere"


class OutputFile:
    """The file under a muxer. FFmpeg's own loses errors of the last writes before FFmpeg 8.1."""

    def __init__(self, path: str) -> None:
        self._raw = open(path, "wb", buffering=0)  # noqa: SIM115
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        left = memoryview(data)
        try:
            while left:
                left = left[self._raw.write(left) :]
        except OSError as error:
            self._error = error
            raise
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def close(self) -> None:
        self._raw.close()

    def finish(self) -> None:
        """Close, and raise what a write raised, whoever swallowed it."""
        self.close()
        if self._error is not None:
            raise self._error
