"""Initial weights of networks, random, from ImageNet or from a checkpoint, and freezing of parts."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor, nn

from .. import networks, zoo
from ..errors import InputError, ModelError
from ..networks import PoseSpec
from ..networks.heads import RLEPose
from ..zoo.checkpoints import check_finite
from ..zoo.conversion import convert
from .recipe import BaseRecipe

logger = logging.getLogger("vitruvian")

HEADS = ("deconv_layers.", "final_layer.", "mlp_head_x.", "mlp_head_y.", "fc_coord.", "fc_sigma.", "flow.")
# The parts of a backbone from the input on, as `Recipe.freeze` counts them.
_HRNET = (
    ("conv1.", "bn1.", "conv2.", "bn2."),
    ("layer1.",),
    ("transition1.", "stage2."),
    ("transition2.", "stage3."),
    ("transition3.", "stage4."),
)
_RESNET = (("conv1.", "bn1."), ("layer1.",), ("layer2.",), ("layer3.",), ("layer4.",))
_PYRAMID = (("stem.",), ("stages.0.",), ("stages.1.",), ("stages.2.",), ("stages.3.",))
_BACKBONE = "preact."


def init_network(recipe: BaseRecipe, num_keypoints: int = 1, resume: bool = False) -> nn.Module:
    """The network with its initial weights; parts with new weights are logged.

    Args:
        recipe: its settings.
        num_keypoints: number of keypoints of a pose net.
        resume: use random weights, since a state will replace them.

    Raises:
        InputError: the initial weights don't fit the network, or can't be read.
    """
    spec = recipe.spec
    network = networks.build(spec, num_keypoints)
    if resume or recipe.init == "none":
        return network
    if recipe.init == "imagenet" and isinstance(spec, PoseSpec):
        _from_imagenet(network, spec)
    else:
        _from_checkpoint(network, recipe.init)
    return network


def _from_imagenet(network: nn.Module, spec: PoseSpec) -> None:
    name = f"hrnet_w{spec.width}" if spec.backbone == "hrnet" else "resnet50"
    try:
        if spec.backbone == "pyramid":
            raise ModelError("pyramids were never trained on ImageNet")
        if spec.backbone == "resnet50" and spec.width != 64:
            raise ModelError(f"ResNet-50 of width {spec.width} was never trained on ImageNet")
        file = zoo.fetch(zoo.backbone(name))
        report = networks.load_backbone(network, zoo.read_checkpoint(file).tensors)
    except ModelError as error:
        raise InputError(f"{error}. To start elsewhere: --init CHECKPOINT, or --init none for random weights") from None
    logger.info("start: %s's ImageNet weights; %s", name, _describe_new(report.missing))


def _from_checkpoint(network: nn.Module, init: str) -> None:
    """Load all tensors whose name and shape agree; the head stays random where the number of keypoints differs."""
    file = Path(init)
    if not file.is_file():
        if file.suffix:
            raise InputError(f"{init}: no such file; --init takes a checkpoint, a model's name, imagenet or none")
        file = zoo.fetch(zoo.card(init))
    tensors = convert(zoo.read_checkpoint(file).tensors).tensors
    own = network.state_dict()
    taken = {name: tensor for name, tensor in _named_alike(network, tensors) if name in own}
    fitting = {name: tensor for name, tensor in taken.items() if tensor.shape == own[name].shape}
    other = [name for name in taken if name not in fitting and not name.startswith(HEADS)]
    if other or not fitting:
        reason = f"{other[0]} has another shape" if other else "no name is shared"
        raise InputError(f"{init} is no start for this network: {reason}; take a checkpoint of the same width")
    check_finite(init, fitting)
    network.load_state_dict(fitting, strict=False)
    missing = [name for name in own if name not in fitting and not name.endswith("num_batches_tracked")]
    logger.info("start: %s, %d of %d tensors; %s", init, len(fitting), len(own), _describe_new(missing))


def _named_alike(network: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The tensors under this network's names: RLEPose's backbone has a prefix, others have none."""
    prefixed = any(name.startswith(_BACKBONE) for name in tensors)
    for name, tensor in tensors.items():
        if isinstance(network, RLEPose) and not prefixed and not name.startswith(HEADS):
            yield _BACKBONE + name, tensor
        else:
            yield name if isinstance(network, RLEPose) else name.removeprefix(_BACKBONE), tensor


def _describe_new(missing: tuple[str, ...] | list[str]) -> str:
    """A note about the parts with new weights."""
    parts = sorted({".".join(name.split(".")[:1]) for name in missing})
    return f"new, with random weights: {', '.join(parts)}" if parts else "nothing is new"


def is_backbone(name: str) -> bool:
    """Whether a parameter of this name belongs to the backbone."""
    return not name.startswith(HEADS)


def freeze_stages(network: nn.Module, stages: int) -> list[nn.Module]:
    """Freeze the parameters of the first stages of the backbone; returns their modules."""
    names = [name.removeprefix(_BACKBONE) for name, _ in network.named_parameters()]
    table = next(known for known in (_RESNET, _PYRAMID, _HRNET) if any(name.startswith(known[-1]) for name in names))
    prefixes = tuple(prefix for stage in table[:stages] for prefix in stage)
    if not prefixes:
        return []
    for name, parameter in network.named_parameters():
        if name.removeprefix(_BACKBONE).startswith(prefixes):
            parameter.requires_grad_(False)
    return [
        module for name, module in network.named_modules() if f"{name.removeprefix(_BACKBONE)}.".startswith(prefixes)
    ]


def freeze_norms(network: nn.Module) -> list[nn.Module]:
    """Freeze the parameters of all batch norms; returns these."""
    norms: list[nn.Module] = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.requires_grad_(False)
    return norms
