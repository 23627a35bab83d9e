"""Model files: safetensors with the model's card and its network's spec beside the weights.

What training writes. Nothing has to be guessed of such a file: not its skeleton, nor its input size, nor whether it is
SimDR or SimDR*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import safetensors.torch

from ..cards import METADATA_KEY, ModelCard
from ..errors import ModelError
from ..io import write_file
from ..models import Identity, Spec, architecture, describe
from ..models.identification import spec_from_json, spec_to_json, with_size

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

SPEC_KEY = f"{METADATA_KEY}_network"


def save_model(path: Path, tensors: Mapping[str, Tensor], card: ModelCard, spec: Spec) -> None:
    """Write a model that `vitruvian.load` takes, whole or not at all.

    Args:
        path: the file, .safetensors.
        tensors: the network's state dict.
        card: what it takes and returns.
        spec: how its network is built.

    Raises:
        OutputError: it can't be written; an older file of that name is still there.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_file(path, safetensors.torch.save(plain, {METADATA_KEY: card.to_json(), SPEC_KEY: spec_to_json(spec)}))


def carried(
    metadata: Mapping[str, str], found: Identity | None, size: tuple[int, int] | None
) -> tuple[Identity, ModelCard] | None:
    """What a file says that it is; None if it says nothing.

    Args:
        metadata: the file's.
        found: what its tensors look like, for files that have a card alone.
        size: (height, width) of the input that is wanted; None takes the card's.

    Raises:
        ModelError: a card that can't be read, of a network that isn't the file's, or that takes another size only.
    """
    if METADATA_KEY not in metadata:
        return None
    card = ModelCard.from_json(metadata[METADATA_KEY])
    count = len(card.skeleton) if card.skeleton else 0
    if SPEC_KEY in metadata:
        found = Identity(spec_from_json(metadata[SPEC_KEY]), None, count)
    if found is None or architecture(found.spec).task != card.task:
        raise ModelError(f"the file's card says {card.task}, but its tensors are of no such network that is known here")
    if describe(found.spec, card.name, max(count, 1)).family != card.family or found.num_keypoints != count:
        raise ModelError(f"the file's card is of a {card.family} net of {count} keypoints, not of {found}")
    identity = with_size(found, size or card.input_size, "")
    return identity, replace(card, input_size=identity.spec.input_size)
