"""PoseHRNet (arXiv 1908.07919): heatmaps from HRNet's branch of highest resolution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..cards import HeatmapOptions, ModelCard, Weights
from ..skeletons import unnamed
from .backbones import HRNET_STAGES, HRNET_WIDTH, LARGE, SMALL, refuse_classifier
from .base import (
    Architecture,
    Converted,
    Identity,
    OnnxFile,
    Parts,
    Shapes,
    Spec,
    any_size,
    check_width,
    entry,
    first_published,
    rows,
)
from .published import HRNET, MMPOSE, VAL, google_drive, mmpose, on_coco, pose_estimation

_FOLDER = "https://drive.google.com/drive/folders/1hOTihvbyIxsm5ygDpbUuJ7O_tzv4oXjC"


@dataclass(frozen=True, kw_only=True)
class HRNetSpec(Spec):
    """PoseHRNet.

    Args:
        width: channels of the first branch (the 32 of W32).

    Raises:
        ModelError: an option that the network can't have.
    """

    width: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_width(self.width)

    def __str__(self) -> str:
        return f"HRNet-W{self.width} {self.input_size[0]}x{self.input_size[1]} (heatmap)"


SPECS: Mapping[str, HRNetSpec] = MappingProxyType(
    {
        "pose_hrnet_w32_256x192": HRNetSpec(width=32, input_size=SMALL),
        "pose_hrnet_w32_384x288": HRNetSpec(width=32, input_size=LARGE),
        "pose_hrnet_w48_256x192": HRNetSpec(width=48, input_size=SMALL),
        "pose_hrnet_w48_384x288": HRNetSpec(width=48, input_size=LARGE),
    }
)


def _weights(filename: str, *ids: str, sha256: str = "", size: int | None = None) -> Weights:
    return Weights(filename, google_drive(*ids), sha256, size, "MIT", HRNET if ids else _FOLDER, "HRNet's")


# name, the same network's name in SPECS, AP on val, parameters, GFLOPs, page, file. All but two files of the authors'
# are in folders only, which open in a browser and nowhere else.
_TABLE: tuple[tuple[str, str, float, int, float, str, Weights], ...] = (
    (
        "pose_hrnet_w32_256x192",
        "pose_hrnet_w32_256x192",
        74.4,
        28_536_113,
        7.12,
        HRNET,
        _weights(
            "pose_hrnet_w32_256x192.pth",
            "1zYC7go9EV0XaSlSBjMaiyE_4TcHc_S38",
            sha256="19bc083708bb8d873211e50d85d56344c10290c6e8b564c813fdde09645c4c1c",
            size=114_721_619,
        ),
    ),
    (
        "posehrnet_w32_256x192",
        "pose_hrnet_w32_256x192",
        74.4,
        28_536_113,
        7.12,
        HRNET,
        pose_estimation("posehrnet_w32_256x192.pth", "1os6T42ri4zsVPXwceli3J3KtksIaaGgu", "MIT"),
    ),
    (
        "pose_hrnet_w32_384x288",
        "pose_hrnet_w32_384x288",
        75.8,
        28_536_113,
        16.02,
        HRNET,
        _weights("pose_hrnet_w32_384x288.pth"),
    ),
    (
        "pose_hrnet_w48_256x192",
        "pose_hrnet_w48_256x192",
        75.1,
        63_595_745,
        14.61,
        HRNET,
        pose_estimation("posehrnet_w48_256x192.pth", "1MbEjiXkV83Pm3G2o_Rni4j9CT_jRDSAQ", "MIT"),
    ),
    (
        "pose_hrnet_w48_384x288",
        "pose_hrnet_w48_384x288",
        76.3,
        63_595_745,
        32.88,
        HRNET,
        _weights(
            "pose_hrnet_w48_384x288.pth",
            "1UoJhTtjHNByZSm96W3yFTfU5upJnsKiS",
            sha256="95e0fec3194826d5e3f806ea89be68bbb84517b114c3a32b3058c56610b5ef61",
            size=255_061_287,
        ),
    ),
    (
        "mmpose_hrnet_w32_256x192",
        "pose_hrnet_w32_256x192",
        74.6,
        28_536_113,
        7.12,
        MMPOSE,
        mmpose("top_down/hrnet/hrnet_w32_coco_256x192-c78dce93_20200708.pth", "c78dce93"),
    ),
    (
        "mmpose_hrnet_w32_384x288",
        "pose_hrnet_w32_384x288",
        76.0,
        28_536_113,
        16.02,
        MMPOSE,
        mmpose("top_down/hrnet/hrnet_w32_coco_384x288-d9f0d786_20200708.pth", "d9f0d786"),
    ),
    (
        "mmpose_hrnet_w48_256x192",
        "pose_hrnet_w48_256x192",
        75.6,
        63_595_745,
        14.61,
        MMPOSE,
        mmpose("top_down/hrnet/hrnet_w48_coco_256x192-b9e0b3ab_20200708.pth", "b9e0b3ab"),
    ),
    (
        "mmpose_hrnet_w48_384x288",
        "pose_hrnet_w48_384x288",
        76.7,
        63_595_745,
        32.88,
        MMPOSE,
        mmpose("top_down/hrnet/hrnet_w48_coco_384x288-314c8528_20200708.pth", "314c8528"),
    ),
)


def describe(spec: HRNetSpec, name: str, num_keypoints: int) -> ModelCard:
    """The card of a network, as its authors feed and read it."""
    return ModelCard(name, "pose", "heatmap", spec.input_size, skeleton=unnamed(num_keypoints))


def identify(shapes: Shapes) -> Identity | None:
    """HRNet with a final layer and nothing more; see `Architecture`."""
    if HRNET_WIDTH not in shapes:
        return None
    if "classifier.weight" in shapes or "final_layer.weight" not in shapes:
        refuse_classifier(f"HRNet-W{rows(shapes, HRNET_WIDTH)}")
    if "mlp_head_x.weight" in shapes or any(".deattn." in name for name in shapes):
        return None
    spec = HRNetSpec(width=rows(shapes, HRNET_WIDTH), input_size=SMALL)
    name, found = first_published(SPECS, spec, input_size=SMALL)
    return Identity(found, name, rows(shapes, "final_layer.weight"))


def from_mmpose(parts: Parts) -> Converted | None:
    """Heatmaps, or SimCC without deconvolutions, which is SimDR; see `Architecture`."""
    if "stage4.0.branches.0.0.conv1.weight" not in parts.backbone or "final_layer.weight" not in parts.head:
        return None
    return Converted({**parts.backbone, **parts.head}, notes=("MMPose's HRNet under the authors' names",))


def recognise(file: OnnxFile) -> ModelCard | None:
    """Any ONNX file that returns one heatmap a keypoint (N, K, H / s, W / s); see `Architecture`."""
    if len(file.shapes) != 1 or len(file.shapes[0]) != 4:
        return None
    _, count, height, width = file.shapes[0]
    if not count or not height or not width or file.size[0] % height:
        return None
    stride = file.size[0] // height
    if file.size != (height * stride, width * stride):
        return None
    options = HeatmapOptions(stride=stride)
    return ModelCard(file.name, "pose", "heatmap", file.size, options=options, skeleton=unnamed(count))


ARCHITECTURE = Architecture(
    name="hrnet",
    title="PoseHRNet",
    task="pose",
    cards=tuple(
        entry(describe(SPECS[same], name, 17), on_coco(ap, VAL, parameters, gflops, page), weights)
        for name, same, ap, parameters, gflops, page, weights in _TABLE
    ),
    recognise=recognise,
    outputs="heatmaps (N, K, H/4, W/4)",
    spec=HRNetSpec,
    specs=SPECS,
    variants={name: SPECS[same] for name, same, *_ in _TABLE},
    builder="hrnet:pose_hrnet",
    describe=describe,
    identify=identify,
    resize=any_size,
    mmpose=from_mmpose,
    head=("final_layer.",),
    stages=lambda spec: HRNET_STAGES,
    imagenet=lambda spec: f"hrnet_w{spec.width}",
)
