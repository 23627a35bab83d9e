"""Checkpoints of sithu31296/pose-estimation and of MMPose (0.x and 1.x) under the names of the authors' releases.

The former has PoseHRNet and SimDR: the authors' names, with ``backbone.`` before all but those of the layers that
return keypoints.

MMPose names the parts of a backbone as the authors do, and puts ``backbone.`` before them; its heads are called
``keypoint_head`` (0.x) or ``head`` (1.x). Its RLE differs in arithmetic too: one linear layer of four numbers a
keypoint (x, y in 0..1 of the picture, and two sigmas before their sigmoid) reads the feature as it is, not divided by
its norm. Here it becomes the authors' two layers, the coordinates moved by a half, and `feature_norm` is off. Its
Simple Baselines and SimCC on ResNet-50 differ in what they were trained on: pictures in RGB, where the authors' are in
BGR, and SimCC with Gaussian targets of 6 bins, as SimDR*'s. 1.x keeps what makes SimCC's maps in a part `deconv_head`.

Written after MMPose's published source, whose names and arithmetic these are; its published files could not be reached
when this was written, so that no file of theirs has been compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ..errors import ModelError

_BACKBONE = "backbone."
_HEADS = ("keypoint_head.", "head.")

# What the layers that upsample ResNet's features are called: as the authors call them, and in 1.x's SimCC.
_UPSAMPLING = ("deconv_layers.", "deconv_head.")

# Of the targets that MMPose's SimCC was trained with, in bins, as its published configurations have it.
_SIMCC_SIGMA = 6.0

# So many tensors may stand beside a backbone: pose-estimation's layers for the keypoints are six.
_HEAD_TENSORS = 16

# Beside the weights: how 1.x normalises pictures, and the prior of RLE's flow, which is the standard normal.
_UNUSED = ("data_preprocessor.", "flow.loc", "flow.cov")


@dataclass(frozen=True)
class Converted:
    """Tensors under our names.

    Args:
        tensors: by name.
        changes: fields of the network's spec that the names and shapes don't show.
        notes: what was converted, one sentence each.
    """

    tensors: Mapping[str, Tensor]
    changes: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()


def convert(tensors: Mapping[str, Tensor]) -> Converted:
    """MMPose's names and pose-estimation's to the authors'; other tensors come back as they are.

    Raises:
        ModelError: an MMPose network that Vitruvian doesn't have; the message says which.
    """
    if not any(name.startswith(_BACKBONE) for name in tensors):
        return Converted(tensors)
    prefix = next((head for head in _HEADS if any(name.startswith(head) for name in tensors)), None)
    if prefix is None:
        return _pose_estimation(tensors)
    backbone = _part(tensors, _BACKBONE)
    head = _part(tensors, prefix)
    # 0.x calls the part of the loss that has weights `loss`, 1.x `loss_module`.
    flow = {**_part(head, "loss.flow_model."), **_part(head, "loss_module.flow_model.")}
    others = {name: tensor for name, tensor in tensors.items() if not name.startswith((_BACKBONE, prefix, *_UNUSED))}
    strangers = [name for name, tensor in others.items() if not is_stray(tensor)]
    if strangers:
        raise ModelError(f"an MMPose network with parts that Vitruvian doesn't have: {', '.join(strangers[:4])}")
    converted = _reader(backbone, head)(backbone, head, flow)
    return replace(converted, tensors={**others, **converted.tensors})


def is_stray(tensor: Tensor) -> bool:
    """Whether it may be a count or a loss's weights, which no network needs: a number or a row of them, no matrix."""
    return tensor.numel() == max(tensor.shape, default=1)


def _pose_estimation(tensors: Mapping[str, Tensor]) -> Converted:
    """A backbone beside the layers that return keypoints, or beside nothing."""
    others = [name for name in tensors if not name.startswith(_BACKBONE)]
    renamed = {name.removeprefix(_BACKBONE): tensor for name, tensor in tensors.items()}
    if len(others) > _HEAD_TENSORS or len(renamed) < len(tensors):
        return Converted(tensors)
    return Converted(renamed, notes=(f"{_BACKBONE!r} is taken off the names, as pose-estimation has them",))


