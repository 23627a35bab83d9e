"""Pickled PyTorch files, read without running anything that they name.

A pickle is a program that may call whatever it can import. Here it can import nothing: each name that a checkpoint may
need stands for a dictionary, a tensor built here, or a `Record` that keeps what it is given and does nothing with it.
Neither Python's unpickler nor PyTorch's sees the file: with `weights_only` the latter still calls ``bytearray(n)``.
"""

from __future__ import annotations

import io
import operator
import struct
import zipfile
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import torch
from torch import Tensor

from ..errors import ModelError
from .opcodes import Machine, Within, hashable

ZIP_START = b"PK\x03\x04"

_STORAGES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
}

# Modules and names that become records: what YOLOv5 and MMPose put beside their tensors.
_RECORD_MODULES = ("models.", "torch.nn.modules.", "numpy.core.", "numpy._core.", "mmengine.logging.")
_RECORDS = {
    ("_codecs", "encode"),
    ("argparse", "Namespace"),
    ("datetime", "datetime"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("pathlib", "Path"),
    ("pathlib", "PosixPath"),
    ("pathlib", "WindowsPath"),
    ("torch", "Size"),
    ("torch", "Tensor"),
    ("torch", "device"),
    ("torch.nn.parameter", "Parameter"),
    ("torch.torch_version", "TorchVersion"),
    *(("torch", str(dtype).removeprefix("torch.")) for dtype in _STORAGES.values()),
}
# What rebuilds tensors that no network here has.
_UNUSUAL = {
    *("_rebuild_device_tensor_from_cpu_tensor", "_rebuild_device_tensor_from_numpy", "_rebuild_nested_tensor"),
    *("_rebuild_meta_tensor_no_storage", "_rebuild_qtensor", "_rebuild_sparse_tensor", "_rebuild_wrapper_subclass"),
    *("ComplexFloatStorage", "ComplexDoubleStorage", "QInt8Storage", "QInt32Storage", "QUInt8Storage"),
}
# YOLOv5's models have about 40 classes; each name makes one here.
_MAX_NAMES = 1000
# PyTorch has no tensor of more.
_MAX_DIMENSIONS = 64

# The first of the pickles in a file from before PyTorch 1.6 is this number, the second its version.
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001


class Record:
    """Stands for an object of a class that stays out of reach; `origin` is the name of that class.

    Args:
        arguments: what its constructor would have been called with.
    """

    origin = ""

    def __new__(cls, *arguments: Any, **_: Any) -> Record:
        record = super().__new__(cls)
        record.attributes = {}
        return record

    def __init__(self, *arguments: Any, **_: Any) -> None:
        self.attributes: dict[str, Any]

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.attributes = state


class _Dictionary(dict[Any, Any]):
    """An OrderedDict without the attributes that one may carry."""

    def __setstate__(self, state: Any) -> None:
        """Nothing of it is kept: a state dict's versions of modules, as a rule."""


def unpickle(path: Path) -> Any:
    """What a file from `torch.save` holds: dictionaries, lists, numbers, texts, tensors and records.

    Tensors are on the CPU in the file's precision.

    Args:
        path: a zip archive (PyTorch 1.6 and later) or a row of pickles (before).

    Raises:
        ModelError: the pickle names something that no checkpoint needs, or the file is damaged.
    """
    try:
        with path.open("rb") as file:
            archived = file.read(len(ZIP_START)) == ZIP_START
            file.seek(0)
            if archived:
                with zipfile.ZipFile(file) as archive:
                    return _Archive(archive).load()
            return _Legacy(file, path.stat().st_size).load()
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    except MemoryError:
        raise ModelError(f"{path} asks for more memory than there is; it is damaged, or made to do harm") from None
    except Exception as error:
        # A pickle's opcodes can fail in any way that Python can.
        raise ModelError(
            f"{path} can't be read as a PyTorch file; it is damaged or incomplete ({type(error).__name__}: {error})"
        ) from None


class _Storage:
    """A row of values that tensors are views of."""

    def __init__(self, values: Tensor) -> None:
        self.values = values


class _Unpickler:
    """Builds inert objects only.

    Args:
        file: where the pickle starts.
        storage: gives the values of a storage from its type, its key and its length.
    """

    def __init__(self, file: BinaryIO, storage: Callable[[torch.dtype, str, int], _Storage]) -> None:
        self._file = file
        self._storage = storage
        self._known: dict[tuple[str, str], Any] = {
            ("builtins", "set"): _set,
            ("__builtin__", "set"): _set,
            ("collections", "OrderedDict"): _dictionary,
            ("torch._tensor", "_rebuild_from_type_v2"): _of_type,
            ("torch._utils", "_rebuild_tensor"): _tensor,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch._utils", "_rebuild_parameter"): _parameter,
            ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
            **{("torch", name): dtype for name, dtype in _STORAGES.items()},
        }

    def load(self) -> Any:
        """The object."""
        return Machine(self._file, self.find_class, self.persistent_load, (Record, _Dictionary)).run()

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a global. Raises ModelError for one that isn't on the list."""
        known = self._known.get((module, name))
        if known is None:
            if module in ("torch", "torch._utils") and name in _UNUSUAL:
                raise ModelError("it has tensors that are sparse, quantised or complex; save plain ones")
            if (module, name) not in _RECORDS and not f"{module}.".startswith(_RECORD_MODULES):
                raise ModelError(
                    f"refused: the file would call {module}.{name}, which no checkpoint needs and which could do harm. "
                    "Nothing of it was run. If you trust its source, save its state_dict() as a new file"
                )
            if len(self._known) > _MAX_NAMES:
                raise ModelError(f"it names more than {_MAX_NAMES} classes; it is damaged, or made to do harm")
            known = self._known[module, name] = type("Record", (Record,), {"origin": f"{module}.{name}"})
        return known

    def persistent_load(self, pid: Any) -> Any:
        """The storage of ``("storage", type, key, device, length)``, the class of ``("module", class, file, source)``.

        The latter is how files of before PyTorch 1.6 name the classes of modules.
        """
        if pid[0] == "module":
            return pid[1]
        kind, dtype, key, _, length, *view = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or any(item is not None for item in view):
            raise ModelError("it refers to something that isn't a storage of numbers")
        return self._storage(dtype, str(key), int(length))


class _Archive:
    """A zip archive: ``name/data.pkl`` beside a file for each storage."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._loaded: dict[tuple[str, torch.dtype], _Storage] = {}
        self._root = next((name[: -len("data.pkl")] for name in archive.namelist() if name.endswith("/data.pkl")), None)

    def load(self) -> Any:
        """The object in ``data.pkl``."""
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in self._archive.infolist()):
            raise ModelError("its parts are compressed, which PyTorch's never are")
        if self._root is None:
            raise ModelError("a zip archive without the data.pkl that PyTorch writes")
        order = f"{self._root}byteorder"
        if order in self._archive.namelist() and self._archive.read(order) != b"little":
            raise ModelError("its numbers are in big-endian order; save it again on a little-endian machine")
        return _Unpickler(io.BytesIO(self._archive.read(f"{self._root}data.pkl")), self._values).load()

    def _values(self, dtype: torch.dtype, key: str, length: int) -> _Storage:
        if (key, dtype) not in self._loaded:
            content = self._archive.read(f"{self._root}data/{key}")
            self._loaded[key, dtype] = _Storage(_numbers(content, dtype, length))
        return self._loaded[key, dtype]


class _Legacy:
    """Pickles in a row: a magic number, a version, the writer's machine, the object, the keys; then the storages."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = cast("BinaryIO", Within(file, size))
        self._left = size
        self._storages: dict[str, _Storage] = {}

    def load(self) -> Any:
        """The object, its tensors filled."""
        if self._next() != _LEGACY_MAGIC or self._next() != _LEGACY_VERSION:
            raise ModelError("a pickle, but not one that PyTorch wrote")
        if not self._next().get("little_endian", True):
            raise ModelError("its numbers are in big-endian order; save it again on a little-endian machine")
        found = self._next()
        for key in self._next():
            values = self._storages[key].values
            (length,) = struct.unpack("<q", self._file.read(8))
            if length != len(values):
                raise ModelError(f"storage {key} has {length} numbers, not the {len(values)} that its tensors need")
            values.copy_(_numbers(self._file.read(length * values.element_size()), values.dtype, length))
        return found

    def _next(self) -> Any:
        return _Unpickler(self._file, self._empty).load()

    def _empty(self, dtype: torch.dtype, key: str, length: int) -> _Storage:
        if key not in self._storages:
            if not 0 <= length * dtype.itemsize <= self._left:
                raise ModelError(f"storage {key} claims {length} numbers, more than the file holds")
            self._left -= length * dtype.itemsize
            self._storages[key] = _Storage(torch.zeros(length, dtype=dtype))
        return self._storages[key]


def _numbers(content: bytes, dtype: torch.dtype, length: int) -> Tensor:
    if len(content) != length * dtype.itemsize:
        raise ModelError(f"a storage has {len(content)} bytes instead of {length} times {dtype.itemsize}")
    values = torch.empty(length, dtype=dtype)
    values.view(torch.uint8).numpy()[:] = np.frombuffer(content, np.uint8)
    return values


def _tensor(storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    """The view of a storage that has this size, which must hold it all."""
    sizes = (offset, *size, *stride)
    if not isinstance(storage, _Storage) or len(size) > _MAX_DIMENSIONS or not 0 <= min(sizes) <= max(sizes) < 2**63:
        raise ModelError("a tensor in it has no storage, or a size that no tensor has")
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    count = reduce(operator.mul, size, 1)
    if count > len(storage.values) or (count and last >= len(storage.values)):
        raise ModelError(f"a tensor in it claims the size {tuple(size)}, more than its {len(storage.values)} numbers")
    return storage.values.as_strided(size, stride, offset)


def _parameter(data: Tensor, *_: Any) -> Tensor:
    return data


def _of_type(rebuild: Callable[..., Tensor], _: Any, arguments: tuple[Any, ...], *__: Any) -> Tensor:
    """A tensor with attributes, which aren't kept."""
    if rebuild not in (_tensor, _parameter):
        raise ModelError("it has tensors of a class of their own; save plain ones")
    return rebuild(*arguments)


def _set(values: Any = ()) -> set[Any]:
    return set(map(hashable, values))


def _dictionary(pairs: Any = ()) -> _Dictionary:
    return _Dictionary((hashable(key), value) for key, value in pairs)


def module_tensors(root: Record, limit: int = 10_000) -> dict[str, Tensor]:
    """Tensors of a pickled module, in the order and with the names of its state dict.

    Args:
        root: the record of a `torch.nn.Module`.
        limit: how many modules it may have.

    Raises:
        ModelError: it has more: modules that hold each other would go on for ever.
    """
    found: dict[str, Tensor] = {}
    waiting = [("", root)]
    while waiting:
        prefix, module = waiting.pop()
        left_out = module.attributes.get("_non_persistent_buffers_set") or ()
        for kind, omitted in (("_parameters", ()), ("_buffers", left_out)):
            for name, value in _items(module.attributes.get(kind)):
                if isinstance(value, Tensor) and name not in omitted:
                    found[f"{prefix}{name}"] = value
        children = _items(module.attributes.get("_modules"))
        waiting += [(f"{prefix}{name}.", child) for name, child in reversed(children) if isinstance(child, Record)]
        limit -= 1
        if limit < len(waiting):
            raise ModelError("its modules hold each other without end; it is damaged, or made to do harm")
    return found


def _items(value: Any) -> list[tuple[str, Any]]:
    return [(str(key), item) for key, item in value.items()] if isinstance(value, Mapping) else []
