"""Manifests: lists of pictures as text, CSV or Parquet, with their paths or their bytes, read piece by piece."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from typing import Any

from ..errors import InputError, VitruvianError
from ..stores import StoreError, is_address, open_file, why_not_reached

MANIFEST_SUFFIXES = (".txt", ".csv", ".parquet", ".pq")

# Names of columns, the first that is there is taken.
_PATHS = ("path", "file", "file_name", "filename", "image_path", "url", "uri", "address", "source", "key", "image")
_BYTES = ("bytes", "image", "jpg", "jpeg", "png", "webp", "content", "data")
NAMES = ("path", "name", "file_name", "filename", "key", "__key__", "url", "id")
"""Columns that may name the pictures of a column of bytes."""

_ROWS = 10_000

# Path; row group, or None for a picture's path; column; number of pictures.
Entry = tuple[str, "int | None", str, int]


def is_manifest(path: str) -> bool:
    """Whether a file is a manifest, by its name."""
    return path.lower().endswith(MANIFEST_SUFFIXES)


def read_manifest(path: str, column: str | None = None) -> Iterator[Entry]:
    """The entries of a manifest, in its order. Relative paths are below the manifest's folder.

    Args:
        path: a text file with a path a line, a CSV file with a header, or a Parquet file with a column of paths or of
            bytes.
        column: the column with the paths or the bytes.

    Raises:
        InputError: it can't be read, or has no such column.
    """
    suffix = os.path.splitext(path)[1].lower()
    with open_file(path) as stream:
        if suffix in (".parquet", ".pq"):
            yield from _parquet(path, stream, column)
            return
        # utf-8-sig: spreadsheets write a mark at the start.
        text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="" if suffix == ".csv" else None)
        found = _csv(path, text, column) if suffix == ".csv" else (line.rstrip("\n") for line in text)
        try:
            for entry in found:
                if entry.strip():
                    yield beside(path, entry.strip()), None, "", 1
        except (csv.Error, UnicodeError) as error:
            raise InputError(f"{path} can't be read: {error}") from None
        except VitruvianError:
            raise
        except Exception as error:  # stores raise classes of their own
            if is_address(path):
                raise StoreError(why_not_reached(path, error)) from None
            raise InputError(f"{path} can't be read: {getattr(error, 'strerror', None) or error}") from None


def beside(manifest: str, entry: str) -> str:
    """The path of an entry: a relative one is below the manifest's folder."""
    if is_address(entry) or os.path.isabs(entry):
        return entry
    if is_address(manifest):
        return f"{manifest.rsplit('/', 1)[0]}/{entry}"
    return os.path.join(os.path.dirname(manifest), entry)


def _csv(path: str, text: io.TextIOWrapper, column: str | None) -> Iterator[str]:
    rows = csv.reader(text)
    header = next(rows, [])
    name = column or next((name for name in _PATHS if name in header), header[0] if len(header) == 1 else None)
    if name not in header:
        raise InputError(f"{path} has no column {column or 'path'!r}; it has {', '.join(header)} (--column NAME)")
    place = header.index(name)
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        if len(row) <= place:
            raise InputError(f"{path}: line {number} has {len(row)} fields, too few for the column {name}")
        yield row[place]


def _parquet(path: str, stream: Any, column: str | None) -> Iterator[Entry]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise InputError(f"{path}: Parquet needs packages more: pip install 'vitruvian[ray]'") from None
    try:
        file = parquet.ParquetFile(stream)
        name, with_bytes = _column(path, file.schema_arrow, column)
        if with_bytes:
            for group in range(file.num_row_groups):
                yield path, group, name, file.metadata.row_group(group).num_rows
            return
        for batch in file.iter_batches(_ROWS, columns=[name]):
            for entry in batch.column(0).to_pylist():
                if entry is None:
                    raise InputError(f"{path}: a row of the column {name} is empty; leave such rows out")
                yield beside(path, str(entry)), None, "", 1
    except (ArrowException, OSError) as error:
        raise InputError(f"{path} can't be read as Parquet: {' '.join(str(error).split())[:300]}") from None
    except VitruvianError:
        raise
    except Exception as error:  # stores raise classes of their own
        raise StoreError(why_not_reached(path, error)) from None


def _column(path: str, schema: Any, wanted: str | None) -> tuple[str, bool]:
    """The column of paths or bytes, and whether it has bytes."""
    import pyarrow

    def has_bytes(kind: Any) -> bool:
        # Hugging Face's data sets have a record of bytes and path.
        if pyarrow.types.is_struct(kind):
            return bool(kind.get_field_index("bytes") >= 0)
        return bool(pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind))

    def has_text(kind: Any) -> bool:
        kind = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
        return bool(pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind))

    kinds = {field.name: field.type for field in schema}
    if wanted is not None:
        names = [wanted] if wanted in kinds else []
    else:
        names = [name for name in _BYTES if name in kinds and has_bytes(kinds[name])]
        names += [name for name in _PATHS if name in kinds and has_text(kinds[name])]
        names += [name for name, kind in kinds.items() if has_text(kind)] if len(kinds) == 1 else []
    if not names or not (has_bytes(kinds[names[0]]) or has_text(kinds[names[0]])):
        raise InputError(f"{path} has no column {wanted or 'of paths or bytes'}; it has {', '.join(kinds)} (--column)")
    return names[0], has_bytes(kinds[names[0]])
