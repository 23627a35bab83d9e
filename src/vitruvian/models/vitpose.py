"""ViTPose (arXiv 2204.12484) and ViTPose+ (2212.04246): heatmaps from a plain vision transformer, on UDP's crops.

Two layouts of weights are read: the authors' (MMPose 0.x's) and that of Hugging Face's `usyd-community/vitpose-*`. Of
ViTPose+, whose last linear layers have a part for each data set, the part for COCO is taken. The release smooths
heatmaps with 11 taps before its sub-pixel step, UDP's step here with 7.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from ..cards import HeatmapOptions, ModelCard, Weights
from ..errors import ModelError
from ..skeletons import unnamed
from .backbones import SMALL
from .base import (
    Architecture,
    Converted,
    Identity,
    Parts,
    Shapes,
    Spec,
    Tensors,
    check_choice,
    check_width,
    entry,
    rows,
)
from .published import VAL, on_coco

if TYPE_CHECKING:
    from torch import Tensor

_PAGE = "https://github.com/ViTAE-Transformer/ViTPose"
_HUGGING_FACE = "https://huggingface.co/usyd-community"
_PATCH = 16
# Width to heads of the published sizes; others have 64 channels a head.
_HEADS = {384: 12, 768: 12, 1024: 16, 1280: 16}
# COCO is the first of ViTPose+'s data sets.
_COCO = 0


@dataclass(frozen=True, kw_only=True)
class ViTPoseSpec(Spec):
    """ViTPose.

    Args:
        width: length of a token, a multiple of `heads`.
        depth: number of blocks.
        heads: of the attention.
        decoder: "classic", with two transposed convolutions, or "simple", with upsampling.

    Raises:
        ModelError: an option that the network can't have.
    """

    width: int
    depth: int
    heads: int
    decoder: Literal["classic", "simple"] = "classic"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("decoder", self.decoder, ("classic", "simple"))
        check_width(self.width)
        if self.depth < 1 or self.heads < 1 or self.width % self.heads:
            raise ModelError(
                f"depth is {self.depth} and heads is {self.heads}; both are 1 or more, and heads divides {self.width}"
            )

    def __str__(self) -> str:
        size = f"{self.input_size[0]}x{self.input_size[1]}"
        return f"ViTPose {size} (width {self.width}, depth {self.depth}, {self.decoder} decoder)"


def _specs(decoder: Literal["classic", "simple"]) -> dict[str, ViTPoseSpec]:
    sizes = {"s": (384, 12), "b": (768, 12), "l": (1024, 24), "h": (1280, 32)}
    middle = "" if decoder == "classic" else "_simple"
    return {
        f"vitpose_{letter}{middle}_256x192": ViTPoseSpec(
            width=width, depth=depth, heads=_HEADS[width], decoder=decoder, input_size=SMALL
        )
        for letter, (width, depth) in sizes.items()
    }


SPECS: Mapping[str, ViTPoseSpec] = MappingProxyType({**_specs("classic"), **_specs("simple")})
_PLUS = {name.replace("vitpose_", "vitpose_plus_"): spec for name, spec in _specs("classic").items()}

# name, AP on val, parameters, GFLOPs without the products inside of the attention, file at Hugging Face. The authors'
# files are on OneDrive, which opens in a browser only.
_TABLE = (
    ("vitpose_s_256x192", 73.8, 24_290_577, 4.89, ""),
    ("vitpose_b_256x192", 75.8, 89_994_513, 16.62, "vitpose-base"),
    ("vitpose_l_256x192", 78.3, 308_544_785, 55.65, ""),
    ("vitpose_h_256x192", 79.1, 637_208_849, 114.38, ""),
    ("vitpose_s_simple_256x192", 73.5, 21_722_513, 4.02, ""),
    ("vitpose_b_simple_256x192", 75.5, 85_912_337, 15.63, "vitpose-base-simple"),
    ("vitpose_l_simple_256x192", 78.2, 303_453_201, 54.59, ""),
    ("vitpose_h_simple_256x192", 78.9, 631_107_857, 113.24, ""),
    ("vitpose_plus_s_256x192", 75.8, 24_290_577, 4.89, "vitpose-plus-small"),
    ("vitpose_plus_b_256x192", 77.0, 89_994_513, 16.62, "vitpose-plus-base"),
    ("vitpose_plus_l_256x192", 78.6, 308_544_785, 55.65, "vitpose-plus-large"),
    ("vitpose_plus_h_256x192", 79.4, 637_208_849, 114.38, "vitpose-plus-huge"),
)


def describe(spec: ViTPoseSpec, name: str, num_keypoints: int) -> ModelCard:
    """The card of a network, as its authors feed and read it."""
    options = HeatmapOptions(aligned=True, refine="udp")
    return ModelCard(name, "pose", "heatmap", spec.input_size, options=options, skeleton=unnamed(num_keypoints))


def identify(shapes: Shapes) -> Identity | None:
    """Patches, a position for each, and a final layer; see `Architecture`."""
    if not {"patch_embed.proj.weight", "pos_embed", "final_layer.weight"} <= shapes.keys():
        return None
    if len(shapes["pos_embed"]) != 3:
        raise ModelError(f"pos_embed is {shapes['pos_embed']}; it should have 3 dimensions")
    width = rows(shapes, "patch_embed.proj.weight")
    positions = shapes["pos_embed"][1] - 1
    # Pictures are 4:3, as all published ones.
    across = isqrt(positions * 3 // 4)
    if across * across * 4 != positions * 3 or not positions:
        raise ModelError(f"pos_embed is for {positions} patches, which is no grid of 4:3")
    depth = len({name.split(".")[1] for name in shapes if name.startswith("blocks.")})
    spec = ViTPoseSpec(
        width=width,
        depth=depth,
        heads=_HEADS.get(width, max(width // 64, 1)),
        decoder="classic" if "deconv_layers.0.weight" in shapes else "simple",
        input_size=(across * 4 // 3 * _PATCH, across * _PATCH),
    )
    name = next((name for name, item in SPECS.items() if item == spec), None)
    return Identity(spec, name, rows(shapes, "final_layer.weight"))


def resize(identity: Identity, size: tuple[int, int] | None, stem: str) -> Identity:
    """The weights fix the input size; see `Architecture`."""
    own = identity.spec.input_size
    if size not in (None, own):
        raise ModelError(f"the weights take {own[0]}x{own[1]} (height x width) only")
    return identity


def from_mmpose(parts: Parts) -> Converted | None:
    """The authors' names, but for those of MMPose's parts; see `Architecture`."""
    if "pos_embed" not in parts.backbone or "patch_embed.proj.weight" not in parts.backbone:
        return None
    tensors, notes = _of_coco({**parts.backbone, **parts.head})
    tensors.pop("cls_token", None)
    return Converted(tensors, notes=("ViTPose under the authors' names", *notes))


# Names at Hugging Face and their authors' ones, of what is no query, key or value.
_RENAMED = (
    ("backbone.embeddings.patch_embeddings.projection.", "patch_embed.proj."),
    ("backbone.embeddings.position_embeddings", "pos_embed"),
    ("backbone.encoder.layer.", "blocks."),
    (".attention.output.dense.", ".attn.proj."),
    (".layernorm_before.", ".norm1."),
    (".layernorm_after.", ".norm2."),
    ("backbone.layernorm.", "last_norm."),
    ("head.deconv1.", "deconv_layers.0."),
    ("head.batchnorm1.", "deconv_layers.1."),
    ("head.deconv2.", "deconv_layers.3."),
    ("head.batchnorm2.", "deconv_layers.4."),
    ("head.conv.", "final_layer."),
)
_QUERY = re.compile(r"^(blocks\.\d+)\.attention\.attention\.query\.(weight|bias)$")


def from_transformers(tensors: Tensors) -> Converted | None:
    """The layout of `VitPoseForPoseEstimation` in the package `transformers`; see `Architecture`."""
    if "backbone.embeddings.position_embeddings" not in tensors:
        return None
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        for theirs, ours in _RENAMED:
            name = name.replace(theirs, ours)
        renamed[name] = tensor
    for name in list(renamed):
        if not (found := _QUERY.match(name)):
            continue
        names = [name.replace(".query.", f".{part}.") for part in ("query", "key", "value")]
        missing = [part for part in names if part not in renamed]
        if missing:
            raise ModelError(f"a ViTPose of Hugging Face's without {missing[0]}")
        renamed[f"{found[1]}.attn.qkv.{found[2]}"] = _stacked([renamed.pop(part) for part in names])
    plain, notes = _of_coco(renamed)
    return Converted(plain, notes=("Hugging Face's ViTPose under the authors' names", *notes))


def _of_coco(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Tensors of ViTPose+ as those of the plain network for COCO: its part stands behind the shared one."""
    plain = {name: tensor for name, tensor in tensors.items() if ".mlp.experts." not in name}
    taken = 0
    for name in tensors:
        layer, found, rest = name.partition(f".mlp.experts.{_COCO}.")
        shared = f"{layer}.mlp.fc2.{rest}"
        if found and shared in plain:
            plain[shared] = _stacked([plain[shared], tensors[name]])
            taken += 1
    return plain, ("of ViTPose+ the part for COCO",) if taken else ()


