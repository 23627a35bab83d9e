"""Models as data, one architecture a file: cards, figures, weights, recognition of files, and the network's builder.

Nothing here needs torch. A new model of a known architecture is a new card in its file. A new architecture is a file
here, in the tuple below, and one in `vitruvian.networks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..cards import ModelCard, Weights
from ..errors import ModelError, did_you_mean, matching
from . import (
    hrnet,
    mobilenet,
    person_csp,
    person_mobilenet,
    psa,
    pyramid,
    rle,
    rtmdet,
    rtmpose,
    simdr,
    simple_baselines,
    vitpose,
    yolov5,
    yolox,
)
from .base import Architecture, Identity, Spec
from .published import BACKBONES

__all__ = [
    "ARCHITECTURES",
    "BACKBONES",
    "SPECS",
    "Architecture",
    "Identity",
    "Spec",
    "architecture",
    "backbone",
    "card",
    "cards",
    "describe",
    "find",
    "spec",
]

# In the order of `vitruvian models`, and in which files are recognised.
ARCHITECTURES: tuple[Architecture, ...] = (
    hrnet.ARCHITECTURE,
    simdr.ARCHITECTURE,
    mobilenet.ARCHITECTURE,
    pyramid.ARCHITECTURE,
    rle.ARCHITECTURE,
    psa.ARCHITECTURE,
    vitpose.ARCHITECTURE,
    simple_baselines.ARCHITECTURE,
    rtmpose.ARCHITECTURE,
    person_mobilenet.ARCHITECTURE,
    person_csp.ARCHITECTURE,
    yolov5.ARCHITECTURE,
    yolox.ARCHITECTURE,
    rtmdet.ARCHITECTURE,
)

# The networks that have a name, without those of other projects that differ in what the spec says (`variants`).
SPECS: Mapping[str, Spec] = MappingProxyType(
    {name: spec for item in ARCHITECTURES for name, spec in item.specs.items()}
)

_VARIANTS = {name: spec for item in ARCHITECTURES for name, spec in item.variants.items()}
_CARDS = {card.name: card for item in ARCHITECTURES for card in item.cards}


def cards() -> tuple[ModelCard, ...]:
    """Every model with a name, each with what was published of it and where its file lies."""
    return tuple(_CARDS.values())


def card(name: str) -> ModelCard:
    """The card of a model. Raises ModelError, with the names that come close, for a name that there isn't."""
    if name not in _CARDS:
        hint = did_you_mean(name, _CARDS, "vitruvian models lists them")
        raise ModelError(f"no model is called {name!r}, and no such file is there; {hint}")
    return _CARDS[name]


def find(text: str) -> tuple[ModelCard, ...]:
    """The models whose name, task and family contain all words of a text.

    Raises ModelError, with the names that come close, if there are none.
    """
    described = {f"{card.name} {card.task} {card.family}": card for card in cards()}
    found = tuple(described[words] for words in matching(text, described))
    return found or (card(text),)


def backbone(name: str) -> Weights:
    """Where the ImageNet weights of "hrnet_w32" and the like lie. Raises ModelError for another name."""
    if name not in BACKBONES:
        raise ModelError(f"no backbone is called {name!r}; there are {', '.join(BACKBONES)}")
    return BACKBONES[name]


def spec(name: str) -> Spec:
    """The spec of a network's name. Raises ModelError, with the names that come close, for one that doesn't exist."""
    known = {**_VARIANTS, **SPECS}
    if name in known:
        return known[name]
    hint = did_you_mean(name, known, f"there are {', '.join(SPECS)}")
    raise ModelError(f"no network is called {name!r}; {hint}")


def architecture(spec: Spec) -> Architecture:
    """The architecture of a spec. Raises ModelError for a spec of none."""
    found = next((item for item in ARCHITECTURES if item.spec is type(spec)), None)
    if found is None:
        raise ModelError(f"{type(spec).__name__} is no spec of an architecture in vitruvian.models")
    return found


def describe(spec: Spec, name: str, num_keypoints: int = 17) -> ModelCard:
    """The card of a network.

    Args:
        spec: the network's options.
        name: its name for people.
        num_keypoints: K, of a pose net.
    """
    make: Any = architecture(spec).describe
    card: ModelCard = make(spec, name, num_keypoints)
    return card
