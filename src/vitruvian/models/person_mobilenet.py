"""Person detector of the project's own on MobileNetV2, read like YOLOX: PAN, decoupled anchor-free head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..cards import DetectorOptions, ModelCard, Published
from .base import Architecture, Spec, entry
from .mobilenet import MIDDLE, STAGES
from .person_csp import HEAD, IOU, check_channels


@dataclass(frozen=True, kw_only=True)
class PersonMobileNetSpec(Spec):
    """Person detector on MobileNetV2; see `vitruvian.networks.persons`.

    Args:
        neck: channels of what brings the stages together, and of the head.

    Raises:
        ModelError: an option that the network can't have.
    """

    neck: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_channels("neck", self.neck)

    def __str__(self) -> str:
        return f"a person detector on MobileNetV2 (neck {self.neck})"

    def counted(self, num_keypoints: int) -> str:
        """The number of results, in words."""
        return "1 class"


SPECS: Mapping[str, PersonMobileNetSpec] = MappingProxyType(
    {"person_mobilenet_384x384": PersonMobileNetSpec(neck=48, input_size=(384, 384))}
)


def describe(spec: PersonMobileNetSpec, name: str, num_keypoints: int) -> ModelCard:
    """The card of a network."""
    return ModelCard(name, "detection", "yolox", spec.input_size, MIDDLE, MIDDLE, options=DetectorOptions(iou=IOU))


ARCHITECTURE = Architecture(
    name="person_mobilenet",
    title="the package's person detector",
    task="detection",
    # Nothing is published of it; docs/default-models.md has what was measured.
    cards=tuple(
        entry(describe(spec, name, 0), Published(None, "", None, 1_971_957, 2.07, "https://arxiv.org/abs/1801.04381"))
        for name, spec in SPECS.items()
    ),
    spec=PersonMobileNetSpec,
    specs=SPECS,
    builder="persons:mobilenet_detector",
    describe=describe,
    head=HEAD,
    stages=lambda spec: STAGES,
)