_Reader = Callable[[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]], Converted]


def _reader(backbone: Mapping[str, Tensor], head: Mapping[str, Tensor]) -> _Reader:
    """What reads this head. Raises ModelError for one that has no counterpart here."""
    upsampled = any(name.startswith(_UPSAMPLING) for name in head)
    if upsampled or "fc.weight" in head:
        if "layer4.2.conv3.weight" not in backbone or "layer3.6.conv1.weight" in backbone:
            kind = "Simple Baselines and SimCC are" if upsampled else "regression is"
            raise ModelError(f"MMPose's {kind} read on ResNet-50 only; this file has another backbone")
        return _resnet if upsampled else _rle
    if any(name.startswith("cls_x.") for name in head):
        raise ModelError(
            "the weights are MMPose's RTMPose, which Vitruvian doesn't have as a network: export them to ONNX with "
            "MMDeploy, and give that file instead"
        )
    if "stage4.0.branches.0.0.conv1.weight" not in backbone or "final_layer.weight" not in head:
        some = ", ".join(list(head)[:4])
        raise ModelError(f"an MMPose network that Vitruvian doesn't have; its head is {some}, ...")
    return _hrnet


def _hrnet(backbone: dict[str, Tensor], head: dict[str, Tensor], _: dict[str, Tensor]) -> Converted:
    """Heatmaps, or SimCC without deconvolutions, which is SimDR."""
    return Converted({**backbone, **head}, notes=("MMPose's HRNet under the authors' names",))


def _resnet(backbone: dict[str, Tensor], head: dict[str, Tensor], _: dict[str, Tensor]) -> Converted:
    """Heatmaps or SimCC from transposed convolutions."""
    tensors = {**backbone, **{name.removeprefix("deconv_head."): tensor for name, tensor in head.items()}}
    if "mlp_head_x.weight" not in tensors:
        return Converted(tensors, {"bgr": False}, ("MMPose's Simple Baselines on ResNet-50, fed in RGB",))
    notes = (f"MMPose's SimCC on ResNet-50, fed in RGB: SimDR* with a sigma of {_SIMCC_SIGMA:g} bins",)
    return Converted(tensors, {"bgr": False, "target_sigma": _SIMCC_SIGMA}, notes)


def _rle(backbone: dict[str, Tensor], head: dict[str, Tensor], flow: dict[str, Tensor]) -> Converted:
    weight, bias = head["fc.weight"], head.get("fc.bias")
    if not flow or bias is None or weight.dim() != 2 or len(weight) % 4 or bias.shape != weight.shape[:1]:
        raise ModelError(
            f"the weights are MMPose's regression with {len(weight)} numbers and without a flow: DeepPose, a "
            "classifier, or another that isn't RLE, which Vitruvian doesn't have"
        )
    # (K, 4, ...): x, y, and the sigmas of both.
    weights, biases = weight.view(-1, 4, weight.shape[1]), bias.view(-1, 4)
    ours = {f"preact.{name}": tensor for name, tensor in backbone.items()}
    for name, columns, shift in (("fc_coord", slice(0, 2), 0.5), ("fc_sigma", slice(2, 4), 0.0)):
        ours[f"{name}.linear.weight"] = weights[:, columns].flatten(0, 1).contiguous()
        ours[f"{name}.linear.bias"] = (biases[:, columns] - torch.tensor(shift)).flatten()
    ours |= {f"flow.{name}": tensor for name, tensor in flow.items() if f"flow.{name}" not in _UNUSED}
    notes = ("MMPose's RLE: its layer split in two, coordinates moved to -0.5..0.5, no division by the feature's norm",)
    return Converted(ours, {"feature_norm": False}, notes)


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
