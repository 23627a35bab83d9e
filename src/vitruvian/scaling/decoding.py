"""Decoding of pictures ahead of the networks, in tasks that may be lost with the pictures that end them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from ..errors import InputError
from ..pictures.decoding import Image
from ..pictures.fetching import fetched_picture
from ..pictures.reading import read_image
from ..stores import StoreError, filesystem, is_address, retried
from .entries import Entry

# Pictures of a task, and the bytes of decoded ones after which it ends early.
CHUNK = 16
CHUNK_BYTES = 32 * 2**20
# Bytes of encoded pictures that are sent to a task.
_SENT_BYTES = 16 * 2**20
# Before anything is known about the pictures.
_GUESS = 2 * 2**20
# Files of a store that are fetched at once.
_FETCHED = 8
# Tasks with one picture that may be lost before the picture is set aside.
LOSSES = 3
# Readings of a file of a store whose transfer was cut off.
_READINGS = 3
# Answers of servers that say to come back later.
_PASSING_CODES = (408, 425, 429)


@dataclass(frozen=True, eq=False)
class Decoded:
    """A picture that was read, or why it wasn't.

    Args:
        entry: the picture.
        image: RGB uint8 (H, W, 3); None where it can't be read.
        error: why it can't be read.
        encoded: its bytes, where they were asked for.
        size: number of its encoded bytes; 0 where nobody counted.
        passing: the error is a store's, and may pass.
        missing: there is no such file on this machine.
    """

    entry: Entry
    image: Image | None = None
    error: str | None = None
    encoded: bytes | None = None
    size: int = 0
    passing: bool = False
    missing: bool = False


class TaskLost(Exception):
    """The process that decoded pictures ended."""


class Tasks(Protocol):
    """Where pictures are decoded."""

    at_once: int

    def submit(self, entries: Sequence[Entry]) -> Any:
        """Begin to decode; what it returns is for `result`."""
        ...

    def result(self, handle: Any) -> list[Decoded]:
        """The first pictures, at least one. Raises TaskLost."""
        ...


def decode(entries: Sequence[Entry], keep: bool = False) -> list[Decoded]:
    """Decode pictures, one at least, until they hold `CHUNK_BYTES`.

    Args:
        entries: the pictures.
        keep: return their encoded bytes, too.
    """
    decoded: list[Decoded] = []
    held = 0
    remote = [entry for entry in entries if isinstance(entry.data, str) and is_address(entry.data)]
    with ThreadPoolExecutor(min(_FETCHED, max(1, len(remote)))) as pool:
        fetched = {id(entry): pool.submit(_fetch, entry) for entry in remote}
        for entry in entries:
            future = fetched.get(id(entry))
            done = _decode(entry, keep) if future is None else _fetched(entry, future.result(), keep)
            decoded.append(done)
            held += 0 if done.image is None else done.image.nbytes
            if held >= CHUNK_BYTES:
                break
        for future in fetched.values():
            future.cancel()
    return decoded


def _fetch(entry: Entry) -> bytes | InputError:
    """The bytes of a picture on an address, or why there are none."""
    path = str(entry.data)
    try:
        if path.startswith(("http://", "https://")):
            return retried(path, lambda: _fetch_http(path))
        store, inner = filesystem(path)
        return bytes(retried(path, lambda: store.cat_file(inner)))
    except InputError as error:
        return error
    except FileNotFoundError:
        return InputError(f"{entry.name}: no such file; check the address")
    except OSError as error:
        return InputError(f"{entry.name} can't be read: {error}; check its permissions")


def _fetch_http(address: str) -> bytes:
    try:
        data = fetched_picture(address, unnamed=True)
    except InputError as error:
        code = getattr(error.__cause__, "code", None)
        if isinstance(code, int) and 400 <= code < 500 and code not in _PASSING_CODES:
            raise
        raise ConnectionError(str(error)) from None
    if data is None:
        raise InputError(f"{address} is no picture; give the address of one")
    return data


def _fetched(entry: Entry, data: bytes | InputError, keep: bool) -> Decoded:
    if isinstance(data, InputError):
        return Decoded(entry, error=str(data), passing=isinstance(data, StoreError))
    done = _decode_bytes(entry, data, keep)
    for _ in range(_READINGS - 1):
        if done.error is None or _is_whole(str(entry.data), data):
            break
        again = _fetch(entry)
        if isinstance(again, InputError):
            return Decoded(entry, error=str(again), passing=isinstance(again, StoreError))
        data = again
        done = _decode_bytes(entry, data, keep)
    return done


def _is_whole(path: str, data: bytes) -> bool:
    """Whether these are all bytes of a file, as far as its store says; over HTTP that was checked before."""
    if path.startswith(("http://", "https://")):
        return True
    try:
        store, inner = filesystem(path)
        size = retried(path, lambda: store.info(inner).get("size"))
    except (InputError, OSError):
        return False
    return size is None or int(size) == len(data)


def _decode(entry: Entry, keep: bool) -> Decoded:
    if isinstance(entry.data, bytes):
        return _decode_bytes(entry, entry.data, keep)
    try:
        if not keep:
            return Decoded(entry, read_image(entry.data, entry.name))
        with open(entry.data, "rb") as stream:
            return _decode_bytes(entry, stream.read(), keep)
    except InputError as error:
        return Decoded(entry, error=str(error), missing=not os.path.exists(entry.data))
    except OSError as error:
        reason = f"{entry.name} can't be read: {error.strerror or error}; check the path"
        return Decoded(entry, error=reason, missing=not os.path.exists(entry.data))


def _decode_bytes(entry: Entry, data: bytes, keep: bool) -> Decoded:
    encoded = data if keep else None
    if not data:
        return Decoded(entry, error=f"{entry.name} is empty (0 bytes); fetch or copy it again")
    try:
        return Decoded(entry, read_image(data, entry.name), None, encoded, len(data))
    except InputError as error:
        return Decoded(entry, None, str(error), encoded, len(data))


def decode_ahead(entries: Iterable[Entry], tasks: Tasks, ahead: int) -> Iterator[Decoded]:
    """Pictures in order, decoded ahead by tasks.

    Pictures of a task that was lost are decoded again in halves, down to single ones; one that loses `LOSSES` tasks is
    set aside with an error.

    Args:
        entries: the pictures.
        tasks: where they are decoded.
        ahead: bytes of decoded pictures that may wait, by the size of those before; one task always runs.
    """
    source = iter(entries)
    pending: deque[tuple[list[Entry], Any, int]] = deque()
    mean, seen = float(_GUESS), 0
    more = True
    while True:
        while more and len(pending) < tasks.at_once:
            waiting = sum(len(chunk) for chunk, _, _ in pending)
            room = int(ahead / mean) - waiting
            if pending and room < 1:
                break
            chunk = _chunk(source, max(1, min(CHUNK, room)))
            more = bool(chunk)
            if chunk:
                pending.append((chunk, tasks.submit(chunk), 0))
        if not pending:
            return
        chunk, handle, losses = pending.popleft()
        try:
            found = tasks.result(handle)
        except TaskLost:
            found = _after_loss(chunk, losses, tasks, pending)
        else:
            if len(found) < len(chunk):
                rest = chunk[len(found) :]
                pending.appendleft((rest, tasks.submit(rest), 0))
        del handle
        for done in found:
            if done.image is not None:
                seen += 1
                mean += (done.image.nbytes - mean) / min(seen, 100)
        while found:
            yield found.pop(0)


def _chunk(source: Iterator[Entry], count: int) -> list[Entry]:
    chunk, size = [], 0
    for entry in islice(source, count):
        chunk.append(entry)
        size += len(entry.data)
        if size >= _SENT_BYTES:
            break
    return chunk


def _after_loss(
    chunk: list[Entry], losses: int, tasks: Tasks, pending: deque[tuple[list[Entry], Any, int]]
) -> list[Decoded]:
    """Submit the pictures again, in halves; what is set aside."""
    if len(chunk) > 1:
        middle = len(chunk) // 2
        for part in (chunk[middle:], chunk[:middle]):
            pending.appendleft((part, tasks.submit(part), 0))
        return []
    if losses + 1 < LOSSES:
        pending.appendleft((chunk, tasks.submit(chunk), losses + 1))
        return []
    (entry,) = chunk
    return [Decoded(entry, error=f"{entry.name}: reading it ended the process {LOSSES} times; it is set aside")]
