"""Recognition of ONNX files by their card, or else by the shapes of their inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..cards import METADATA_KEY, ModelCard
from ..errors import ModelError
from ..runtimes import Runtime
from . import ARCHITECTURES
from .base import SIZE_MULTIPLE, OnnxFile, OnnxShape

DEFAULT_DETECTOR_SIZE = (640, 640)
DEFAULT_POSE_SIZE = (256, 192)


def recognise(runtime: Runtime, input_size: tuple[int, int] | None = None) -> ModelCard:
    """The card of the model that `runtime` has opened.

    Args:
        runtime: an opened network.
        input_size: (height, width) wanted; None takes the file's own size, or a usual one where the file takes any.

    Raises:
        ModelError: neither a detector nor a pose net that Vitruvian knows, or it can't take that size.
    """
    if METADATA_KEY in runtime.metadata:
        try:
            card = ModelCard.from_json(runtime.metadata[METADATA_KEY])
        except ModelError as error:
            raise ModelError(f"{runtime.path}: {error}") from None
        return replace(card, input_size=_size(runtime, input_size, card.input_size))
    if len(runtime.inputs) != 1 or len(runtime.inputs[0].shape) != 4 or runtime.inputs[0].shape[1] not in (3, None):
        raise ModelError(
            f"{runtime.path}: neither a detector nor a pose net: one input (N, 3, H, W) is needed, "
            f"the file has {_listed([item.shape for item in runtime.inputs])}"
        )
    shapes = [item.shape for item in runtime.outputs]
    # Pose nets that take any size are rare, and a detector's usual size would be wrong for them.
    heatmaps = len(shapes[0]) == 4
    size = _size(runtime, input_size, DEFAULT_POSE_SIZE if heatmaps else DEFAULT_DETECTOR_SIZE)
    found = _recognise(runtime, shapes, size)
    if found is None and any(length is None for shape in shapes for length in shape[1:]):
        shapes = [output.shape for output in runtime(np.zeros((1, 3, *size), np.float32))]
        found = _recognise(runtime, shapes, size)
    if found is None:
        raise ModelError(
            f"{runtime.path}: neither a detector nor a pose net that Vitruvian knows. For the input "
            f"{size[0]}x{size[1]} it returns {_listed(shapes)}; known are "
            + ", ".join(item.outputs for item in ARCHITECTURES if item.outputs)
        )
    return found


def _recognise(runtime: Runtime, shapes: Sequence[OnnxShape], size: tuple[int, int]) -> ModelCard | None:
    file = OnnxFile(runtime, size, tuple(shapes))
    return next((card for item in ARCHITECTURES if (card := item.recognise(file))), None)


def _size(runtime: Runtime, wanted: tuple[int, int] | None, default: tuple[int, int]) -> tuple[int, int]:
    fixed = runtime.inputs[0].shape[2:]
    size = wanted or (fixed[0] or default[0], fixed[1] or default[1])
    if any(own is not None and own != asked for own, asked in zip(fixed, size, strict=True)):
        own = "x".join(str(length or "any") for length in fixed)
        raise ModelError(f"{runtime.path} takes {own} (height x width) only, not {size[0]}x{size[1]}")
    if fixed != size and any(length % SIZE_MULTIPLE or length < SIZE_MULTIPLE for length in size):
        raise ModelError(f"{runtime.path}: the input size {size[0]}x{size[1]} must be multiples of {SIZE_MULTIPLE}")
    return size


def _listed(shapes: list[OnnxShape]) -> str:
    return (
        " and ".join("(" + ", ".join(str(length or "any") for length in shape) + ")" for shape in shapes) or "nothing"
    )
