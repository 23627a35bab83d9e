"""ONNX files made of checkpoints, kept in the cache, so that checkpoints run in the engines that run ONNX."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from .._version import __version__
from ..errors import ModelError, OutputError
from ..hub.cache import cache_folder, locked
from ..hub.downloads import file_digest
from ..io import write_file

if TYPE_CHECKING:
    from torch import nn

    from ..cards import ModelCard

    Load = Callable[[], tuple[nn.Module, ModelCard]]

# Rises with each change to what a conversion writes.
_FORMAT = 1
# Training writes many checkpoints; the files used longest ago make room.
_KEPT = 24
_KEY_LENGTH = 16

logger = logging.getLogger("vitruvian")


class ConversionError(ModelError):
    """A network that torch runs, but of which no right ONNX file can be made here."""


def converted_folder() -> Path:
    """Where the files are, beside the downloaded ones; it may not be there yet."""
    return cache_folder() / "converted"


def clear_converted() -> int:
    """Delete every converted file; downloads stay. Returns how many bytes became free.

    Raises:
        OutputError: a file can't be deleted.
    """
    freed = 0
    try:
        for path in converted_folder().glob("*.onnx"):
            freed += path.stat().st_size
            path.unlink()
    except OSError as error:
        raise OutputError(f"{error.filename} can't be deleted: {error.strerror}") from None
    return freed


def converted(file: Path, name: str | None, size: tuple[int, int] | None, load: Load) -> Path:
    """The ONNX file of a checkpoint: the kept one, or else a new one, checked against torch.

    What is kept is found by the checkpoint's content and name, the input size and the version of Vitruvian, without
    importing torch. A kept file has its own checksum in its name; one that is damaged is made anew.

    Args:
        file: the checkpoint.
        name: the zoo's, of a checkpoint given by name.
        size: (height, width) of the input in pixels; None takes what the checkpoint says.
        load: gives the network on the CPU, and its card; called where there is no kept file.

    Raises:
        ModelError: no checkpoint.
        ConversionError: onnx is not installed, or its file of the network doesn't give torch's numbers.
        OutputError: the file can't be written.
    """
    try:
        content = file_digest(file)
    except OSError as error:
        raise ModelError(f"{file} can't be read: {error.strerror}") from None
    # The name matters: it says what the weights don't, such as the input size.
    asked = [content, file.name, name, size, __version__, _FORMAT]
    key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:_KEY_LENGTH]
    folder = converted_folder()
    if kept := _kept(folder, key):
        return kept
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} can't be made: {error.strerror}") from None
    with locked(folder / ".lock"):
        return _kept(folder, key) or _convert(file, folder, key, load)


def _kept(folder: Path, key: str) -> Path | None:
    """The file of this key, if there is one and it is whole."""
    for path in folder.glob(f"*-{key}-*.onnx"):
        with contextlib.suppress(OSError):
            os.utime(path)
            if path.stem.endswith(file_digest(path)[:_KEY_LENGTH]):
                return path
            path.unlink()
    return None


def _convert(file: Path, folder: Path, key: str, load: Load) -> Path:
    if find_spec("onnx") is None:
        raise ConversionError(f"{file} can't be converted to ONNX without onnx: pip install onnx")
    from .tracing import onnx_bytes

    network, card = load()
    logger.info("%s is converted to ONNX, once, which takes some seconds; kept in %s", file, folder)
    try:
        data = onnx_bytes(network, card, file)
    except ModelError as error:
        raise ConversionError(str(error)) from None
    except Exception as error:  # the exporter raises anything at all
        raise ConversionError(f"{file} can't be converted to ONNX ({type(error).__name__}: {error})") from None
    digest = hashlib.sha256(data).hexdigest()[:_KEY_LENGTH]
    path = folder / f"{file.stem[:80]}-{key}-{digest}.onnx"
    write_file(path, data)
    _make_room(folder)
    return path


def _make_room(folder: Path) -> None:
    with contextlib.suppress(OSError):
        files = sorted(folder.glob("*.onnx"), key=lambda path: path.stat().st_mtime)
        for path in files[:-_KEPT]:
            path.unlink()
