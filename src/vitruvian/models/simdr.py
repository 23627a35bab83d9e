"""SimDR and SimDR* (arXiv 2107.03332), known as SimCC later: keypoints as two classifications, on HRNet or ResNet-50.

MMPose's SimCC on ResNet-50 was trained on pictures in RGB, where the authors' are in BGR, and with Gaussian targets of
6 bins, as its published configurations have it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt
from types import MappingProxyType

from ..cards import ModelCard, Published, SimDROptions, Weights
from ..errors import ModelError
from ..skeletons import unnamed
from .backbones import (
    BGR_NOTE,
    LARGE,
    SMALL,
    BackboneSpec,
    check_resnet50,
    find_attention,
    find_backbone,
    imagenet,
    stages,
)
from .base import (
    SIZE_MULTIPLE,
    Architecture,
    Converted,
    Identity,
    Parts,
    Shapes,
    entry,
    first_published,
    rows,
)
from .published import MMPOSE, SIMDR, TEST, VAL, mmpose, on_coco, pose_estimation

# Bins, of the Gaussians that SimDR* and MMPose's SimCC are trained with.
_STAR_SIGMA = 4.0
_SIMCC_SIGMA = 6.0

_PIXELS = 16  # of the picture in one of a map
_STAR_IN_NAME = re.compile(r"sa[-_]?simdr", re.IGNORECASE)
_NOTE = "SimDR and SimDR* have the same network and give the same keypoints; their training and scores differ"

_FOLDER = "https://drive.google.com/drive/folders/1HtIkWDpHasULk_MArlGLtyf-XRAyAsuP"
_SIMCC = "v1/body_2d_keypoint/simcc/coco/simcc_res50"


@dataclass(frozen=True, kw_only=True)
class SimDRSpec(BackboneSpec):
    """SimDR.

    Args:
        split: bins per pixel.
        target_sigma: standard deviation in bins of the targets that SimDR* is trained with; 0 for SimDR. The network is
            the same, the codec isn't.
        bgr: the network's channels are blue, green, red, as in the authors' weights on ResNet; MMPose's are red, green,
            blue.

    Raises:
        ModelError: an option that the network can't have.
    """

    split: float = 2.0
    target_sigma: float = 0.0
    bgr: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.split <= 0:
            raise ModelError(f"split is {self.split}; it is a number of bins per pixel, above 0")

    @property
    def bins(self) -> tuple[int, int]:
        """Bins along x and along y."""
        return round(self.input_size[1] * self.split), round(self.input_size[0] * self.split)

    def __str__(self) -> str:
        return self.text("simdr")


# SimDR comes before SimDR*, which has the same tensors.
SPECS: Mapping[str, SimDRSpec] = MappingProxyType(
    {
        "simdr_hrnet_w32_256x192": SimDRSpec(width=32, input_size=SMALL),
        "simdr_hrnet_w48_256x192": SimDRSpec(width=48, input_size=SMALL),
        "sa_simdr_hrnet_w48_256x192": SimDRSpec(width=48, input_size=SMALL, target_sigma=_STAR_SIGMA),
        "sa_simdr_hrnet_w48_384x288": SimDRSpec(width=48, input_size=LARGE, split=1.5, target_sigma=_STAR_SIGMA),
    }
)

_MMPOSES = {
    f"mmpose_simcc_resnet50_{height}x{width}": SimDRSpec(
        backbone="resnet50", width=64, input_size=(height, width), target_sigma=_SIMCC_SIGMA
    )
    for height, width in (SMALL, LARGE)
}


def describe(spec: SimDRSpec, name: str, num_keypoints: int) -> ModelCard:
    """The card of a network, as its authors feed and read it."""
    # MMPose scores SimCC by the peaks of the logits, which aren't in 0..1; here it is their softmax, as for SimDR.
    # SimCC on ResNet that is fed in RGB is MMPose's, whose flip test shifts nothing.
    shift = spec.backbone == "hrnet" or spec.bgr
    options = SimDROptions(split=spec.split, sigma=spec.target_sigma, flip_shift=shift)
    skeleton = unnamed(num_keypoints)
    return ModelCard(name, "pose", "simdr", spec.input_size, bgr=spec.bgr, options=options, skeleton=skeleton)


def identify(shapes: Shapes) -> Identity | None:
    """A SimDR head tells the input size: it reads H * W / 16 values and gives W * split and H * split bins."""
    if "mlp_head_x.weight" not in shapes or "final_layer.weight" not in shapes:
        return None
    head = shapes["mlp_head_x.weight"]
    if len(head) != 2:
        raise ModelError(f"mlp_head_x.weight should have 2 dimensions, the file has {head or 'no such tensor'}")
    bins, pixels = head
    rows_of_y = rows(shapes, "mlp_head_y.weight")
    height = round(sqrt(pixels * _PIXELS * rows_of_y / max(bins, 1)) / SIZE_MULTIPLE) * SIZE_MULTIPLE
    width = pixels * _PIXELS // max(height, 1)
    split = bins / max(width, 1)
    fits = height * width == pixels * _PIXELS and round(height * split) == rows_of_y
    if not fits or not bins or width % SIZE_MULTIPLE:
        raise ModelError(f"a SimDR head of {bins} by {rows_of_y} bins over {pixels} values fits no input size")
    backbone, channels = find_backbone(shapes)
    bgr = backbone == "resnet50"
    spec = SimDRSpec(
        backbone=backbone,
        width=channels,
        input_size=(height, width),
        attention=find_attention(shapes),
        split=split,
        bgr=bgr,
    )
    name, found = first_published(SPECS, spec, target_sigma=0.0)
    taken = "SimDR*" if found.target_sigma else "SimDR"
    notes = (f"{_NOTE}: taken as {taken}", *(BGR_NOTE,) * bgr)
    return Identity(found, name, rows(shapes, "final_layer.weight"), notes)


def resize(identity: Identity, size: tuple[int, int] | None, stem: str) -> Identity:
    """The weights fix the input size; only the file's name tells whether they are SimDR*'s; see `Architecture`."""
    spec = identity.spec
    assert isinstance(spec, SimDRSpec)
    if size not in (None, spec.input_size):
        own, other = ("x".join(map(str, pair)) for pair in (spec.input_size, size or ()))
        raise ModelError(f"the weights take {own} (height x width) only, not {other}")
    if not _STAR_IN_NAME.search(stem):
        return identity
    spec = replace(spec, target_sigma=_STAR_SIGMA)
    return replace(identity, spec=spec, notes=())


def from_mmpose(parts: Parts) -> Converted | None:
    """SimCC from transposed convolutions, which 1.x keeps in a part `deconv_head`; see `Architecture`."""
    if "mlp_head_x.weight" not in parts.head or "layer1.0.conv1.weight" not in parts.backbone:
        return None
    if not any(name.startswith(("deconv_layers.", "deconv_head.")) for name in parts.head):
        return None
    check_resnet50(parts, "Simple Baselines and SimCC are")
    head = {name.removeprefix("deconv_head."): tensor for name, tensor in parts.head.items()}
    notes = (f"MMPose's SimCC on ResNet-50, fed in RGB: SimDR* with a sigma of {_SIMCC_SIGMA:g} bins",)
    return Converted({**parts.backbone, **head}, {"bgr": False, "target_sigma": _SIMCC_SIGMA}, notes)


def _card(name: str, published: Published, weights: Weights) -> ModelCard:
    return entry(describe({**SPECS, **_MMPOSES}[name], name, 17), published, weights)


ARCHITECTURE = Architecture(
    name="simdr",
    title="SimDR and SimDR*",
    task="pose",
    cards=(
        _card(
            "simdr_hrnet_w32_256x192",
            on_coco(75.3, VAL, 31_289_521, 7.16, SIMDR),
            pose_estimation("simdr_hrnet_w32_256x192.pth", "1Bd8h2H30tCN8WuLIhuSRF9ViN6zghj29"),
        ),
        _card(
            "simdr_hrnet_w48_256x192",
            on_coco(75.9, VAL, 66_349_153, 14.66, SIMDR),
            pose_estimation("simdr_hrnet_w48_256x192.pth", "1WU_9e0MxgrO8X4W6wKo16L8siCdwgLSZ"),
        ),
        _card(
            "sa_simdr_hrnet_w48_256x192",
            on_coco(75.4, TEST, 66_349_153, 14.66, SIMDR),
            pose_estimation("sa_simdr_hrnet_w48_256x192.pth", "1Tj9bGL7g7XRyL2F1a-uAcWhgYXnXpqBY"),
        ),
        _card(
            "sa_simdr_hrnet_w48_384x288",
            on_coco(76.0, TEST, 70_564_049, 32.99, SIMDR),
            Weights("sa_simdr_hrnet_w48_384x288.pth", source=_FOLDER, layout="HRNet's"),
        ),
        _card(
            "mmpose_simcc_resnet50_256x192",
            on_coco(72.1, VAL, 36_753_105, 5.1, MMPOSE),
            mmpose(f"{_SIMCC}_8xb64-210e_coco-256x192-8e0f5b59_20220919.pth", "8e0f5b59"),
        ),
        _card(
            "mmpose_simcc_resnet50_384x288",
            on_coco(73.5, VAL, 43_290_769, 11.52, MMPOSE),
            mmpose(f"{_SIMCC}_8xb32-140e_coco-384x288-45c3ba34_20220913.pth", "45c3ba34"),
        ),
    ),
    spec=SimDRSpec,
    specs=SPECS,
    variants=_MMPOSES,
    builder="heads:simdr",
    describe=describe,
    identify=identify,
    resize=resize,
    mmpose=from_mmpose,
    head=("deconv_layers.", "final_layer.", "mlp_head_x.", "mlp_head_y."),
    stages=stages,
    imagenet=imagenet,
)
