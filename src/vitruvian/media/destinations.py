"""Where the drawn pictures and videos go, decided and checked before any work is done."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .pictures import ImageFiles
from .writers import PICTURE_SUFFIXES, VIDEO_SUFFIXES

if TYPE_CHECKING:
    from .frames import Source

DEFAULT_FOLDER = Path("runs/predict")


def picture_targets(source: Source, output: Path | None) -> Mapping[str, Path]:
    """For each picture of `source` the file to write: below `output`, at its place below the source's folder.

    Formats that can't be written become PNG. `output` may be a file if there is just one picture.

    Raises:
        InputError: one output file for several pictures, or of a format that can't be written.
    """
    names = files_of(source)
    if output is not None and output.suffix and not output.is_dir():
        if len(names) == 1:
            if output.suffix.lower() not in PICTURE_SUFFIXES:
                raise InputError(f"{output}: a picture can be written as {' '.join(PICTURE_SUFFIXES)}")
            return {names[0]: output}
        # The folder of many pictures may have a dot in its name, as results.v2 has.
        if output.suffix.lower() in (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES):
            raise InputError(f"{output} is one file, but there are {len(names)} pictures: give a folder")
    folder = output or DEFAULT_FOLDER
    paths = [Path(name).absolute() for name in names]
    root = Path(source.name).absolute() if os.path.isdir(source.name) else os.path.commonpath([p.parent for p in paths])
    return {name: folder / _writable(path.relative_to(root)) for name, path in zip(names, paths, strict=True)}


def files_of(source: Source) -> list[str]:
    """The files that a source reads, as its frames call them."""
    return source.paths if isinstance(source, ImageFiles) else [source.name]


def _writable(path: Path) -> Path:
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return path
    return path.with_name(path.name + ".png")


def video_target(source: Source, output: Path | None) -> Path:
    """The video file to write for a video or a live source.

    Raises:
        InputError: a format that can't be written.
    """
    if output is not None and output.suffix and not output.is_dir():
        if output.suffix.lower() not in VIDEO_SUFFIXES:
            raise InputError(f"{output}: a video can be written as {' '.join(VIDEO_SUFFIXES)}")
        return output
    stem = Path(source.name).stem if source.kind == "video" else re.sub(r"\W+", "_", source.name).strip("_")
    return (output or DEFAULT_FOLDER) / f"{stem}.mp4"


def check_targets(targets: Iterable[Path], source: Source, overwrite: bool) -> None:
    """Refuse what would destroy something.

    Raises:
        InputError: two results in one file, a result in place of its source, or an existing file without `overwrite`.
    """
    originals = {_identity(path) for path in files_of(source)}
    taken = set()
    existing = []
    for target in targets:
        identity = _identity(target)
        if identity in originals:
            raise InputError(f"{target} is the source itself, which is never overwritten: give another output")
        if identity in taken:
            raise InputError(f"{target} would be written twice: give the outputs different names")
        taken.add(identity)
        if target.is_dir():
            raise InputError(f"{target} is a folder, where a file is to be written: give another output")
        if target.is_file():
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
