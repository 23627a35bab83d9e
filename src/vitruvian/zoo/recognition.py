"""Which model an ONNX file is, from the file itself: its card, or else the shapes of what goes in and out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..cards import IMAGENET_MEAN, IMAGENET_STD, METADATA_KEY, ModelCard
from ..detectors.yolox import anchors
from ..errors import ModelError
from ..runtimes import Runtime
from ..skeletons import unnamed

DEFAULT_DETECTOR_SIZE = (640, 640)
DEFAULT_POSE_SIZE = (256, 192)
SIZE_STEP = 32

Shape = tuple[int | None, ...]


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
    size = _size(runtime, input_size, DEFAULT_DETECTOR_SIZE)
    shapes = [item.shape for item in runtime.outputs]
    if not _is_rtmdet(shapes) and any(length is None for shape in shapes for length in shape[1:]):
        if input_size is None:
            # Pose nets that take any size are rare, and a detector's usual size would be wrong for them.
            size = _size(runtime, None, DEFAULT_POSE_SIZE if len(shapes[0]) == 4 else DEFAULT_DETECTOR_SIZE)
        shapes = [output.shape for output in runtime(np.zeros((1, 3, *size), np.float32))]
    found = _detector(runtime.path.stem, shapes, size) or _pose(runtime.path.stem, shapes, size)
    if found is None:
        raise ModelError(
            f"{runtime.path}: neither a detector nor a pose net that Vitruvian knows. For the input "
            f"{size[0]}x{size[1]} it returns {_listed(shapes)}; known are RTMDet with its NMS (N, M, 5) and (N, M), "
            "YOLOX (N, cells, 5 + classes), heatmaps (N, K, H/4, W/4), and SimCC pairs (N, K, W*s) and (N, K, H*s)"
        )
    return found


def _size(runtime: Runtime, wanted: tuple[int, int] | None, default: tuple[int, int]) -> tuple[int, int]:
    fixed = runtime.inputs[0].shape[2:]
    size = wanted or (fixed[0] or default[0], fixed[1] or default[1])
    if any(own is not None and own != asked for own, asked in zip(fixed, size, strict=True)):
        own = "x".join(str(length or "any") for length in fixed)
        raise ModelError(f"{runtime.path} takes {own} (height x width) only, not {size[0]}x{size[1]}")
    if fixed != size and any(length % SIZE_STEP or length < SIZE_STEP for length in size):
        raise ModelError(f"{runtime.path}: the input size {size[0]}x{size[1]} must be multiples of {SIZE_STEP}")
    return size


def _is_rtmdet(shapes: list[Shape]) -> bool:
    return [len(shape) for shape in shapes] == [3, 2] and shapes[0][2] in (5, None)


def _detector(name: str, shapes: list[Shape], size: tuple[int, int]) -> ModelCard | None:
    if _is_rtmdet(shapes):
        mean, std = IMAGENET_MEAN[::-1], IMAGENET_STD[::-1]
        return ModelCard(name, "detection", "rtmdet", size, mean, std, bgr=True)
    cells = sum(len(grid) for grid, _ in anchors(size))
    if len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][1] == cells and (shapes[0][2] or 0) > 5:
        return ModelCard(name, "detection", "yolox", size, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), bgr=True)
    return None


def _pose(name: str, shapes: list[Shape], size: tuple[int, int]) -> ModelCard | None:
    height, width = size
    if len(shapes) == 1 and len(shapes[0]) == 4:
        _, count, rows, columns = shapes[0]
        if (
            count
            and rows
            and columns
            and height % rows == 0
            and (width, height)
            == (
                columns * (height // rows),
                rows * (height // rows),
            )
        ):
            stride = {"stride": height // rows}
            return ModelCard(name, "pose", "heatmap", size, options=stride, skeleton=unnamed(count))
    if len(shapes) == 2 and all(len(shape) == 3 for shape in shapes) and shapes[0][1] == shapes[1][1]:
        (_, count, columns), (_, _, rows) = shapes
        # Files without a card come from MMPose's exporter: the peaks are scores, and its flip test shifts nothing.
        if count and rows and columns and rows * width == columns * height and columns >= width:
            options = {"split": columns / width, "softmax": False, "flip_shift": False}
            return ModelCard(name, "pose", "simdr", size, options=options, skeleton=unnamed(count))
    return None


def _listed(shapes: list[Shape]) -> str:
    return (
        " and ".join("(" + ", ".join(str(length or "any") for length in shape) + ")" for shape in shapes) or "nothing"
    )
