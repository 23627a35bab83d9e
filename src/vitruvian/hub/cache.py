"""Cache folder of downloaded weights, and its lock."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..errors import OutputError

HOME = "VITRUVIAN_HOME"
OFFLINE = "VITRUVIAN_OFFLINE"


def cache_folder() -> Path:
    """``$VITRUVIAN_HOME/models``, or else in the place for caches of this system, which may not be there yet."""
    home = os.environ.get(HOME)
    return (Path(home).expanduser() if home else _platform_cache() / "vitruvian") / "models"


def _platform_cache() -> Path:
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    # The XDG specification has relative paths ignored.
    wanted = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return wanted if wanted.is_absolute() else Path.home() / ".cache"


def is_offline() -> bool:
    """Whether ``$VITRUVIAN_OFFLINE`` forbids the network: anything but nothing, 0, no, false and off does."""
    return os.environ.get(OFFLINE, "").strip().lower() not in ("", "0", "no", "false", "off")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps other processes and threads out that lock the same file, which is made; waits until they are done.

    The system lets go of the lock when a process ends, however it does.

    Raises:
        OutputError: the file can't be made, or its file system has no locks.
    """
    from filelock import FileLock

    with ExitStack() as stack:
        try:
            stack.enter_context(FileLock(path))
        except OSError as error:
            raise _unusable(path.parent, error) from None
        yield


def _unusable(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"models can't be kept in {folder}: {error.strerror}; set {HOME} to a folder that can be written to"
    )
