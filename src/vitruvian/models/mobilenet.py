"""MobileNetV2 with a feature pyramid, a light pose net that begins with the weights of MoveNet Thunder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..cards import HeatmapOptions, ModelCard, Triple
from ..errors import ModelError
from ..skeletons import unnamed
from .backbones import SMALL
from .base import Architecture, Spec, any_size, entry
from .published import on_coco

# MoveNet takes pixels from -1 to 1.
MIDDLE: Triple = (127.5, 127.5, 127.5)
# Prefixes of the backbone's tensors from the picture up.
STAGES = (("stem.",), *((f"stages.{number}.",) for number in range(7)))


@dataclass(frozen=True, kw_only=True)
class MobileNetSpec(Spec):
    """MobileNetV2 with a feature pyramid; see `vitruvian.networks.mobilenet`."""

    def __str__(self) -> str:
        return f"a MobileNetV2 with a feature pyramid {self.input_size[0]}x{self.input_size[1]} (heatmap)"


SPECS: Mapping[str, MobileNetSpec] = MappingProxyType({"pose_mobilenet_256x192": MobileNetSpec(input_size=SMALL)})


def describe(spec: MobileNetSpec, name: str, num_keypoints: int) -> ModelCard:
    """The card of a network."""
    options = HeatmapOptions(refine="dark")
    return ModelCard(
        name, "pose", "heatmap", spec.input_size, MIDDLE, MIDDLE, options=options, skeleton=unnamed(num_keypoints)
    )


def no_imagenet(spec: MobileNetSpec) -> str:
    """Raises ModelError."""
    raise ModelError("for MobileNetV2 take init: pose_mobilenet_256x192, the weights in the package")


ARCHITECTURE = Architecture(
    name="mobilenet",
    title="MobileNetV2 with a feature pyramid",
    task="pose",
    # Nothing is published of it; docs/default-models.md has what was measured.
    cards=tuple(
        entry(describe(spec, name, 17), on_coco(None, "", 3_041_274, 0.67, "")) for name, spec in SPECS.items()
    ),
    spec=MobileNetSpec,
    specs=SPECS,
    builder="mobilenet:mobilenet",
    describe=describe,
    resize=any_size,
    head=("final_layer.",),
    stages=lambda spec: STAGES[:-1],
    imagenet=no_imagenet,
)
