"""Engines that run a network, one file each, called alike: a float32 (N, C, H, W) batch in, a tuple of arrays out.

ONNX files run in OpenVINO or ONNX Runtime, networks of `vitruvian.networks` in PyTorch. Names are imported when first
used, so that the command line reads `EngineOptions` without numpy.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .options import PRECISIONS, RUNTIMES, EngineOptions, Precision, RuntimeName

if TYPE_CHECKING:
    from .base import Runtime, Tensor
    from .opening import ONNX_RUNTIMES, open_network, open_onnx, open_runtime, usable_cores

__all__ = [
    "ONNX_RUNTIMES",
    "PRECISIONS",
    "RUNTIMES",
    "EngineOptions",
    "Precision",
    "Runtime",
    "RuntimeName",
    "Tensor",
    "open_network",
    "open_onnx",
    "open_runtime",
    "usable_cores",
]

# From 1.32 on ONNX Runtime reports its use to Microsoft unless told not to before it is imported, and the thread that
# does so keeps forked processes from ending.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "Runtime": "base",
    "Tensor": "base",
    "ONNX_RUNTIMES": "opening",
    "open_network": "opening",
    "open_onnx": "opening",
    "open_runtime": "opening",
    "usable_cores": "opening",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
