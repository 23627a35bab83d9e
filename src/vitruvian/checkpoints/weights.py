"""Networks with the weights of a checkpoint file."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from .. import networks
from ..cards import ModelCard
from ..errors import ModelError
from ..models import Identity, architecture
from ..models.base import Converted
from ..models.identification import convert, identify, is_stray, with_size
from .model_files import SPEC_KEY, carried
from .reading import STRAYS, Checkpoint, check_finite, read_checkpoint

# How many names of each kind an error lists.
_LISTED = 4

# Tensors that may be missing or extra: unused here, or computed from others.
_DERIVED = ("num_batches_tracked", "anchor_grid")

# Tensors that files made for inference lack as a whole.
_TRAINING_ONLY = "flow."

logger = logging.getLogger("vitruvian")


@dataclass(frozen=True)
class Loaded:
    """A network with its weights, and what is known of it.

    Args:
        network: in evaluation mode, on the CPU, float32.
        identity: what it is; `notes` has everything that was assumed or converted.
        checkpoint: the file as it was read.
        card: the file's own, of files that have one.
    """

    network: nn.Module
    identity: Identity
    checkpoint: Checkpoint
    card: ModelCard | None = None


def load_network(name: str | None = None, *, checkpoint: str | os.PathLike[str]) -> nn.Module:
    """A network with the weights of a .pth, .pt or .safetensors file. No code of the file is run.

    Args:
        name: one of `vitruvian.networks.SPECS`; None works it out from the file. The number of keypoints, or of
            classes, is always the file's.
        checkpoint: the file, in the layout of the authors' releases, of sithu31296/pose-estimation, or of MMPose.

    Returns:
        The network in evaluation mode, on the CPU, float32; see `vitruvian.networks.create` for what goes in and out.

    Raises:
        ModelError: a file that can't be read or is no network that Vitruvian has, or isn't the one that `name` says; or
            weights that are NaN or infinite.
    """
    return load_checkpoint(name, checkpoint).network


def load_checkpoint(
    name: str | None, path: str | os.PathLike[str], input_size: tuple[int, int] | None = None
) -> Loaded:
    """`load_network`, with what the file turned out to be; same arguments and errors.

    Args:
        name: see `load_network`.
        path: the file.
        input_size: (height, width) in pixels, of networks that take any multiple of 32; None takes the name's, or what
            the weights or the file's name tell, or the smallest published one.
    """
    wanted = None if name is None else networks.spec(name)
    checkpoint = read_checkpoint(path)
    found: Identity | None = None
    try:
        converted = convert(checkpoint.tensors)
        found = identify({key: tuple(tensor.shape) for key, tensor in converted.tensors.items()})
        guess = f"the file looks like {found}"
    except ModelError as error:
        if wanted is None and SPEC_KEY not in checkpoint.metadata:
            raise ModelError(f"{path}: {error}") from None
        converted, guess = Converted(checkpoint.tensors), str(error)
    identity: Identity | None
    if name and wanted:
        keypoints = found.num_keypoints if found and found.num_keypoints else 17
        identity = Identity(wanted, name, keypoints if architecture(wanted).task == "pose" else 0)
    else:
        identity = found
    card = None
    try:
        if name is None and (own := carried(checkpoint.metadata, found, input_size)):
            identity, card = own
        elif identity is None:
            raise ModelError(f"it has a network's spec, but no card. {guess}")
        elif name is None or input_size is not None:
            identity = with_size(identity, input_size, Path(path).stem)
        spec, unsaid = architecture(identity.spec).fit_classes(
            identity.spec, found.spec if found else None, checkpoint.names
        )
        spec = replace(spec, **converted.changes)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    # What a conversion knows, the identification needn't guess.
    notes = (*checkpoint.notes, *converted.notes, *(() if converted.changes else identity.notes))
    own_name = None if converted.changes else identity.name
    identity = Identity(spec, own_name, identity.num_keypoints, notes, unsaid or identity.assumption)
    network, ignored = _filled(identity, converted.tensors, path, f"{path} is not {name or identity}", guess)
    if ignored:
        note = f"{', '.join(ignored)}: no part of the network, ignored"
        logger.info("%s: %s", path, note)
        identity = replace(identity, notes=(*notes, note))
    return Loaded(network, identity, checkpoint, card)


def _filled(
    identity: Identity, tensors: Mapping[str, Tensor], path: str | os.PathLike[str], complaint: str, guess: str
) -> tuple[nn.Module, list[str]]:
    """The network with these weights, in evaluation mode, and the names of what it has no use for.

    Raises:
        ModelError: names or shapes that don't fit, or weights that are no finite numbers.
    """
    keypoints = identity.num_keypoints or 1
    # On the meta device a network costs nothing, however large the file's shapes would make it.
    with torch.device("meta"):
        own = {
            name: tuple(tensor.shape) for name, tensor in networks.build(identity.spec, keypoints).state_dict().items()
        }
    missing = [name for name in own if name not in tensors and not name.endswith(_DERIVED)]
    if all(name.startswith(_TRAINING_ONLY) for name in missing):
        missing = []
    unexpected = [name for name in tensors if name not in own and not name.endswith(_DERIVED)]
    parts = {name.partition(".")[0] for name in own}
    ignored = [name for name in unexpected if is_stray(tensors[name]) and name.partition(".")[0] not in parts]
    strange = len(unexpected) > len(ignored) or len(ignored) > STRAYS
    fitting = {name: tensor for name, tensor in tensors.items() if own.get(name) == tuple(tensor.shape)}
    reshaped = [
        f"{name} {tuple(tensors[name].shape)} instead of {own[name]}"
        for name in own
        if name in tensors and name not in fitting
    ]
    if missing or strange or reshaped:
        lists = (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
        text = "; ".join(f"{len(names)} {kind}: {_listed(names)}" for kind, names in lists if names)
        raise ModelError(f"{complaint}: of its tensors {text}. As far as the names tell, {guess}")
    check_finite(path, fitting)
    network = networks.build(identity.spec, keypoints)
    network.load_state_dict(fitting, strict=False)
    return network.eval(), ignored


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
