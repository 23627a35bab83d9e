"""Files in local folders and on fsspec addresses (s3://, gs://, az://, hf://): whole writes, reads with retries."""

from __future__ import annotations

import errno
import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import InputError, OutputError, VitruvianError
from .io import why_not_written, write_beside

if TYPE_CHECKING:
    from typing import BinaryIO

T = TypeVar("T")

# Reads and writes on addresses: how often each is tried, and the waits between, in seconds, doubled each time.
TRIES = 6
FIRST_WAIT = 0.2
LONGEST_WAIT = 10.0

_FINAL = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError, ImportError, NotImplementedError)
# Classes of botocore, google.auth and azure.core, which are not imported here.
_CREDENTIALS = (
    *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "DefaultCredentialsError"),
    *("RefreshError", "ClientAuthenticationError", "ProfileNotFound", "TokenRetrievalError", "GatedRepoError"),
)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class StoreError(InputError):
    """A store that doesn't answer, or refuses, after all tries."""


def is_address(path: str) -> bool:
    """Whether this is an fsspec address, ``scheme://...``; http and https count as well."""
    scheme, separator, _ = path.partition("://")
    return bool(separator) and scheme.replace("+", "").replace("-", "").replace(".", "").isalnum()


def filesystem(address: str) -> tuple[Any, str]:
    """The fsspec file system of an address, and the path on it.

    Raises:
        InputError: a scheme that isn't known, or whose package is missing.
    """
    scheme = address.partition("://")[0]
    try:
        import fsspec
    except ImportError:
        raise InputError(f"{address}: addresses need packages more: pip install 'vitruvian[ray]'") from None
    try:
        found, path = fsspec.core.url_to_fs(address)
        return found, str(path)
    except ImportError as error:
        raise InputError(f"{address}: {scheme}:// needs a package more: {error}") from None
    except ValueError as error:
        raise InputError(f"{address}: no store is known for {scheme}://: {error}") from None
    except Exception as error:  # stores raise classes of their own
        raise StoreError(why_not_reached(address, error)) from None


def retried(what: str, action: Callable[[], T], tries: int | None = None) -> T:
    """The result of an action on a store, tried again after errors that may pass.

    Raises:
        OSError: it isn't there, or not allowed.
        StoreError: still failing after so many tries, or without credentials.
    """
    wait, left = FIRST_WAIT, TRIES if tries is None else tries
    while True:
        left -= 1
        try:
            return action()
        except (*_FINAL, VitruvianError):
            raise
        except Exception as error:  # stores raise classes of their own
            if getattr(error, "errno", None) in _FULL:
                raise
            if type(error).__name__ in _CREDENTIALS or not left:
                raise StoreError(why_not_reached(what, error)) from error
        time.sleep(wait * random.uniform(0.5, 1.0))
        wait = min(2 * wait, LONGEST_WAIT)


def why_not_reached(what: str, error: Exception) -> str:
    """The message of an error of a store."""
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    if type(error).__name__ in _CREDENTIALS:
        return f"{what} needs credentials: {reason}; set those of the store, on every machine"
    return f"{what} can't be reached: {type(error).__name__}: {reason}; check the address, the network and the store"


def read_file(path: str) -> bytes:
    """All bytes of a file. Raises InputError (StoreError if the store fails)."""
    try:
        if not is_address(path):
            return Path(path).read_bytes()
        store, inner = filesystem(path)
        return bytes(retried(path, lambda: store.cat_file(inner)))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}; check its permissions") from None


def open_file(path: str) -> BinaryIO:
    """A file opened for reading, with seeking. Raises InputError (StoreError if the store fails)."""
    try:
        if not is_address(path):
            return open(path, "rb")
        store, inner = filesystem(path)
        opened: BinaryIO = retried(path, lambda: store.open(inner, "rb"))
        return opened
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}; check its permissions") from None


class Store:
    """A folder, local or on an address, whose files are written whole or not at all.

    Args:
        root: path or address; a file:// address is taken for its path.

    Raises:
        InputError: an address of a store that isn't known, or whose package is missing.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.fspath(root).rstrip("/") or "/"
        if self.root.startswith("file://"):
            self.root = filesystem(self.root)[1]
        self.local = not is_address(self.root)
        self._fs: Any = None
        self._inner = self.root
        if not self.local:
            self._fs, self._inner = filesystem(self.root)

    def path(self, name: str) -> str:
        """The path or address of a file in it."""
        return f"{self.root}/{name}"

    def read(self, name: str) -> bytes | None:
        """A file's bytes; None if it isn't there. Raises InputError, StoreError."""
        try:
            if self.local:
                return Path(self.root, name).read_bytes()
            return bytes(retried(self.path(name), lambda: self._fs.cat_file(f"{self._inner}/{name}")))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise InputError(f"{self.path(name)} can't be read: {error.strerror or error}") from None

    def write(self, name: str, data: bytes) -> None:
        """Write a file, flushed to the disk, in place of an older one. Raises OutputError."""
        try:
            if self.local:
                path = Path(self.root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_beside(str(path), lambda stream: _flushed(stream, data))
            else:
                # One request, or a multipart upload that shows when it is complete.
                retried(self.path(name), lambda: self._fs.pipe_file(f"{self._inner}/{name}", data))
        except (OSError, ImportError, NotImplementedError) as error:
            raise OutputError(why_not_written(self.path(name), error)) from None
        except StoreError as error:
            raise OutputError(f"{self.path(name)} can't be written: {error}") from error

    def names(self, folder: str) -> list[str]:
        """Names of the files in a folder, sorted; none if it isn't there. Raises InputError, StoreError."""
        try:
            if self.local:
                # Hidden ones are half-written.
                found = [name for name in os.listdir(Path(self.root, folder)) if not name.startswith(".")]
            else:
                inner = f"{self._inner}/{folder}"

                def listed() -> list[Any]:
                    self._fs.invalidate_cache(inner)
                    return list(self._fs.ls(inner, detail=False))

                found = [str(path).rsplit("/", 1)[-1] for path in retried(self.path(folder), listed)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise InputError(f"{self.path(folder)} can't be listed: {error.strerror or error}") from None
        return sorted(found)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there. Raises OutputError."""
        try:
            if self.local:
                Path(self.root, name).unlink(missing_ok=True)
            else:
                retried(self.path(name), lambda: self._fs.rm_file(f"{self._inner}/{name}"))
        except FileNotFoundError:
            return
        except (OSError, StoreError, NotImplementedError) as error:
            raise OutputError(f"{self.path(name)} can't be removed: {error}") from None

    def sweep(self, folder: str) -> None:
        """Remove what writers that were killed left half-written in a folder of this machine."""
        if self.local:
            for path in Path(self.root, folder).glob(".*.part"):
                with suppress(OSError):
                    path.unlink()


def _flushed(stream: BinaryIO, data: bytes) -> None:
    stream.write(data)
    stream.flush()
    os.fsync(stream.fileno())
