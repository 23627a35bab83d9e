"""RLEPose (arXiv 2107.11291): keypoints as coordinates with an uncertainty each, on ResNet-50 or HRNet.

MMPose's RLE differs in arithmetic: one linear layer of four numbers a keypoint (x, y in 0..1 of the picture, and two
sigmas before their sigmoid) reads the feature as it is, not divided by its norm. Here it becomes the authors' two
layers, the coordinates moved by a half, and `feature_norm` is off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from ..cards import IMAGENET_MEAN, IMAGENET_STD, ModelCard, Published, Triple, Weights
from ..errors import ModelError
from ..skeletons import unnamed
from .backbones import (
    HRNET_WIDTH,
    LARGE,
    SMALL,
    UNIT_STD,
    BackboneSpec,
    check_resnet50,
    find_attention,
    find_backbone,
    imagenet,
    stages,
)
from .base import Architecture, Converted, Identity, Parts, Shapes, any_size, entry, first_published, rows, strip
from .published import MMPOSE, TEST, VAL, google_drive, mmpose, on_coco

_PAGE = "https://github.com/Jeff-sjtu/res-loglikelihood-regression"
_PAPER = "https://arxiv.org/abs/2107.11291"
# The release subtracts these from RGB in 0..1 and divides by nothing.
_MEAN: Triple = (0.406 * 255, 0.457 * 255, 0.480 * 255)


@dataclass(frozen=True, kw_only=True)
class RLESpec(BackboneSpec):
    """RLEPose.

    Args:
        feature_norm: the coordinate layer divides by the norm of the feature, as its authors' does; MMPose's doesn't.

    Raises:
        ModelError: an option that the network can't have.
    """

    feature_norm: bool = True

    def __str__(self) -> str:
        return self.text("regression")


SPECS: Mapping[str, RLESpec] = MappingProxyType(
    {
        "rle_resnet50_256x192": RLESpec(backbone="resnet50", width=64, input_size=SMALL),
        "rle_hrnet_w48_384x288": RLESpec(width=48, input_size=LARGE),
    }
)
_MMPOSES = {"mmpose_rle_resnet50_256x192": replace(SPECS["rle_resnet50_256x192"], feature_norm=False)}


def describe(spec: RLESpec, name: str, num_keypoints: int) -> ModelCard:
    """The card of a network, as its authors feed and read it."""
    mean, std = (_MEAN, UNIT_STD) if spec.feature_norm else (IMAGENET_MEAN, IMAGENET_STD)
    return ModelCard(name, "pose", "regression", spec.input_size, mean, std, skeleton=unnamed(num_keypoints))


def identify(shapes: Shapes) -> Identity | None:
    """A backbone behind ``preact.`` and two linear layers; see `Architecture`."""
    if f"preact.{HRNET_WIDTH}" not in shapes and "preact.layer4.2.conv3.weight" not in shapes:
        return None
    count = rows(shapes, "fc_coord.linear.weight")
    if count % 2:
        raise ModelError(f"fc_coord.linear gives {count} numbers, which are no pairs of coordinates")
    backbone, width = find_backbone(shapes, "preact.")
    spec = RLESpec(backbone=backbone, width=width, input_size=SMALL, attention=find_attention(shapes))
    name, found = first_published(SPECS, spec, input_size=SMALL)
    return Identity(found, name, count // 2)


def from_mmpose(parts: Parts) -> Converted | None:
    """One layer becomes two, and the loss's flow comes along; see `Architecture`."""
    if "fc.weight" not in parts.head:
        return None
    check_resnet50(parts, "regression is")
    # 0.x calls the part of the loss that has weights `loss`, 1.x `loss_module`.
    flow = {**strip(parts.head, "loss.flow_model."), **strip(parts.head, "loss_module.flow_model.")}
    weight, bias = parts.head["fc.weight"], parts.head.get("fc.bias")
    if not flow or bias is None or weight.dim() != 2 or len(weight) % 4 or bias.shape != weight.shape[:1]:
        raise ModelError(
            f"the weights are MMPose's regression with {len(weight)} numbers and without a flow: DeepPose, a "
            "classifier, or another that isn't RLE, which Vitruvian doesn't have"
        )
    # (K, 4, ...): x, y, and the sigmas of both.
    weights, biases = weight.view(-1, 4, weight.shape[1]), bias.view(-1, 4)
    ours = {f"preact.{name}": tensor for name, tensor in parts.backbone.items()}
    for name, columns, shift in (("fc_coord", slice(0, 2), 0.5), ("fc_sigma", slice(2, 4), 0.0)):
        ours[f"{name}.linear.weight"] = weights[:, columns].flatten(0, 1).contiguous()
        ours[f"{name}.linear.bias"] = (biases[:, columns] - shift).flatten()
    # Its prior is the standard normal.
    ours |= {f"flow.{name}": tensor for name, tensor in flow.items() if name not in ("loc", "cov")}
    notes = ("MMPose's RLE: its layer split in two, coordinates moved to -0.5..0.5, no division by the feature's norm",)
    return Converted(ours, {"feature_norm": False}, notes)


def _card(name: str, published: Published, weights: Weights | None = None) -> ModelCard:
    return entry(describe({**SPECS, **_MMPOSES}[name], name, 17), published, weights)


ARCHITECTURE = Architecture(
    name="rle",
    title="RLEPose",
    task="pose",
    cards=(
        _card(
            "rle_resnet50_256x192",
            on_coco(None, "", 23_701_148, 4.0, _PAPER),
            Weights(
                "coco-laplace-rle.pth",
                google_drive("1YBHqNKkxIVv8CqgDxkezC-4vyKpx-zXK"),
                source=_PAGE,
                layout="RLE's",
            ),
        ),
        _card("rle_hrnet_w48_384x288", on_coco(75.7, TEST, 65_427_932, 35.74, _PAPER)),
        _card(
            "mmpose_rle_resnet50_256x192",
            on_coco(70.4, VAL, 23_701_148, 4.0, MMPOSE),
            mmpose("top_down/deeppose/deeppose_res50_coco_256x192_rle-2ea9bb4a_20220616.pth", "2ea9bb4a"),
        ),
    ),
    spec=RLESpec,
    specs=SPECS,
    variants=_MMPOSES,
    builder="heads:rle",
    describe=describe,
    identify=identify,
    resize=any_size,
    mmpose=from_mmpose,
    head=("fc_coord.", "fc_sigma.", "flow."),
    prefix="preact.",
    stages=stages,
    imagenet=imagenet,
)
