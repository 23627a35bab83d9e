"""Simple Baselines (arXiv 1804.06208): heatmaps from ResNet-50 and three transposed convolutions."""

from __future__ import annotations

from dataclasses import dataclass

from ..cards import ModelCard
from ..skeletons import unnamed
from .backbones import (
    BGR_NOTE,
    HRNET_WIDTH,
    LARGE,
    RESNET_STAGES,
    SMALL,
    UPSAMPLING,
    check_resnet50,
    find_backbone,
    refuse_classifier,
    resnet_imagenet,
)
from .base import Architecture, Converted, Identity, Parts, Shapes, Spec, any_size, check_width, entry, rows
from .published import MMPOSE, VAL, mmpose, on_coco

_FOLDER = "v1/body_2d_keypoint/topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco"


@dataclass(frozen=True, kw_only=True)
class SimpleBaselinesSpec(Spec):
    """Simple Baselines on ResNet-50.

    Args:
        width: channels of the first stage (64). Fewer make slim nets.
        bgr: the network's channels are blue, green, red, as in the authors' weights; MMPose's are red, green, blue.

    Raises:
        ModelError: an option that the network can't have.
    """

    width: int = 64
    bgr: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_width(self.width)

    def __str__(self) -> str:
        return f"ResNet-50 {self.input_size[0]}x{self.input_size[1]} (heatmap)"


_SPECS = {
    "mmpose_resnet50_256x192": SimpleBaselinesSpec(input_size=SMALL),
    "mmpose_resnet50_384x288": SimpleBaselinesSpec(input_size=LARGE),
}


def describe(spec: SimpleBaselinesSpec, name: str, num_keypoints: int) -> ModelCard:
    """The card of a network, as its authors feed and read it."""
    return ModelCard(name, "pose", "heatmap", spec.input_size, bgr=spec.bgr, skeleton=unnamed(num_keypoints))


def identify(shapes: Shapes) -> Identity | None:
    """A ResNet-50 with layers that upsample its features, and a final layer; see `Architecture`."""
    if "layer4.0.conv1.weight" in shapes and HRNET_WIDTH not in shapes and UPSAMPLING not in shapes:
        refuse_classifier("a ResNet")
    if UPSAMPLING not in shapes or "final_layer.weight" not in shapes or "mlp_head_x.weight" in shapes:
        return None
    if not any(name.startswith("layer4.") for name in shapes):
        return None
    _, width = find_backbone(shapes)
    spec = SimpleBaselinesSpec(width=width, input_size=SMALL, bgr=True)
    return Identity(spec, None, rows(shapes, "final_layer.weight"), (BGR_NOTE,))


def from_mmpose(parts: Parts) -> Converted | None:
    """Its names are the authors'; it was trained on pictures in RGB, where the authors' are in BGR."""
    upsampled = any(name.startswith("deconv_layers.") for name in parts.head)
    if not upsampled or "mlp_head_x.weight" in parts.head or "layer1.0.conv1.weight" not in parts.backbone:
        return None
    check_resnet50(parts, "Simple Baselines and SimCC are")
    return Converted(
        {**parts.backbone, **parts.head}, {"bgr": False}, ("MMPose's Simple Baselines on ResNet-50, fed in RGB",)
    )


def _card(name: str, ap: float, gflops: float, path: str, sha256: str) -> ModelCard:
    return entry(
        describe(_SPECS[name], name, 17),
        on_coco(ap, VAL, 33_999_697, gflops, MMPOSE),
        mmpose(f"{_FOLDER}_{path}.pth", sha256),
    )


ARCHITECTURE = Architecture(
    name="simple_baselines",
    title="Simple Baselines",
    task="pose",
    # Multiply-adds as they are, not as the paper's tables count those of transposed convolutions (8.9).
    cards=(
        _card("mmpose_resnet50_256x192", 71.8, 5.05, "256x192-04af38ce_20220923", "04af38ce"),
        _card("mmpose_resnet50_384x288", 73.1, 11.37, "384x288-7b8db90e_20220923", "7b8db90e"),
    ),
    spec=SimpleBaselinesSpec,
    variants=_SPECS,
    builder="resnet:simple_baselines",
    describe=describe,
    identify=identify,
    resize=any_size,
    mmpose=from_mmpose,
    head=("deconv_layers.", "final_layer."),
    stages=lambda spec: RESNET_STAGES,
    imagenet=lambda spec: resnet_imagenet(spec.width),
)
