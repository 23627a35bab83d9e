"""Initial weights of networks, random, from ImageNet or from a checkpoint, and freezing of parts."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor, nn

from .. import models, networks
from ..checkpoints.reading import check_finite, read_checkpoint
from ..errors import InputError, ModelError
from ..hub.downloads import fetch
from ..models import ARCHITECTURES, Architecture, Spec, architecture
from ..models.identification import convert
from .recipe import BaseRecipe

logger = logging.getLogger("vitruvian")


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
    if recipe.init == "imagenet":
        _from_imagenet(network, spec)
    else:
        _from_checkpoint(network, architecture(spec), recipe.init)
    return network


def _from_imagenet(network: nn.Module, spec: Spec) -> None:
    try:
        name = architecture(spec).imagenet(spec)
        file = fetch(models.backbone(name))
        report = networks.load_backbone(network, read_checkpoint(file).tensors)
    except ModelError as error:
        raise InputError(f"{error}. To start elsewhere: --init CHECKPOINT, or --init none for random weights") from None
    logger.info("start: %s's ImageNet weights; %s", name, _describe_new(report.missing))


def _from_checkpoint(network: nn.Module, family: Architecture, init: str) -> None:
    """Load all tensors whose name and shape agree; the head stays random where the number of keypoints differs."""
    file = Path(init)
    if not file.is_file():
        if file.suffix:
            raise InputError(f"{init}: no such file; --init takes a checkpoint, a model's name, imagenet or none")
        file = fetch(models.card(init))
    tensors = convert(read_checkpoint(file).tensors).tensors
    own = network.state_dict()
    taken = {name: tensor for name, tensor in _named_alike(family, tensors) if name in own}
    fitting = {name: tensor for name, tensor in taken.items() if tensor.shape == own[name].shape}
    other = [name for name in taken if name not in fitting and not name.startswith(family.head)]
    if other or not fitting:
        reason = f"{other[0]} has another shape" if other else "no name is shared"
        raise InputError(f"{init} is no start for this network: {reason}; take a checkpoint of the same width")
    check_finite(init, fitting)
    network.load_state_dict(fitting, strict=False)
    # Norms' counters of batches are nothing learned.
    learned = [name for name in own if not name.endswith("num_batches_tracked")]
    missing = [name for name in learned if name not in fitting]
    found = len(learned) - len(missing)
    logger.info("start: %s, %d of %d tensors; %s", init, found, len(learned), _describe_new(missing))


def _named_alike(family: Architecture, tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The tensors under this architecture's names: the prefix of another one's backbone is replaced by its own."""
    prefixes = {item.prefix for item in ARCHITECTURES if item.prefix}
    prefix = next((prefix for prefix in prefixes if any(name.startswith(prefix) for name in tensors)), "")
    for name, tensor in tensors.items():
        if prefix == family.prefix or name.startswith(family.head):
            yield name, tensor
        else:
            yield family.prefix + name.removeprefix(prefix), tensor


def _describe_new(missing: tuple[str, ...] | list[str]) -> str:
    """A note about the parts with new weights."""
    parts = sorted({".".join(name.split(".")[:1]) for name in missing})
    return f"new, with random weights: {', '.join(parts)}" if parts else "nothing is new"


def freeze_stages(network: nn.Module, spec: Spec, stages: int) -> list[nn.Module]:
    """Freeze the parameters of the first stages of the backbone; returns their modules."""
    family = architecture(spec)
    prefixes = tuple(family.prefix + part for stage in family.stages(spec)[:stages] for part in stage)
    if not prefixes:
        return []
    for name, parameter in network.named_parameters():
        if name.startswith(prefixes):
            parameter.requires_grad_(False)
    return [module for name, module in network.named_modules() if f"{name}.".startswith(prefixes)]


def freeze_norms(network: nn.Module) -> list[nn.Module]:
    """Freeze the parameters of all batch norms; returns these."""
    norms: list[nn.Module] = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.requires_grad_(False)
    return norms
