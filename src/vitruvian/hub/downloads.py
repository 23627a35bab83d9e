"""Downloads of model files: fetched once, checked every time.

Where a checksum is published, a file has to have it. Where none is, nobody can tell whether the first download is what
its authors uploaded: its checksum is kept beside it (``<file>.sha256``, which sha256sum reads), and from then on the
file must not change.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from ..cards import ModelCard, Weights
from ..errors import ModelError, OutputError
from ..io import write_beside
from .cache import HOME, OFFLINE, cache_folder, is_offline, locked
from .transfer import Progress, forget, transfer

_CHUNK = 1 << 20
_PACKAGED = Path(__file__).parent.parent / "weights"

logger = logging.getLogger("vitruvian")


def fetch(model: ModelCard | Weights, *, offline: bool | None = None, quiet: bool = False) -> Path:
    """The file of a model: in the package, or downloaded if it isn't here yet, into `cache.cache_folder`.

    It is whole and has its checksum; a broken or changed download is never returned. A download that was interrupted
    goes on where it ended. Two processes that want the same file download it once.

    Args:
        model: a card of the zoo, or the weights of `vitruvian.models.backbone`.
        offline: stay off the network; None asks the environment (`cache.is_offline`).
        quiet: show no progress bar. Without a terminal there is none in any case.

    Raises:
        ModelError: no weights were published; the network is off or can't be reached (the message has the address, and
            where to put the file); or what came isn't the file that was published.
        OutputError: the folder can't be written to, or its disk is full.
    """
    if own := packaged(model):
        return own
    weights = _weights(model)
    path = cache_folder() / weights.filename
    if not path.exists():
        if (is_offline() if offline is None else offline) or not weights.urls:
            raise ModelError(_absent(weights, path))
        with locked(path.with_name(f".{path.name}.lock")):
            # Another process may have brought it meanwhile.
            if not path.exists():
                _download(weights, path, quiet)
    _check(weights, path)
    return path


def packaged(model: ModelCard | Weights) -> Path | None:
    """The file of a model that comes with the package."""
    path = _PACKAGED / f"{model.name}.onnx" if isinstance(model, ModelCard) else None
    return path if path and path.is_file() else None


def is_packaged(file: Path) -> bool:
    """Whether a file comes with the package."""
    return file.parent == _PACKAGED


def downloaded(model: ModelCard | Weights) -> Path | None:
    """The file of a model if it is in the package or, unchecked, in the cache."""
    if own := packaged(model):
        return own
    weights = model.weights if isinstance(model, ModelCard) else model
    path = cache_folder() / weights.filename if weights else None
    return path if path and path.is_file() else None


def _weights(model: ModelCard | Weights) -> Weights:
    if isinstance(model, Weights):
        return model
    if model.weights is None:
        paper = f" ({model.published.paper})" if model.published else ""
        raise ModelError(
            f"no weights of {model.name} have been published{paper}; train it, or give the file of a checkpoint"
        )
    return model.weights


def _absent(weights: Weights, path: Path) -> str:
    if not weights.urls:
        return f"{weights.filename} can't be downloaded by itself: get it from {weights.source} and put it at {path}"
    return (
        f"{weights.filename} isn't there and the network is switched off (offline, {OFFLINE}): "
        f"get it from {' or '.join(weights.urls)} and put {_what(weights)} at {path}"
    )


def _what(weights: Weights) -> str:
    return "the .onnx file in it" if _is_archive(weights, weights.urls[0]) else "it"


def _is_archive(weights: Weights, url: str) -> bool:
    return url.endswith(".zip") and not weights.filename.endswith(".zip")


def _download(weights: Weights, path: Path, quiet: bool) -> None:
    """Tries the addresses one after the other. Raises ModelError with what was wrong with each."""
    part = path.with_name(f"{path.name}.part")
    problems = []
    for url in weights.urls:
        try:
            with _progress(weights.filename, quiet) as progress:
                transfer(url, part, progress)
            return _accept(weights, url, part, path)
        except ModelError as error:
            problems.append(str(error))
    raise ModelError(f"{'; '.join(problems)}. Or put {_what(weights)} at {path} by hand ({HOME} moves that place)")


def _accept(weights: Weights, url: str, part: Path, path: Path) -> None:
    """Puts a whole download in its place. Raises ModelError, and removes it, if it isn't what was published."""
    digest = file_digest(part)
    problem = ""
    if weights.size is not None and part.stat().st_size != weights.size:
        problem = f"{part.stat().st_size} bytes instead of {weights.size}"
    elif not digest.startswith(weights.sha256):
        problem = f"sha256 {digest} instead of {weights.sha256}"
    if problem:
        forget(part)
        raise ModelError(f"{url} gave another file than the one that was published ({problem}); it was deleted")
    whole = part
    try:
        if _is_archive(weights, url):
            whole = _unpack(part, path)
            digest = file_digest(whole)
        if not weights.sha256 and not _is_whole(whole, path.suffix):
            forget(part)
            raise ModelError(f"what came from {url} is no {path.suffix} file, or not all of it; it was deleted")
        with whole.open("r+b") as file:
            os.fsync(file.fileno())
        # First the checksum: a file without one would be taken for one that was put there by hand.
        _record(weights, path, digest)
        os.replace(whole, path)
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error.strerror}; check free space and permissions") from None
    finally:
        if whole is not part:
            whole.unlink(missing_ok=True)
    forget(part)


