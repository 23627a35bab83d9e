"""Inputs of a job, listed in a fixed order and constant memory: pictures, tar shards, rows of Parquet, videos."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal, get_args

from ..errors import InputError
from ..media.pictures import natural
from ..media.several import VIDEO_EXTENSIONS, unquoted
from ..pictures.decoding import picture_extensions
from ..stores import StoreError, filesystem, is_address, retried
from .manifests import is_manifest, read_manifest
from .options import BatchOptions

Kind = Literal["picture", "shard", "rows", "video"]

# A video is divided into no more: each segment decodes the frames before it, too.
MOST_SEGMENTS = 8
# Bytes of a picture in a shard, and pictures of a shard on a store: how many there are is known when it was read.
_SHARD_PICTURE = 100_000
_REMOTE_SHARD = 10_000
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True)
class Item:
    """One input as it is listed.

    Args:
        kind: a picture, a tar shard, a row group of a Parquet file with pictures' bytes, or frames of a video.
        path: path or address of the file.
        first: row group, or first frame.
        last: the frame after the last; None is the video's end.
        column: of Parquet, the column with the bytes.
        weight: pictures that are expected.
    """

    kind: Kind
    path: str
    first: int = 0
    last: int | None = None
    column: str = ""
    weight: int = 1

    def to_json(self) -> str:
        """One line; a plain string for a picture."""
        if self.kind == "picture":
            return json.dumps(self.path)
        return json.dumps([self.kind, self.path, self.first, self.last, self.column, self.weight])

    @classmethod
    def from_json(cls, line: str) -> Item:
        """What `to_json` wrote. Raises ValueError for anything else."""
        value = json.loads(line)
        if isinstance(value, str):
            return cls("picture", value)
        if not isinstance(value, list) or len(value) != 6 or value[0] not in get_args(Kind):
            raise ValueError(f"{line[:80]!r} is no input")
        return cls(*value)


def list_items(sources: Iterable[str], options: BatchOptions) -> Iterator[Item]:
    """The inputs of all sources, in their order; those of a folder by name.

    Raises:
        InputError: a source that isn't there, has nothing that can be read, or can't be listed.
    """
    names = list(sources)
    if len(names) > 1:
        # A job keeps its sources, so that a wrong one must be told before anything is done.
        _check(names, options)
    for number, source in enumerate(names):
        count = 0
        for expanded in _expanded(source):
            for item in _items_of(expanded, options, unquoted(names, number)):
                count += 1
                yield item
        if not count:
            raise _nothing_in(source, options)


def _nothing_in(source: str, options: BatchOptions) -> InputError:
    deeper = "" if options.recursive else "; folders below it are searched with -r only"
    return InputError(f"{source}: no pictures, videos or tar shards found{deeper}")


def _check(names: Sequence[str], options: BatchOptions) -> None:
    """Raises InputError for a source that isn't there, or on this machine has nothing that can be read."""
    for number, source in enumerate(names):
        hint, count = unquoted(names, number), 0
        if is_address(source):
            address = next(_expanded(source))
            if not source.startswith(("http://", "https://")) and not _is_pattern(address):
                _check_address(address)
            continue
        for expanded in _expanded(source):
            count += next(_items_of(expanded, options, hint), None) is not None
        if not count:
            raise _nothing_in(source, options)


def _check_address(address: str) -> None:
    store, inner = filesystem(address)
    try:
        if not retried(address, lambda: bool(store.isdir(inner) or store.exists(inner))):
            raise InputError(f"{address}: no such file or folder; check the address")
    except OSError as error:
        raise StoreError(f"{address} can't be read: {error}; check the address and its permissions") from None


def _expanded(source: str) -> Iterator[str]:
    """WebDataset's ranges: shard-{000..127}.tar is 128 names."""
    found = _BRACES.search(source)
    if found is None:
        yield source
        return
    first, last = found[1], found[2]
    for number in range(int(first), int(last) + 1):
        yield from _expanded(f"{source[: found.start()]}{number:0{len(first)}d}{source[found.end() :]}")


def _items_of(source: str, options: BatchOptions, hint: str = "") -> Iterator[Item]:
    """Raises InputError for a source that isn't there, with `hint` at the end."""
    if is_manifest(source) and not _is_pattern(source):
        for path, group, column, weight in read_manifest(source, options.column):
            if group is None:
                yield from _file(path, options, named=True)
            else:
                yield Item("rows", path, group, None, column, weight)
    elif is_address(source) and not source.startswith(("http://", "https://")):
        yield from _remote(source, options)
    elif os.path.isdir(source):
        for path in _walk(source, options.recursive):
            yield from _file(path, options)
    elif _is_pattern(source) and not is_address(source) and not os.path.exists(source):
        yield from _matching(source, options)
    elif is_address(source) or os.path.exists(source):
        yield from _file(source, options, named=True)
    else:
        raise InputError(f"{source!r}: no such file or folder; check the path{hint}")


