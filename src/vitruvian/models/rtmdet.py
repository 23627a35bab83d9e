"""RTMDet (arXiv 2212.07784) as MMDeploy exports it, with its NMS inside; ONNX files only."""

from __future__ import annotations

from ..cards import IMAGENET_MEAN, IMAGENET_STD, ModelCard, Published
from .base import Architecture, OnnxFile, entry
from .published import RTM, VAL, rtm


def _describe(name: str, size: tuple[int, int]) -> ModelCard:
    return ModelCard(name, "detection", "rtmdet", size, IMAGENET_MEAN[::-1], IMAGENET_STD[::-1], bgr=True)


def recognise(file: OnnxFile) -> ModelCard | None:
    """Boxes with their scores (N, M, 5), and labels (N, M); see `Architecture`."""
    if [len(shape) for shape in file.shapes] != [3, 2] or file.shapes[0][2] not in (5, None):
        return None
    return _describe(file.name, file.size)


def _card(name: str, side: int, file: str, ap: float, parameters: int, gflops: float) -> ModelCard:
    published = Published(ap, f"{VAL} persons", None, parameters, gflops, RTM)
    return entry(_describe(name, (side, side)), published, rtm(file))


ARCHITECTURE = Architecture(
    name="rtmdet",
    title="RTMDet",
    task="detection",
    cards=(
        _card("rtmdet_nano", 320, "rtmdet_nano_8xb32-100e_coco-obj365-person-05d8511e", 40.3, 990_000, 0.31),
        _card("rtmdet_m", 640, "rtmdet_m_8xb32-100e_coco-obj365-person-235e8209", 62.5, 24_660_000, 38.95),
    ),
    recognise=recognise,
    outputs="RTMDet with its NMS (N, M, 5) and (N, M)",
)
