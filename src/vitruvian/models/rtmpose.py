"""RTMPose (arXiv 2303.07399) and other SimCC networks as MMDeploy exports them; ONNX files only."""

from __future__ import annotations

from ..cards import ModelCard, SimDROptions
from ..errors import ModelError
from ..skeletons import COCO17, unnamed
from .backbones import LARGE, SMALL
from .base import Architecture, Converted, OnnxFile, Parts, entry
from .published import VAL, on_coco, rtm

_PAPER = "https://arxiv.org/abs/2303.07399"


def _options(split: float) -> SimDROptions:
    """The peaks of the two rows are scores, and MMPose's flip test shifts nothing."""
    return SimDROptions(split=split, softmax=False, flip_shift=False)


def recognise(file: OnnxFile) -> ModelCard | None:
    """Any ONNX file that returns pairs x (N, K, W * split) and y (N, K, H * split); see `Architecture`."""
    (height, width), shapes = file.size, file.shapes
    if len(shapes) != 2 or any(len(shape) != 3 for shape in shapes) or shapes[0][1] != shapes[1][1]:
        return None
    (_, count, columns), (_, _, lines) = shapes
    if not count or not lines or not columns or lines * width != columns * height or columns < width:
        return None
    return ModelCard(file.name, "pose", "simdr", file.size, options=_options(columns / width), skeleton=unnamed(count))


def from_mmpose(parts: Parts) -> Converted | None:
    """Raises ModelError for RTMPose's checkpoints, of which there is no network here."""
    if any(name.startswith("cls_x.") for name in parts.head):
        raise ModelError(
            "the weights are MMPose's RTMPose, which Vitruvian doesn't have as a network: export them to ONNX with "
            "MMDeploy, and give that file instead"
        )
    return None


def _card(name: str, size: tuple[int, int], file: str, ap: float, parameters: int, gflops: float) -> ModelCard:
    card = ModelCard(name, "pose", "simdr", size, options=_options(2.0), skeleton=COCO17)
    return entry(card, on_coco(ap, VAL, parameters, gflops, _PAPER), rtm(file))


ARCHITECTURE = Architecture(
    name="rtmpose",
    title="RTMPose",
    task="pose",
    cards=(
        _card(
            "rtmpose_s_256x192",
            SMALL,
            "rtmpose-s_simcc-body7_pt-body7_420e-256x192-acd4a1ef_20230504",
            69.7,
            5_470_000,
            0.68,
        ),
        _card(
            "rtmpose_m_256x192",
            SMALL,
            "rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504",
            74.9,
            13_590_000,
            1.93,
        ),
        _card(
            "rtmpose_x_384x288",
            LARGE,
            "rtmpose-x_simcc-body7_pt-body7_700e-384x288-71d7b7e9_20230629",
            78.8,
            49_430_000,
            17.22,
        ),
    ),
    recognise=recognise,
    outputs="SimCC pairs (N, K, W*s) and (N, K, H*s)",
    mmpose=from_mmpose,
)
