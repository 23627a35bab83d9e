"""Pyramid, the project's own slim pose net: heatmap logits from a residual encoder and a light decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..cards import HeatmapOptions, ModelCard
from ..errors import ModelError
from ..skeletons import unnamed
from .backbones import SMALL
from .base import Architecture, Spec, any_size, check_width, entry
from .published import on_coco


@dataclass(frozen=True, kw_only=True)
class PyramidSpec(Spec):
    """Pyramid; see `vitruvian.networks.pyramid`.

    Args:
        width: channels of the first stage.

    Raises:
        ModelError: an option that the network can't have.
    """

    width: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_width(self.width)

    def __str__(self) -> str:
        return f"a pyramid of width {self.width} {self.input_size[0]}x{self.input_size[1]} (heatmap)"


SPECS: Mapping[str, PyramidSpec] = MappingProxyType(
    {"pose_pyramid_w32_256x192": PyramidSpec(width=32, input_size=SMALL)}
)


def describe(spec: Spec, name: str, num_keypoints: int) -> ModelCard:
    """The card of a network."""
    options = HeatmapOptions(aligned=True, softmax=True, refine="dark")
    return ModelCard(name, "pose", "heatmap", spec.input_size, options=options, skeleton=unnamed(num_keypoints))


def no_imagenet(spec: PyramidSpec) -> str:
    """Raises ModelError."""
    raise ModelError("pyramids were never trained on ImageNet")


ARCHITECTURE = Architecture(
    name="pyramid",
    title="Pyramid",
    task="pose",
    # Nothing is published of it; docs/default-models.md has what was measured.
    cards=tuple(
        entry(describe(spec, name, 17), on_coco(None, "", 2_358_625, 0.52, "")) for name, spec in SPECS.items()
    ),
    spec=PyramidSpec,
    specs=SPECS,
    builder="pyramid:pyramid",
    describe=describe,
    resize=any_size,
    head=("final_layer.",),
    stages=lambda spec: (("stem.",), ("stages.0.",), ("stages.1.",), ("stages.2.",), ("stages.3.",)),
    imagenet=no_imagenet,
)
