"""Backbones that several architectures share: HRNet and ResNet-50, told apart by the names of their tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import ModelError
from .base import Parts, Shapes, Spec, check_choice, check_width, rows

if TYPE_CHECKING:
    from ..cards import Triple

Backbone = Literal["hrnet", "resnet50"]
Attention = Literal["none", "parallel", "sequential"]

HRNET_WIDTH = "stage2.0.branches.0.0.conv1.weight"
UPSAMPLING = "deconv_layers.0.weight"

SMALL, LARGE = (256, 192), (384, 288)
UNIT_STD: Triple = (255.0, 255.0, 255.0)
BGR_NOTE = "fed in BGR, as Simple Baselines' and SimDR's authors feed ResNet"

HRNET_STAGES = (
    ("conv1.", "bn1.", "conv2.", "bn2."),
    ("layer1.",),
    ("transition1.", "stage2."),
    ("transition2.", "stage3."),
    ("transition3.", "stage4."),
)
RESNET_STAGES = (("conv1.", "bn1."), ("layer1.",), ("layer2.",), ("layer3.",), ("layer4.",))

_RESNET_WIDTH = 64


@dataclass(frozen=True, kw_only=True)
class BackboneSpec(Spec):
    """A pose network on one of the shared backbones.

    Args:
        backbone: "hrnet" (arXiv 1908.07919) or "resnet50" (1512.03385).
        width: channels of HRNet's first branch (the 32 of W32), or of ResNet's first stage (64). Fewer make slim nets.
        attention: polarized self-attention (2107.00782) in every basic block of HRNet.

    Raises:
        ModelError: an option that the network can't have.
    """

    backbone: Backbone = "hrnet"
    width: int
    attention: Attention = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("backbone", self.backbone, ("hrnet", "resnet50"))
        check_choice("attention", self.attention, ("none", "parallel", "sequential"))
        check_width(self.width)
        if self.backbone != "hrnet" and self.attention != "none":
            raise ModelError(f"{self.backbone} comes without attention; take hrnet for {self.attention!r}")

    def text(self, head: str) -> str:
        """The network in words, with the kind of its head."""
        backbone = f"HRNet-W{self.width}" if self.backbone == "hrnet" else "ResNet-50"
        attention = "" if self.attention == "none" else f", {self.attention} polarized attention"
        return f"{backbone} {self.input_size[0]}x{self.input_size[1]} ({head}{attention})"


def find_backbone(shapes: Shapes, prefix: str = "") -> tuple[Backbone, int]:
    """The backbone whose names stand behind a prefix, and its width. Raises ModelError for another ResNet."""
    if prefix + HRNET_WIDTH in shapes:
        return "hrnet", rows(shapes, prefix + HRNET_WIDTH)
    if f"{prefix}layer3.6.conv1.weight" in shapes:
        raise ModelError("the weights are on a ResNet deeper than ResNet-50, which Vitruvian doesn't have")
    if f"{prefix}layer4.2.conv3.weight" not in shapes:
        raise ModelError("the weights are on a ResNet other than ResNet-50, which Vitruvian doesn't have")
    return "resnet50", rows(shapes, f"{prefix}conv1.weight")


def find_attention(shapes: Shapes) -> Attention:
    """The kind of polarized self-attention in the blocks."""
    names = [name for name in shapes if ".deattn." in name]
    if any(name.endswith(".deattn.conv_up.0.weight") for name in names):
        return "sequential"
    return "parallel" if names else "none"


def refuse_classifier(what: str) -> None:
    """Raises ModelError: a backbone without a pose head."""
    raise ModelError(
        f"the weights are {what} without a pose head, as trained on ImageNet: a start for training, which "
        "vitruvian.networks.load_backbone takes, but no pose net"
    )


def stages(spec: BackboneSpec) -> tuple[tuple[str, ...], ...]:
    """Prefixes of the backbone's stages, see `Architecture`."""
    return HRNET_STAGES if spec.backbone == "hrnet" else RESNET_STAGES


def imagenet(spec: BackboneSpec) -> str:
    """The name of the ImageNet weights. Raises ModelError for a slim ResNet; HRNets are looked up by their width."""
    return f"hrnet_w{spec.width}" if spec.backbone == "hrnet" else resnet_imagenet(spec.width)


def resnet_imagenet(width: int) -> str:
    """The name of ResNet-50's ImageNet weights. Raises ModelError for a slim one."""
    if width != _RESNET_WIDTH:
        raise ModelError(f"ResNet-50 of width {width} was never trained on ImageNet")
    return "resnet50"


def check_resnet50(parts: Parts, what: str) -> None:
    """Raises ModelError for a network of MMPose on another backbone than ResNet-50."""
    if "layer4.2.conv3.weight" not in parts.backbone or "layer3.6.conv1.weight" in parts.backbone:
        raise ModelError(f"MMPose's {what} read on ResNet-50 only; this file has another backbone")
