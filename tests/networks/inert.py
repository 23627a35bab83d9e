"""Reads the tensors of a pickled YOLOv5 without running what the file names: every class becomes a plain record."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

_DTYPES = {
    "HalfStorage": torch.float16,
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
}


class Record:
    """Stands for an object of a class that stays out of reach."""

    def __init__(self, *_: Any) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state

    def tensors(self, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
        """Names and tensors as a state dict has them."""
        for kind in ("_parameters", "_buffers"):
            tensors = self.state.get(kind, {}).items()
            yield from ((prefix + name, tensor) for name, tensor in tensors if tensor is not None)
        for name, child in self.state.get("_modules", {}).items():
            yield from child.tensors(f"{prefix}{name}.")


class _Unpickler(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.root = archive.namelist()[0].split("/")[0]
        super().__init__(io.BytesIO(archive.read(f"{self.root}/data.pkl")))

    def find_class(self, module: str, name: str) -> Any:
        known = {"OrderedDict": OrderedDict, "_rebuild_tensor_v2": self._tensor, "_rebuild_parameter": _parameter}
        return known.get(name) or _DTYPES.get(name) or Record

    def persistent_load(self, pid: Any) -> torch.Tensor:
        _, dtype, key, *_ = pid
        return torch.frombuffer(bytearray(self.archive.read(f"{self.root}/data/{key}")), dtype=dtype)

    @staticmethod
    def _tensor(storage: torch.Tensor, offset: int, size: Any, stride: Any, *_: Any) -> torch.Tensor:
        return storage.as_strided(size, stride, offset)


def _parameter(data: torch.Tensor, *_: Any) -> torch.Tensor:
    return data


def state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Names and tensors, in the file's order and precision."""
    with zipfile.ZipFile(path) as archive:
        return dict(_Unpickler(archive).load()["model"].tensors())
