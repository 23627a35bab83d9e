"""Paths of drawn pictures and videos, chosen and checked before any work is done."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .containers import file_name
from .pictures import ImageFiles
from .writers import PICTURE_SUFFIXES, VIDEO_SUFFIXES

if TYPE_CHECKING:
    from .frames import Source

DEFAULT_FOLDER = Path("runs/predict")


def picture_targets(source: Source, output: str | Path | None) -> Mapping[str, Path]:
    """For each picture of `source` the file to write: below `output`, at its place below the source's folder.

    Formats that can't be written become PNG. `output` may be a file if there is just one picture; text that ends with a
    slash is a folder.

    Raises:
        InputError: one output file for several pictures, or of a format that can't be written.
    """
    names = files_of(source)
    file = _as_file(output)
    if file is not None:
        if len(names) == 1:
            if file.suffix.lower() not in PICTURE_SUFFIXES:
                raise InputError(f"{file}: a picture can be written as {' '.join(PICTURE_SUFFIXES)}")
            return {names[0]: file}
        # The folder of many pictures may have a dot in its name, as results.v2 has.
        if file.suffix.lower() in (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES):
            raise InputError(f"{file} is one file, but there are {len(names)} pictures: give a folder")
    folder = Path(output or DEFAULT_FOLDER)
    paths = [Path(file_name(name)).absolute() for name in names]
    within = isinstance(source, ImageFiles) and os.path.isdir(source.name)
    root = Path(source.name).absolute() if within else os.path.commonpath([path.parent for path in paths])
    return {name: folder / _writable(path.relative_to(root)) for name, path in zip(names, paths, strict=True)}


def _as_file(output: str | Path | None) -> Path | None:
    """The output, if it is to be a file and not a folder."""
    text = os.fspath(output or "")
    folder = text.endswith((os.sep, os.altsep or os.sep)) or os.path.isdir(text)
    return Path(text) if Path(text).suffix and not folder else None


def files_of(source: Source) -> list[str]:
    """What a source reads, as its frames call it."""
    return source.paths if isinstance(source, ImageFiles) else [source.name]


def _writable(path: Path) -> Path:
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return path
    return path.with_name(path.name + ".png")


def video_target(source: Source, output: str | Path | None) -> Path:
    """The video file to write for a video or a live source.

    Raises:
        InputError: a format that can't be written.
    """
    file = _as_file(output)
    if file is not None:
        if file.suffix.lower() not in VIDEO_SUFFIXES:
            raise InputError(f"{file}: a video can be written as {' '.join(VIDEO_SUFFIXES)}")
        return file
    stem = Path(file_name(source.name)).stem if source.kind == "video" else re.sub(r"\W+", "_", source.name).strip("_")
    return Path(output or DEFAULT_FOLDER) / f"{stem}.mp4"


def check_targets(targets: Iterable[Path], source: Source, overwrite: bool) -> None:
    """Refuse what would destroy something.

    Raises:
        InputError: two results in one file, a result in place of its source, or an existing file without `overwrite`.
    """
    files = source.files if isinstance(source, ImageFiles) else [source.name]
    originals = {_identity(path) for path in files}
    taken = set()
    existing = []
    for target in targets:
        identity = _identity(target)
        if identity in originals:
            raise InputError(f"{target} is the source itself, which is never overwritten: give another output")
        if identity in taken:
            raise InputError(f"{target} would be written twice: give the outputs different names")
        taken.add(identity)
        if os.path.isdir(target):
            raise InputError(f"{target} is a folder, where a file is to be written: give another output")
        if os.path.isfile(target):
            existing.append(target)
    if existing and not overwrite:
        more = f" (and {len(existing) - 1} more)" if len(existing) > 1 else ""
        raise InputError(f"{existing[0]} exists already{more}: allow it with --overwrite, or give another output")


def _identity(path: str | Path) -> object:
    """Equal for two names of the same file, be they links of either kind."""
    try:
        status = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino
