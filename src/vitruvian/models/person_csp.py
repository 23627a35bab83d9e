"""Person detector of the project's own, read like YOLOX: CSP backbone, PAN, decoupled anchor-free head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..cards import DetectorOptions, ModelCard, Published, Triple
from ..errors import ModelError
from .base import LEAST_WIDTH, Architecture, Spec, entry

# Letterboxes are grey at 114, which is then 0, like the borders that convolutions see.
_MEAN: Triple = (114.0, 114.0, 114.0)
_STD: Triple = (57.0, 57.0, 57.0)
# Of the small detector's boxes around one person some overlap less than those of larger ones (training/README.md).
IOU = 0.5
# Whatever isn't backbone: neck and head.
HEAD = ("lateral", "down", "shrink", "up", "head.")


def check_channels(name: str, channels: int) -> None:
    """Raises ModelError for an odd number of channels, or fewer than 8."""
    if channels < LEAST_WIDTH or channels % 2:
        raise ModelError(f"{name} is {channels}; it is an even number of channels, {LEAST_WIDTH} or more")


@dataclass(frozen=True, kw_only=True)
class PersonSpec(Spec):
    """Person detector; see `vitruvian.networks.persons`.

    Args:
        width: channels at stride 4; deeper stages have twice, four and eight times as many.
        neck: channels of what brings the stages together, and of the head.
        depth: residual blocks of a stage.

    Raises:
        ModelError: an option that the network can't have.
    """

    width: int
    neck: int
    depth: int

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, channels in (("width", self.width), ("neck", self.neck)):
            check_channels(name, channels)
        if self.depth < 1:
            raise ModelError(f"depth is {self.depth}; it is a number of blocks, 1 or more")

    def __str__(self) -> str:
        return f"a person detector (width {self.width}, neck {self.neck}, depth {self.depth})"

    def counted(self, num_keypoints: int) -> str:
        """The number of results, in words."""
        return "1 class"


SPECS: Mapping[str, PersonSpec] = MappingProxyType(
    {"person_csp_w32_416x416": PersonSpec(width=32, neck=48, depth=1, input_size=(416, 416))}
)


def describe(spec: PersonSpec, name: str, num_keypoints: int) -> ModelCard:
    """The card of a network."""
    return ModelCard(name, "detection", "yolox", spec.input_size, _MEAN, _STD, options=DetectorOptions(iou=IOU))


ARCHITECTURE = Architecture(
    name="person_csp",
    title="person detector of plain convolutions",
    task="detection",
    # After RTMDet; nothing is published of it.
    cards=tuple(
        entry(describe(spec, name, 0), Published(None, "", None, 1_369_509, 1.53, "https://arxiv.org/abs/2212.07784"))
        for name, spec in SPECS.items()
    ),
    spec=PersonSpec,
    specs=SPECS,
    builder="persons:csp_detector",
    describe=describe,
    head=HEAD,
    stages=lambda spec: (("stem.0.",), ("stem.1.",), ("stage8.",), ("stage16.",), ("stage32.",)),
)
