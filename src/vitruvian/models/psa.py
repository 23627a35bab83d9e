"""PSA (arXiv 2107.00782): HRNet with polarized self-attention in every basic block, on UDP's heatmaps (1911.07524)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ..cards import HeatmapOptions, ModelCard
from ..skeletons import unnamed
from .backbones import HRNET_STAGES, HRNET_WIDTH, LARGE, SMALL, find_attention
from .base import (
    Architecture,
    Identity,
    Shapes,
    Spec,
    any_size,
    check_choice,
    check_width,
    entry,
    first_published,
    rows,
)
from .published import TEST, on_coco

_PAGE = "https://github.com/DeLightCMU/PSA"


@dataclass(frozen=True, kw_only=True)
class PSASpec(Spec):
    """PSA on HRNet.

    Args:
        width: channels of the first branch (the 48 of W48).
        attention: the two halves of polarized self-attention side by side ("parallel") or in "sequential" order.

    Raises:
        ModelError: an option that the network can't have.
    """

    width: int
    attention: Literal["parallel", "sequential"]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("attention", self.attention, ("parallel", "sequential"))
        check_width(self.width)

    def __str__(self) -> str:
        size = f"{self.input_size[0]}x{self.input_size[1]}"
        return f"HRNet-W{self.width} {size} (heatmap, {self.attention} polarized attention)"


SPECS: Mapping[str, PSASpec] = MappingProxyType(
    {
        "psa_p_hrnet_w48_256x192": PSASpec(width=48, input_size=SMALL, attention="parallel"),
        "psa_p_hrnet_w48_384x288": PSASpec(width=48, input_size=LARGE, attention="parallel"),
        "psa_s_hrnet_w48_384x288": PSASpec(width=48, input_size=LARGE, attention="sequential"),
    }
)

# name, AP on test-dev, parameters, GFLOPs. The authors published no weights.
_TABLE = (
    ("psa_p_hrnet_w48_256x192", 78.9, 69_950_945, 15.65),
    ("psa_p_hrnet_w48_384x288", 79.5, 69_950_945, 35.21),
    ("psa_s_hrnet_w48_384x288", 79.4, 68_980_289, 35.21),
)


def describe(spec: PSASpec, name: str, num_keypoints: int) -> ModelCard:
    """The card of a network: aligned crops and a sub-pixel step of its own, as the authors build on UDP."""
    options = HeatmapOptions(aligned=True, refine="udp")
    return ModelCard(name, "pose", "heatmap", spec.input_size, options=options, skeleton=unnamed(num_keypoints))


def identify(shapes: Shapes) -> Identity | None:
    """HRNet with attention in its blocks and a final layer; see `Architecture`."""
    attention = find_attention(shapes)
    if attention == "none" or HRNET_WIDTH not in shapes or "mlp_head_x.weight" in shapes:
        return None
    spec = PSASpec(width=rows(shapes, HRNET_WIDTH), input_size=SMALL, attention=attention)
    name, found = first_published(SPECS, spec, input_size=SMALL)
    return Identity(found, name, rows(shapes, "final_layer.weight"))


ARCHITECTURE = Architecture(
    name="psa",
    title="PSA",
    task="pose",
    cards=tuple(
        entry(describe(SPECS[name], name, 17), on_coco(ap, TEST, parameters, gflops, _PAGE))
        for name, ap, parameters, gflops in _TABLE
    ),
    spec=PSASpec,
    specs=SPECS,
    builder="hrnet:psa_hrnet",
    describe=describe,
    identify=identify,
    resize=any_size,
    head=("final_layer.",),
    stages=lambda spec: HRNET_STAGES,
    imagenet=lambda spec: f"hrnet_w{spec.width}",
)
