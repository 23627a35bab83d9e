"""ImageNet weights of backbones, from a classifier's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import ModelError
from .heads import RLEPose


@dataclass(frozen=True)
class BackboneReport:
    """What became of the names.

    Args:
        loaded: names that the network took from the file.
        ignored: names of the file that the network has no use for: the classifier, incre_modules, ...
        missing: names of the network that the file lacks, so that they stay random: the head, attention, ...
    """

    loaded: tuple[str, ...]
    ignored: tuple[str, ...]
    missing: tuple[str, ...]


def load_backbone(network: nn.Module, state_dict: Mapping[str, Tensor]) -> BackboneReport:
    """Copies the weights whose names the network shares with an ImageNet classifier, in place.

    Fits the layout of ``hrnet_w32-36af842e.pth`` for every HRNet, and that of torchvision's ``resnet50`` files for
    ResNet-50. RLEPose's backbone is its `preact`, whose names in the report go without that prefix.

    Args:
        network: from `create`.
        state_dict: names to tensors, without a wrapper's prefix such as ``module.``.

    Raises:
        ModelError: no name is shared, or a shared one has another shape (a file of another width); nothing is copied.
    """
    target = network.preact if isinstance(network, RLEPose) else network
    own = target.state_dict()
    # PoseHRNet's last layer is never ImageNet's, whatever a file calls its own.
    shared = [name for name in own if name in state_dict and not name.startswith("final_layer.")]
    if not shared:
        raise ModelError(f"the weights share no name with {type(network).__name__}: they are no backbone of it")
    for name in shared:
        if own[name].shape != state_dict[name].shape:
            theirs, ours = tuple(state_dict[name].shape), tuple(own[name].shape)
            raise ModelError(f"{name} is {theirs} in the file and {ours} in the network: take a file of the same width")
    with torch.no_grad():
        for name in shared:
            own[name].copy_(state_dict[name])
    taken = set(shared)
    return BackboneReport(
        loaded=tuple(shared),
        ignored=tuple(name for name in state_dict if name not in taken),
        missing=tuple(name for name in own if name not in taken),
    )
