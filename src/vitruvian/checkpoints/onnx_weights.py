"""Weights of ONNX files from `vitruvian export`, under the network's own names."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..errors import ModelError

# What an ONNX file starts with, the number of its format. The protocol gives it first.
ONNX_START = b"\x08"


def exported_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The weights of an exported file by name, and its metadata.

    Raises:
        ModelError: damaged, or onnx is not installed.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError:
        raise ModelError(f"{path}: weights of ONNX files need onnx: pip install 'vitruvian[export]'") from None
    try:
        # Weights in files beside it aren't ours, and could be any file at all.
        proto = onnx.load(path, load_external_data=False)
        arrays = {item.name: numpy_helper.to_array(item).copy() for item in proto.graph.initializer}
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        # What several layers have alike is in the file once.
        for node in proto.graph.node:
            if node.op_type == "Identity" and node.input[0] in tensors:
                tensors[node.output[0]] = tensors[node.input[0]]
    except Exception as error:  # damage raises anything at all
        raise ModelError(
            f"{path} is no whole ONNX file ({next(iter(str(error).splitlines()), type(error).__name__)[:200]})"
        ) from None
    return tensors, {entry.key: entry.value for entry in proto.metadata_props}