def _stacked(tensors: list[Tensor]) -> Tensor:
    """Tensors one below the other."""
    whole = tensors[0].new_empty((sum(map(len, tensors)), *tensors[0].shape[1:]))
    start = 0
    for tensor in tensors:
        whole[start : start + len(tensor)] = tensor
        start += len(tensor)
    return whole


def _card(name: str, ap: float, parameters: int, gflops: float, repository: str) -> ModelCard:
    weights = Weights(f"{name}.pth", licence="Apache-2.0", source=_PAGE, layout="MMPose's")
    if repository:
        page = f"{_HUGGING_FACE}/{repository}"
        urls = (f"{page}/resolve/main/model.safetensors",)
        weights = Weights(f"{repository}.safetensors", urls, "", None, "Apache-2.0", page, "transformers'")
    published = on_coco(ap, VAL, parameters, gflops, _PAGE)
    return entry(describe({**SPECS, **_PLUS}[name], name, 17), published, weights)


def stages(spec: ViTPoseSpec) -> tuple[tuple[str, ...], ...]:
    """The patches, and four quarters of the blocks; see `Architecture`."""
    ends = [spec.depth * quarter // 4 for quarter in range(5)]
    quarters = pairwise(ends)
    blocks = [tuple(f"blocks.{number}." for number in range(start, end)) for start, end in quarters]
    return (("patch_embed.", "pos_embed"), *blocks)


def no_imagenet(spec: ViTPoseSpec) -> str:
    """Raises ModelError."""
    raise ModelError("ViTPose's backbones start from MAE's weights (facebookresearch/mae), which have no name here")


ARCHITECTURE = Architecture(
    name="vitpose",
    title="ViTPose",
    task="pose",
    cards=tuple(_card(*line) for line in _TABLE),
    spec=ViTPoseSpec,
    specs=SPECS,
    variants=_PLUS,
    builder="vitpose:vitpose",
    describe=describe,
    identify=identify,
    resize=resize,
    layouts=(from_transformers,),
    mmpose=from_mmpose,
    head=("deconv_layers.", "final_layer."),
    stages=stages,
    imagenet=no_imagenet,
)
