"""Which network a checkpoint belongs to, from the names and the shapes of its tensors alone. Needs no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from math import sqrt

from ..errors import ModelError
from ..networks.specs import (
    SIZE_MULTIPLE,
    SPECS,
    TARGET_SIGMA,
    Attention,
    Backbone,
    DetectorSpec,
    Layout,
    PersonSpec,
    PoseSpec,
    Spec,
)

Shapes = Mapping[str, tuple[int, ...]]

_HRNET_WIDTH = "stage2.0.branches.0.0.conv1.weight"
_UPSAMPLING = "deconv_layers.0.weight"
_HEATMAP_PIXELS = 16

_SIZE_NOTE = "the weights fit any input size; {0}x{1} is {2}"
_STAR_IN_NAME = re.compile(r"sa[-_]?simdr", re.IGNORECASE)
_SIZE_IN_NAME = re.compile(r"(?<!\d)(\d{2,4})x(\d{2,4})(?!\d)")
_SIMDR_NOTE = "SimDR and SimDR* have the same network and give the same keypoints; their training and scores differ"
_BGR_NOTE = "fed in BGR, as Simple Baselines' and SimDR's authors feed ResNet"


@dataclass(frozen=True)
class Identity:
    """What a checkpoint is.

    Args:
        spec: the network that it fits.
        name: what `networks.SPECS` calls exactly this one, None for a variant (another width or input size).
        num_keypoints: K, 0 for a detector.
        notes: what the file leaves open and how it was settled, one sentence each.
        assumption: the same of what decides the result, "" for nothing.
    """

    spec: Spec
    name: str | None
    num_keypoints: int
    notes: tuple[str, ...] = ()
    assumption: str = ""

    def __str__(self) -> str:
        spec = self.spec
        if isinstance(spec, DetectorSpec):
            what = f"YOLOv5 (depth {spec.depth:g}, width {spec.width:g}, layout {spec.layout})"
            return f"{self.name or what} with {spec.num_classes} classes"
        if isinstance(spec, PersonSpec):
            return f"a person detector (width {spec.width}, neck {spec.neck}, depth {spec.depth})"
        backbone = f"HRNet-W{spec.width}" if spec.backbone == "hrnet" else "ResNet-50"
        attention = "" if spec.attention == "none" else f", {spec.attention} polarized attention"
        size = f"{spec.input_size[0]}x{spec.input_size[1]}"
        return f"{self.name or f'{backbone} {size} ({spec.head}{attention})'} with {self.num_keypoints} keypoints"


def identify(shapes: Shapes) -> Identity:
    """The network that tensors of these names and shapes belong to.

    Args:
        shapes: by name, in the layout of the authors' releases (see `conversion` for others').

    Raises:
        ModelError: none that Vitruvian knows; the message says what the tensors look like instead.
    """
    if "model.0.conv.weight" in shapes or "model.0.conv.conv.weight" in shapes:
        return _yolov5(shapes)
    if f"preact.{_HRNET_WIDTH}" in shapes or "preact.layer4.2.conv3.weight" in shapes:
        return _rle(shapes)
    _refuse_classifiers(shapes)
    if "final_layer.weight" in shapes and (_HRNET_WIDTH in shapes or _UPSAMPLING in shapes):
        return _simdr(shapes) if "mlp_head_x.weight" in shapes else _heatmap(shapes)
    some = ", ".join(list(shapes)[:4])
    raise ModelError(
        f"the weights are of no network that Vitruvian knows ({len(shapes)} tensors: {some}, ...). Known are "
        "PoseHRNet, SimDR, SimDR*, Simple Baselines, RLEPose, PSA and YOLOv5, under the names of their authors, of "
        "pose-estimation, or of MMPose"
    )


def _refuse_classifiers(shapes: Shapes) -> None:
    if _HRNET_WIDTH in shapes and ("classifier.weight" in shapes or "final_layer.weight" not in shapes):
        what = f"HRNet-W{_first(shapes, _HRNET_WIDTH)}"
    elif "layer4.0.conv1.weight" in shapes and _UPSAMPLING not in shapes:
        what = "a ResNet"
    else:
        return
    raise ModelError(
        f"the weights are {what} without a pose head, as trained on ImageNet: a start for training, which "
        "vitruvian.networks.load_backbone takes, but no pose net"
    )


def _heatmap(shapes: Shapes) -> Identity:
    backbone, width = _backbone(shapes)
    bgr = backbone == "resnet50"
    spec = PoseSpec(backbone, "heatmap", width, (256, 192), _attention(shapes), bgr=bgr)
    return _any_size(spec, _first(shapes, "final_layer.weight"), (_BGR_NOTE,) * bgr)


def _rle(shapes: Shapes) -> Identity:
    rows = _first(shapes, "fc_coord.linear.weight")
    if rows % 2:
        raise ModelError(f"fc_coord.linear gives {rows} numbers, which are no pairs of coordinates")
    backbone, width = _backbone(shapes, "preact.")
    return _any_size(PoseSpec(backbone, "regression", width, (256, 192), _attention(shapes)), rows // 2)


def _backbone(shapes: Shapes, prefix: str = "") -> tuple[Backbone, int]:
    """Which backbone has its names behind this prefix, and its width."""
    if prefix + _HRNET_WIDTH in shapes:
        return "hrnet", _first(shapes, prefix + _HRNET_WIDTH)
    if f"{prefix}layer3.6.conv1.weight" in shapes:
        raise ModelError("the weights are on a ResNet deeper than ResNet-50, which Vitruvian doesn't have")
    if f"{prefix}layer4.2.conv3.weight" not in shapes:
        raise ModelError("the weights are on a ResNet other than ResNet-50, which Vitruvian doesn't have")
    return "resnet50", _first(shapes, f"{prefix}conv1.weight")


def _any_size(spec: PoseSpec, num_keypoints: int, notes: tuple[str, ...] = ()) -> Identity:
    """The first published size of a network that takes any, or else the spec's."""
    same = ((name, item) for name, item in SPECS.items() if isinstance(item, PoseSpec))
    name, found = next(((n, s) for n, s in same if replace(s, input_size=spec.input_size) == spec), (None, spec))
    return Identity(found, name, num_keypoints, notes)


