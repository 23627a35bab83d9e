"""Pictures of one input, before they are decoded: a path, or the bytes from a tar shard or a Parquet file."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..errors import InputError, VitruvianError
from ..pictures.decoding import MAX_BYTES, picture_extensions
from ..stores import StoreError, is_address, open_file, retried, why_not_reached
from .manifests import NAMES
from .sources import Item

# Rows of a column of bytes that are read together.
_ROWS = 32


@dataclass(frozen=True)
class Entry:
    """One picture of an item.

    Args:
        item: the item's number in its partition.
        place: the picture's number in its item.
        name: what results call it: its path, or its file and its name in there.
        data: where its bytes are, or they themselves.
    """

    item: int
    place: int
    name: str
    data: str | bytes


class ItemError(InputError):
    """An item of which no further picture can be read; its message becomes a row."""


def entries_of(number: int, item: Item, cwd: str) -> Iterator[Entry]:
    """The pictures of an item that is no video, in its order.

    Args:
        number: the item's number in its partition.
        item: a picture, a shard or rows.
        cwd: folder that relative paths are taken from.

    Raises:
        ItemError: the file can't be read, or is damaged from here on.
        StoreError: the store fails.
    """
    path = item.path if is_address(item.path) else os.path.join(cwd, item.path)
    if item.kind == "picture":
        yield Entry(number, 0, item.path, path)
        return
    try:
        found = _members(item, path) if item.kind == "shard" else _rows(item, path)
        for place, (name, data) in enumerate(found):
            yield Entry(number, place, name, data)
    except (StoreError, ItemError):
        raise
    except InputError as error:
        raise ItemError(str(error)) from None


def _members(item: Item, path: str) -> Iterator[tuple[str, bytes]]:
    """The pictures of a tar shard; what else is in it is passed over."""
    extensions = picture_extensions()
    with open_file(path) as stream:
        try:
            # Sequential, as a store reads it best; members are never written to the disk.
            with tarfile.open(fileobj=stream, mode="r|*") as archive:
                for member in archive:
                    if not member.isfile() or PurePosixPath(member.name).suffix.lower() not in extensions:
                        continue
                    name = f"{item.path}#{member.name}"
                    if member.size > MAX_BYTES:
                        raise ItemError(f"{name} has more than {MAX_BYTES:,} bytes, too much for a picture")
                    content = archive.extractfile(member)
                    data = content.read() if content is not None else b""
                    if len(data) < member.size:
                        raise tarfile.ReadError("unexpected end of data")
                    yield name, data
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise ItemError(f"{item.path} is damaged or no tar file: {error}; fetch or write it again") from None
        except VitruvianError:
            raise
        except Exception as error:  # stores raise classes of their own
            raise _unreadable(item, path, error) from None


def _rows(item: Item, path: str) -> Iterator[tuple[str, bytes]]:
    """The pictures of a row group."""
    from pyarrow import ArrowException, parquet

    with open_file(path) as stream:
        try:
            file = retried(path, lambda: parquet.ParquetFile(stream), tries=2)
            known = file.schema_arrow.names
            named = next((name for name in NAMES if name in known and name != item.column), None)
            columns = [item.column] if named is None else [item.column, named]
            before = sum(file.metadata.row_group(group).num_rows for group in range(item.first))
            for batch in file.iter_batches(_ROWS, row_groups=[item.first], columns=columns):
                names = [None] * len(batch) if named is None else batch.column(named).to_pylist()
                for value, name in zip(batch.column(item.column).to_pylist(), names, strict=True):
                    inner = value if isinstance(value, dict) else {"bytes": value}
                    label = name or inner.get("path") or before
                    before += 1
                    yield f"{item.path}#{label}", bytes(inner["bytes"] or b"")
        except (ArrowException, IndexError, KeyError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ItemError(f"{item.path} can't be read as Parquet: {reason}; fetch or write it again") from None
        except VitruvianError:
            raise
        except Exception as error:  # stores raise classes of their own
            raise _unreadable(item, path, error) from None


def _unreadable(item: Item, path: str, error: Exception) -> InputError:
    if is_address(path):
        return StoreError(why_not_reached(path, error))
    return ItemError(f"{item.path} can't be read: {getattr(error, 'strerror', None) or error}")