def _is_pattern(source: str) -> bool:
    return not {"*", "?", "["}.isdisjoint(source)


def _file(path: str, options: BatchOptions, named: bool = False) -> Iterator[Item]:
    """The items of one file: by its extension, and taken for a picture if it was named and has another."""
    suffix = PurePosixPath(path).suffix.lower()
    if suffix == ".tar" and (is_address(path) or os.path.isfile(path)):
        size = _REMOTE_SHARD if is_address(path) else os.path.getsize(path) // _SHARD_PICTURE
        yield Item("shard", path, weight=max(1, size))
    elif suffix in VIDEO_EXTENSIONS and suffix not in picture_extensions():
        yield from _segments(path, options)
    elif named or suffix in picture_extensions():
        yield Item("picture", path)


def _segments(path: str, options: BatchOptions) -> Iterator[Item]:
    count = 0 if is_address(path) else _frames(path)
    size = max(options.segment, -(-count // MOST_SEGMENTS))
    if options.track or count <= size:
        yield Item("video", path, 0, None, weight=max(1, count // options.stride))
        return
    starts = list(range(0, count, size))
    for start in starts:
        # The count in a header may be wrong, so that the last segment goes on to the end.
        last = None if start == starts[-1] else start + size
        yield Item("video", path, start, last, weight=max(1, min(size, count - start) // options.stride))


def _frames(path: str) -> int:
    """How many frames a video's header says there are; 0 if it doesn't, or can't be read."""
    from ..media.containers import open_container

    try:
        with open_container(path) as container:
            stream: Any = container.streams.best("video")
            if stream is None:
                return 0
            seconds = (container.duration or 0) / 1_000_000
            return int(stream.frames or seconds * float(stream.average_rate or 0))
    except (InputError, ValueError, OverflowError):
        return 0


def _walk(folder: str, recursive: bool) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder} can't be listed: {error.strerror}; check its permissions") from None
    found.sort(key=lambda entry: natural(entry[0]))
    for name, is_folder in found:
        path = os.path.join(folder, name)
        if not is_folder:
            yield path
        elif recursive:
            yield from _walk(path, recursive)


def _matching(pattern: str, options: BatchOptions) -> Iterator[Item]:
    import glob

    for path in sorted(set(glob.glob(pattern, recursive=True)), key=natural):
        if not os.path.isdir(path):
            yield from _items_of(path, options) if is_manifest(path) else _file(path, options)
        elif options.recursive:
            for below in _walk(path, True):
                yield from _file(below, options)


def _remote(source: str, options: BatchOptions) -> Iterator[Item]:
    store, inner = filesystem(source)
    try:
        if _is_pattern(source):
            for path in sorted(map(str, retried(source, lambda: store.glob(inner))), key=natural):
                address = _address(source, inner, store, path)
                yield from _items_of(address, options) if is_manifest(address) else _file(address, options)
        elif retried(source, lambda: bool(store.isdir(inner))):
            yield from _remote_folder(source, inner, store, inner, options)
        elif retried(source, lambda: bool(store.exists(inner))):
            yield from _file(source, options, named=True)
        else:
            raise InputError(f"{source}: no such file or folder; check the address")
    except OSError as error:
        raise StoreError(f"{source} can't be listed: {error}; check the address and its permissions") from None


def _address(source: str, inner: str, store: Any, path: str) -> str:
    """The address of a path on a store: that of the source, whose own path is `inner`, with its user and host."""
    start = source.rstrip("/").removesuffix(inner.rstrip("/"))
    return start + path if "://" in start and start != source.rstrip("/") else str(store.unstrip_protocol(path))


def _remote_folder(source: str, inner: str, store: Any, folder: str, options: BatchOptions) -> Iterator[Item]:
    found = retried(folder, lambda: list(store.ls(folder, detail=True)))
    for entry in sorted(found, key=lambda entry: natural(str(entry["name"]))):
        path = str(entry["name"]).rstrip("/")
        if path.rsplit("/", 1)[-1].startswith(".") or path == folder.rstrip("/"):
            continue
        if entry.get("type") == "directory":
            if options.recursive:
                yield from _remote_folder(source, inner, store, path, options)
        else:
            yield from _file(_address(source, inner, store, path), options)
