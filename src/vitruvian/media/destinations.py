"""Paths of drawn pictures and videos, chosen and checked before any work is done."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..pictures.fetching import file_name, is_url
from .pictures import ImageFiles, PictureList, paths_of
from .writers import PICTURE_SUFFIXES, VIDEO_SUFFIXES

if TYPE_CHECKING:
    from .frames import Source

DEFAULT_FOLDER = Path("runs/predict")


def free_folder() -> Path:
    """The default folder of a run: ``runs/predict``, ``runs/predict2``, ..., the first that has nothing in it."""
    names = itertools.chain([DEFAULT_FOLDER], (Path(f"{DEFAULT_FOLDER}{number}") for number in itertools.count(2)))
    return next(path for path in names if not os.path.lexists(path) or (path.is_dir() and not any(path.iterdir())))


def picture_targets(
    source: Source, output: str | Path | None, root: str | os.PathLike[str] | None = None
) -> Mapping[str, Path]:
    """For each picture of `source` the file to write: below `output`, at its place below the source's folder.

    Formats that can't be written become PNG. `output` may be a file if there is just one picture; text that ends with a
    slash is a folder. With `root`, the folder that all of several sources are in, it is a folder, pictures are at their
    place below `root`, and those of one name (as URLs may have) get numbers.

    Raises:
        InputError: one output file for several pictures, or of a format that can't be written.
    """
    names = paths_of(source)
    if root is not None:
        taken: set[Path] = set()
        return {name: _free(Path(output or DEFAULT_FOLDER) / _writable(_below(name, root)), taken) for name in names}
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


def _below(name: str, root: str | os.PathLike[str]) -> Path:
    """Where a file is below `root`; its name alone where it isn't."""
    path = Path(file_name(name))
    full = path.absolute()
    below = not is_url(name) and full.is_relative_to(root) and os.path.lexists(full.parent)
    return full.relative_to(root) if below else Path(path.name)


def _free(path: Path, taken: set[Path]) -> Path:
    """The path, with a number where it is taken, which it then is."""
    others = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    free = next(other for other in itertools.chain([path], others) if other not in taken)
    taken.add(free)
    return free


def places(sources: Iterable[Source], root: str | os.PathLike[str]) -> list[Path]:
    """For each of several videos its path below `root`, without extension; of one name, the second keeps its own."""
    taken: set[Path] = set()
    found = []
    for source in sources:
        path = _below(source.name, root) if source.kind == "video" else Path(_plain(source.name))
        stem = path.with_name(path.stem) if source.kind == "video" else path
        found.append(_free(path if stem in taken else stem, taken))
    return found


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_")


def check_folder(output: str | Path | None) -> None:
    """Raises InputError where the output of several sources is to be one file."""
    file = _as_file(output)
    if file is not None and file.suffix.lower() in (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES):
        raise InputError(f"{file} is one file, but there are several sources: give a folder")


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
    stem = Path(file_name(source.name)).stem if source.kind == "video" else _plain(source.name)
    return Path(output or DEFAULT_FOLDER) / f"{stem}.mp4"


def check_targets(targets: Iterable[Path], source: Source | Sequence[Source], overwrite: bool) -> None:
    """Refuse what would destroy something.

    Raises:
        InputError: two results in one file, a result in place of its source, or an existing file without `overwrite`.
    """
    sources = source if isinstance(source, Sequence) else [source]
    originals = {_identity(path) for source in sources for path in _originals(source)}
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


def _originals(source: Source) -> list[str]:
    return [*source.files, source.name] if isinstance(source, (ImageFiles, PictureList)) else [source.name]


def _identity(path: str | Path) -> object:
    """Equal for two names of the same file, be they links of either kind."""
    try:
        status = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino
