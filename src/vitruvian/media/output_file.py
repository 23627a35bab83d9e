"""Output files of muxers."""

from __future__ import annotations

import contextlib
import os
import stat


def is_special(path: str) -> bool:
    """Whether something is there that must not be replaced by a file: a device, a pipe."""
    with contextlib.suppress(OSError):
        mode = os.stat(path).st_mode
        return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
    return False


class OutputFile:
    """A file that a muxer writes to. FFmpeg's own loses errors of the last writes before FFmpeg 8.1."""

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