def with_size(identity: Identity, wanted: tuple[int, int] | None, stem: str) -> Identity:
    """The identity at the input size (height, width) that is wanted, or that the file's name tells, or a usual one.

    SimDR's input size is in the weights; whether they are SimDR*'s only the name can tell (``sa_simdr``).

    Raises:
        ModelError: the network doesn't take the wanted size.
    """
    spec = identity.spec
    if isinstance(spec, PoseSpec) and spec.head == "simdr":
        if wanted not in (None, spec.input_size):
            raise ModelError(f"the weights take {_by(spec.input_size)} (height x width) only, not {_by(wanted)}")
        if not _STAR_IN_NAME.search(stem):
            return identity
        spec = replace(spec, target_sigma=TARGET_SIGMA)
        return replace(identity, spec=spec, name=_named(spec), notes=())
    if wanted is None and isinstance(spec, PoseSpec):
        told = _SIZE_IN_NAME.search(stem)
        size = (int(told[1]), int(told[2])) if told else spec.input_size
        told_well = bool(told) and not any(length % SIZE_MULTIPLE for length in size)
        wanted = size if told_well else spec.input_size
        note = _SIZE_NOTE.format(*wanted, "taken from the file's name" if told_well else "assumed")
        identity = replace(identity, assumption=note)
    changed = replace(spec, input_size=wanted or spec.input_size)
    return replace(identity, spec=changed, name=identity.name if changed == spec else _named(changed))


def _simdr(shapes: Shapes) -> Identity:
    """A SimDR head tells the input size: it reads H * W / 16 values and gives W * split and H * split bins."""
    bins, pixels = _shape(shapes, "mlp_head_x.weight", 2)
    rows = _first(shapes, "mlp_head_y.weight")
    height = round(sqrt(pixels * _HEATMAP_PIXELS * rows / max(bins, 1)) / SIZE_MULTIPLE) * SIZE_MULTIPLE
    width = pixels * _HEATMAP_PIXELS // max(height, 1)
    split = bins / max(width, 1)
    fits = height * width == pixels * _HEATMAP_PIXELS and round(height * split) == rows
    if not fits or not bins or width % SIZE_MULTIPLE:
        raise ModelError(f"a SimDR head of {bins} by {rows} bins over {pixels} values fits no input size")
    backbone, channels = _backbone(shapes)
    bgr = backbone == "resnet50"
    spec = PoseSpec(backbone, "simdr", channels, (height, width), _attention(shapes), split, bgr=bgr)
    keypoints = _first(shapes, "final_layer.weight")
    same = ((name, item) for name, item in SPECS.items() if isinstance(item, PoseSpec))
    # SimDR comes before SimDR* in the table.
    name, found = next(((n, s) for n, s in same if replace(s, target_sigma=0.0) == spec), (None, spec))
    taken = "SimDR*" if found.target_sigma else "SimDR"
    return Identity(found, name, keypoints, (f"{_SIMDR_NOTE}: taken as {taken}", *(_BGR_NOTE,) * bgr))


def _attention(shapes: Shapes) -> Attention:
    names = [name for name in shapes if ".deattn." in name]
    if any(name.endswith(".deattn.conv_up.0.weight") for name in names):
        return "sequential"
    return "parallel" if names else "none"


def _yolov5(shapes: Shapes) -> Identity:
    """Width from the channels of layer 7, depth from the repeats of layer 6, which the table gives as 9."""
    if "model.24.m.0.weight" not in shapes:
        raise ModelError(
            "the weights look like a YOLO's, but not like YOLOv5's n, s, m, l or x in the layouts v5 and v6: layer 24 "
            "isn't the detection with three levels"
        )
    layout: Layout = "v5" if "model.0.conv.conv.weight" in shapes else "v6"
    width = _first(shapes, "model.7.conv.weight") / 1024
    repeats = next(number for number in count() if f"model.6.m.{number}.cv1.conv.weight" not in shapes)
    values = _first(shapes, "model.24.m.0.weight")
    if values % 3 or values < 18 or not repeats:
        raise ModelError(f"the weights look like YOLOv5's, but layer 24 gives {values} values, or layer 6 is empty")
    known = {(round(9 * s.depth), s.width): s.depth for s in SPECS.values() if isinstance(s, DetectorSpec)}
    depth = known.get((repeats, width), repeats / 9)
    spec = DetectorSpec(depth, width, values // 3 - 5, layout=layout)
    return Identity(spec, _named(spec), 0)


def _by(size: tuple[int, int] | None) -> str:
    return "x".join(map(str, size or ()))


def _named(spec: Spec) -> str | None:
    return next((name for name, item in SPECS.items() if item == spec), None)


def _shape(shapes: Shapes, name: str, dimensions: int) -> tuple[int, ...]:
    shape = shapes.get(name, ())
    if len(shape) != dimensions:
        raise ModelError(f"{name} should have {dimensions} dimensions, the file has {shape or 'no such tensor'}")
    return shape


def _first(shapes: Shapes, name: str) -> int:
    """How many rows a weight has: the channels that come out."""
    shape = shapes.get(name, ())
    if not shape or 0 in shape:
        raise ModelError(f"{name} is {shape or 'missing'}; it should be a weight with at least one row")
    return shape[0]
