"""YOLOX (arXiv 2107.08430): without decoding, as Megvii exports it, or decoded, or with NMS inside; ONNX files only."""

from __future__ import annotations

import numpy as np

from ..cards import ModelCard, Published, Triple, Weights
from .base import Architecture, OnnxFile, entry
from .published import VAL

_PAGE = "https://github.com/Megvii-BaseDetection/YOLOX"
_MEAN: Triple = (0.0, 0.0, 0.0)
_STD: Triple = (1.0, 1.0, 1.0)
_STRIDES = (8, 16, 32)


def _describe(name: str, size: tuple[int, int], kind: str = "yolox") -> ModelCard:
    return ModelCard(name, "detection", kind, size, _MEAN, _STD, bgr=True)


def recognise(file: OnnxFile) -> ModelCard | None:
    """One prediction a cell (N, cells, 5 + classes), or boxes behind an NMS (N, M, 5) and labels (N, M).

    RTMDet's exports return the latter, too. YOLOX alone cuts its input into four slices first.
    """
    shapes = file.shapes
    if [len(shape) for shape in shapes] == [3, 2] and shapes[0][2] in (5, None):
        sliced = file.first_operators() & {"Slice", "StridedSlice"}
        return _describe(file.name, file.size, "yolox_nms") if sliced else None
    cells = sum((file.size[0] // stride) * (file.size[1] // stride) for stride in _STRIDES)
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][1] != cells or (shapes[0][2] or 0) <= 5:
        return None
    return _describe(file.name, file.size, "yolox_decoded" if _decoded(file) else "yolox")


def _decoded(file: OnnxFile) -> bool:
    """Whether the predictions are centres in pixels: those follow their cells over the picture, offsets don't."""
    height, width = file.size
    middles = [
        (np.indices((height // stride, width // stride)).reshape(2, -1).T[:, ::-1] + 0.5) * stride
        for stride in _STRIDES
    ]
    apart = np.abs(file.outputs()[0][0, :, :2] - np.concatenate(middles))
    return bool(np.median(apart) < 2 * _STRIDES[-1])


def _card(
    size: str, side: int, ap: float, parameters: int, gflops: float, sha256: str = "", length: int | None = None
) -> ModelCard:
    url = f"{_PAGE}/releases/download/0.1.1rc0/yolox_{size}.onnx"
    return entry(
        _describe(f"yolox_{size}", (side, side)),
        Published(ap, f"{VAL} boxes", None, parameters, gflops, _PAGE),
        Weights(f"yolox_{size}.onnx", (url,), sha256, length, "Apache-2.0", _PAGE),
    )


ARCHITECTURE = Architecture(
    name="yolox",
    title="YOLOX",
    task="detection",
    cards=(
        _card(
            "nano",
            416,
            25.8,
            910_000,
            1.08,
            "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d",
            3_659_407,
        ),
        _card("tiny", 416, 32.8, 5_060_000, 6.45),
        _card("s", 640, 40.5, 9_000_000, 26.8),
        _card("m", 640, 46.9, 25_300_000, 73.8),
        _card("l", 640, 49.7, 54_200_000, 155.6),
    ),
    recognise=recognise,
    outputs="YOLOX (N, cells, 5 + classes), or with its NMS (N, M, 5) and (N, M)",
)
