"""Paths of annotated pictures: found below a folder by their names, and kept inside of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from ..errors import InputError
from .json_records import listed

SOURCE_PATH = "source_path"
"""Field of an image record: the whole path under which `vitruvian predict` read it."""


def picture_paths(
    records: Sequence[Mapping[str, Any]], folder: str | os.PathLike[str], name: str, allow_outside: bool = False
) -> list[str]:
    r"""The paths of annotated pictures, existing or not.

    Names are relative to the folder. Where none of the pictures is found that way, backslashes are taken for slashes,
    and then the same number of leading folders is left out of all names, as few as find a picture: the folder may be
    one above or below the one that the names are relative to.

    Args:
        records: image records, with ``file_name``.
        folder: the folder of the pictures.
        name: the annotations' file, for messages.
        allow_outside: take names that lead out of the folder, by ``..`` or as absolute paths.

    Raises:
        InputError: the folder doesn't exist, or a name leads out of it.
    """
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such folder; give the folder of the images of {name}")
    names = [str(record["file_name"]) for record in records]
    slashed = [text.replace("\\", "/") for text in names]
    if not allow_outside:
        outside = [text for text in dict.fromkeys([*names, *slashed]) if _leads_out(text, folder)]
        if outside:
            raise InputError(
                f"{name}: {listed(outside)} would be read from outside of {folder}: give the folder that holds all "
                "pictures (--images), or allow it (--allow-outside)"
            )
    joined = [os.path.join(folder, text) for text in slashed]
    for candidate in _candidates(names, slashed, records):
        paths = [os.path.join(folder, text) for text in candidate]
        if any(map(os.path.isfile, paths)):
            return paths
    return joined


def _leads_out(name: str, folder: str | os.PathLike[str]) -> bool:
    root = os.path.abspath(folder)
    path = os.path.normpath(os.path.join(root, name))
    return path != root and not path.startswith(os.path.join(root, ""))


def _candidates(names: list[str], slashed: list[str], records: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    yield names
    if slashed != names:
        yield slashed
    whole = [
        str(record.get(SOURCE_PATH) or text).replace("\\", "/") for record, text in zip(records, slashed, strict=True)
    ]
    parts = [[part for part in PurePosixPath(text).parts if part not in ("/", "..", ".")] for text in whole]
    if not all(parts):
        return
    for count in range(max(map(len, parts), default=0)):
        shorter = ["/".join(own[min(count, len(own) - 1) :]) for own in parts]
        # Two pictures must not become one.
        if len(set(shorter)) == len(shorter):
            yield shorter