def _is_whole(file: Path, suffix: str) -> bool:
    """Whether a file looks like a model from its first byte to its last, as far as that shows without loading it."""
    with file.open("rb") as opened:
        start = opened.read(9)
    if start.startswith(b"PK"):
        return zipfile.is_zipfile(file)  # its directory is at the end
    return start.startswith(b"\x08") if suffix == ".onnx" else start.startswith(b"\x80") or start[8:] == b"{"


def _unpack(archive: Path, path: Path) -> Path:
    """Takes the one file of this kind out of a zip archive, to a place beside `path`.

    Names in the archive decide nothing about where anything is written. Raises ModelError, and removes the archive, if
    it isn't what it should be.
    """
    inside = path.with_name(f"{path.name}.unpacked")
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [name for name in opened.namelist() if name.endswith(path.suffix)]
            if len(names) != 1:
                raise zipfile.BadZipFile(f"{len(names)} {path.suffix} files in it instead of one")
            try:
                with opened.open(names[0]) as source, inside.open("wb") as target:
                    shutil.copyfileobj(source, target, _CHUNK)
            except BaseException:
                inside.unlink(missing_ok=True)
                raise
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        forget(archive)
        raise ModelError(
            f"what came for {path.name} is no archive that can be opened ({error}); it was deleted"
        ) from None
    return inside


def _check(weights: Weights, path: Path) -> None:
    """Raises ModelError for a file in the cache that isn't what was published, or has changed since it came."""
    # An archive's checksum says nothing about what was in it.
    published = "" if any(_is_archive(weights, url) for url in weights.urls) else weights.sha256
    try:
        digest, recorded = file_digest(path), _recorded(path)
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}") from None
    record = _record_of(path).name
    if not digest.startswith(published) or recorded not in (None, digest):
        expected = f"{published} (published)" if not digest.startswith(published) else f"{recorded} (in {record})"
        raise ModelError(
            f"{path} has been changed or damaged: its sha256 is {digest}, not {expected}; delete it, and {record} "
            "beside it, and it is downloaded again"
        )
    if recorded is None:
        # Put there by hand, perhaps in a folder that nobody may write to.
        with contextlib.suppress(OSError):
            _record(weights, path, digest)


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hex. A file is read again only when its size or time has changed. Raises OSError."""
    known = path.stat()
    return _digest(path, known.st_size, known.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, mtime_ns: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _record(weights: Weights, path: Path, digest: str) -> None:
    if not weights.sha256:
        logger.warning("no checksum of %s is published: from now on it has to be the file that it is today", path)
    line = f"{digest}  {path.name}\n".encode("ascii")
    write_beside(str(_record_of(path)), lambda file: file.write(line))


def _recorded(path: Path) -> str | None:
    """What the file beside it has for a checksum, None if there is no such file."""
    try:
        return _record_of(path).read_text(encoding="ascii", errors="replace").partition(" ")[0]
    except FileNotFoundError:
        return None


@contextmanager
def _progress(name: str, quiet: bool) -> Iterator[Progress | None]:
    """A progress bar on a terminal; gives the function that moves it on."""
    if quiet or not sys.stderr or not sys.stderr.isatty():
        yield None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
