"""What the name of a network means, as data. Needs no torch, so that a model card can be made from it anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Literal, TypeAlias

from ..errors import ModelError

Backbone = Literal["hrnet", "resnet50", "pyramid"]
Head = Literal["heatmap", "simdr", "regression"]
Attention = Literal["none", "parallel", "sequential"]
Layout = Literal["v6", "v5"]

# Every network halves its input five times.
SIZE_MULTIPLE = 32

# Polarized self-attention in sequence squeezes a branch's channels to an eighth.
_LEAST_WIDTH = 8


@dataclass(frozen=True)
class PoseSpec:
    """A top-down pose network.

    Args:
        backbone: "hrnet" (arXiv 1908.07919), "resnet50" (1512.03385), the latter with the transposed convolutions of
            Simple Baselines (1804.06208) in front of the heads "heatmap" and "simdr", or the project's own "pyramid",
            slim and for heatmaps only.
        head: what comes out, by the name of the codec that reads it: "heatmap", "simdr" or "regression".
        width: channels of HRNet's first branch (the 32 of W32), or of the first stage of ResNet (64) or of the pyramid
            (32). Fewer make slim nets.
        input_size: (height, width) in pixels, multiples of 32.
        attention: polarized self-attention (2107.00782) in every basic block of HRNet.
        split: bins per pixel of a SimDR head (2107.03332).
        target_sigma: standard deviation in bins of the targets that SimDR* is trained with; 0 for SimDR. The network is
            the same, the codec isn't.
        feature_norm: the regression's coordinate layer divides by the norm of the feature, as its authors' does;
            MMPose's doesn't.
        bgr: the network's channels are blue, green, red, as in the weights of Simple Baselines' and SimDR's authors on
            ResNet; MMPose's are red, green, blue.

    Raises:
        ModelError: for anything else.
    """

    backbone: Backbone
    head: Head
    width: int
    input_size: tuple[int, int]
    attention: Attention = "none"
    split: float = 2.0
    target_sigma: float = 0.0
    feature_norm: bool = True
    bgr: bool = False

    def __post_init__(self) -> None:
        _check_choice("backbone", self.backbone, ("hrnet", "resnet50", "pyramid"))
        _check_choice("head", self.head, ("heatmap", "simdr", "regression"))
        _check_choice("attention", self.attention, ("none", "parallel", "sequential"))
        _check_size(self.input_size)
        if self.width < _LEAST_WIDTH:
            raise ModelError(f"width is {self.width}; it is a number of channels, {_LEAST_WIDTH} or more")
        if self.split <= 0:
            raise ModelError(f"split is {self.split}; it is a number of bins per pixel, above 0")
        if self.backbone != "hrnet" and self.attention != "none":
            raise ModelError(f"{self.backbone} comes without attention; take hrnet for {self.attention!r}")
        if self.backbone == "pyramid" and self.head != "heatmap":
            raise ModelError(f"pyramid makes heatmaps; take hrnet or resnet50 for {self.head!r}")

    @property
    def bins(self) -> tuple[int, int]:
        """Bins of a SimDR head along x and along y."""
        return round(self.input_size[1] * self.split), round(self.input_size[0] * self.split)


@dataclass(frozen=True)
class DetectorSpec:
    """A YOLOv5 network.

    Args:
        depth: multiple of the layer table's repeats.
        width: multiple of the layer table's channels.
        num_classes: classes; `person` is the index of the one that the pose networks want.
        layout: "v6" starts with a 6x6 convolution and ends its backbone with SPPF, "v5" with Focus and SPP.
        input_size: (height, width) in pixels, multiples of 32, that the released weights were trained at.

    Raises:
        ModelError: for anything else.
    """

    depth: float
    width: float
    num_classes: int = 80
    person: int = 0
    layout: Layout = "v6"
    input_size: tuple[int, int] = (640, 640)

    def __post_init__(self) -> None:
        _check_choice("layout", self.layout, ("v6", "v5"))
        _check_size(self.input_size)
        if self.depth <= 0 or self.width <= 0:
            raise ModelError(f"depth and width are {self.depth} and {self.width}; they are multiples, above 0")
        if not 0 <= self.person < self.num_classes:
            raise ModelError(f"person is class {self.person} of {self.num_classes}; it is an index below num_classes")


@dataclass(frozen=True)
class PersonSpec:
    """The project's own person detector, see `vitruvian.networks.persons`.

    Args:
        width: channels at stride 4; deeper stages have twice, four and eight times as many.
        neck: channels of what brings the stages together, and of the head.
        depth: residual blocks of a stage.
        input_size: (height, width) in pixels, multiples of 32.

    Raises:
        ModelError: for anything else.
    """

    width: int
    neck: int
    depth: int
    input_size: tuple[int, int]

    def __post_init__(self) -> None:
        _check_size(self.input_size)
        for name, channels in (("width", self.width), ("neck", self.neck)):
            if channels < _LEAST_WIDTH or channels % 2:
                raise ModelError(f"{name} is {channels}; it is an even number of channels, {_LEAST_WIDTH} or more")
        if self.depth < 1:
            raise ModelError(f"depth is {self.depth}; it is a number of blocks, 1 or more")


Spec: TypeAlias = PoseSpec | DetectorSpec | PersonSpec


def _check_choice(field: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ModelError(f"{field} is {value!r}; it can be {', '.join(choices)}")


def _check_size(size: tuple[int, int]) -> None:
    if len(size) != 2 or any(side <= 0 or side % SIZE_MULTIPLE for side in size):
        raise ModelError(f"input_size is {size}; it is (height, width) in multiples of {SIZE_MULTIPLE}")


# Bins, of the Gaussians that SimDR* is trained with.
TARGET_SIGMA = 4.0

_SMALL, _LARGE = (256, 192), (384, 288)

# What is known of crowdhuman_yolov5m (github.com/deepakcrk/yolov5-crowdhuman): its users print the layer table of
# YOLOv5m in the v5 layout (Focus of 48 channels, SPP at 8, C3 without shortcuts at 9), and take class 0 for the whole
# person, class 1 for the head.
SPECS: Mapping[str, Spec] = MappingProxyType(
    {
        "pose_hrnet_w32_256x192": PoseSpec("hrnet", "heatmap", 32, _SMALL),
        "pose_hrnet_w32_384x288": PoseSpec("hrnet", "heatmap", 32, _LARGE),
        "pose_hrnet_w48_256x192": PoseSpec("hrnet", "heatmap", 48, _SMALL),
        "pose_hrnet_w48_384x288": PoseSpec("hrnet", "heatmap", 48, _LARGE),
        "simdr_hrnet_w32_256x192": PoseSpec("hrnet", "simdr", 32, _SMALL),
        "simdr_hrnet_w48_256x192": PoseSpec("hrnet", "simdr", 48, _SMALL),
        "sa_simdr_hrnet_w48_256x192": PoseSpec("hrnet", "simdr", 48, _SMALL, target_sigma=TARGET_SIGMA),
        "sa_simdr_hrnet_w48_384x288": PoseSpec("hrnet", "simdr", 48, _LARGE, split=1.5, target_sigma=TARGET_SIGMA),
        "rle_resnet50_256x192": PoseSpec("resnet50", "regression", 64, _SMALL),
        "rle_hrnet_w48_384x288": PoseSpec("hrnet", "regression", 48, _LARGE),
        "psa_p_hrnet_w48_256x192": PoseSpec("hrnet", "heatmap", 48, _SMALL, attention="parallel"),
        "psa_p_hrnet_w48_384x288": PoseSpec("hrnet", "heatmap", 48, _LARGE, attention="parallel"),
        "psa_s_hrnet_w48_384x288": PoseSpec("hrnet", "heatmap", 48, _LARGE, attention="sequential"),
        "pose_pyramid_w32_256x192": PoseSpec("pyramid", "heatmap", 32, _SMALL),
        "person_csp_w32_416x416": PersonSpec(32, 48, 1, (416, 416)),
        "yolov5n": DetectorSpec(0.33, 0.25),
        "yolov5s": DetectorSpec(0.33, 0.50),
        "yolov5m": DetectorSpec(0.67, 0.75),
        "yolov5l": DetectorSpec(1.0, 1.0),
        "yolov5x": DetectorSpec(1.33, 1.25),
        "yolov5m_crowdhuman": DetectorSpec(0.67, 0.75, num_classes=2, layout="v5"),
    }
)


def spec(name: str) -> Spec:
    """What a name means. Raises ModelError, with the names that come close, for one that doesn't exist."""
    if name in SPECS:
        return SPECS[name]
    close = get_close_matches(name, SPECS, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(SPECS)}"
    raise ModelError(f"no network is called {name!r}; {hint}")
