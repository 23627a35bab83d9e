"""From a spec to the network that it describes."""

from __future__ import annotations

from torch import nn

from ..errors import ModelError
from .heads import RLEPose, SimDRHRNet, SimDRResNet
from .hrnet import AttentionFactory, HRNet, PoseHRNet
from .persons import PersonDetector
from .psa import ParallelAttention, SequentialAttention
from .pyramid import Pyramid
from .resnet import PoseResNet, ResNet50
from .specs import Attention, DetectorSpec, PersonSpec, PoseSpec, Spec
from .yolov5 import YOLOv5

_ATTENTIONS: dict[Attention, AttentionFactory] = {
    "none": nn.Identity,
    "parallel": ParallelAttention,
    "sequential": SequentialAttention,
}


def build(spec: Spec, num_keypoints: int) -> nn.Module:
    """The network with random weights. Raises ModelError for less than one keypoint."""
    if num_keypoints < 1:
        raise ModelError(f"num_keypoints is {num_keypoints}; it is 1 or more")
    return _pose(spec, num_keypoints) if isinstance(spec, PoseSpec) else _detector(spec)


def _detector(spec: DetectorSpec | PersonSpec) -> nn.Module:
    if isinstance(spec, PersonSpec):
        return PersonDetector(spec.width, spec.neck, spec.depth)
    return YOLOv5(spec.depth, spec.width, spec.num_classes, spec.layout)


def _pose(spec: PoseSpec, num_keypoints: int) -> nn.Module:
    if spec.backbone == "resnet50":
        if spec.head == "heatmap":
            return PoseResNet(num_keypoints, spec.width)
        if spec.head == "simdr":
            return SimDRResNet(spec.input_size, spec.bins, num_keypoints, spec.width)
        return RLEPose(ResNet50(spec.width), num_keypoints, spec.feature_norm)
    if spec.backbone == "pyramid":
        return Pyramid(num_keypoints, spec.width)
    attention = _ATTENTIONS[spec.attention]
    if spec.head == "heatmap":
        return PoseHRNet(num_keypoints, spec.width, attention)
    if spec.head == "simdr":
        return SimDRHRNet(spec.input_size, spec.bins, num_keypoints, spec.width, attention)
    return RLEPose(HRNet(spec.width, attention), num_keypoints, spec.feature_norm)
