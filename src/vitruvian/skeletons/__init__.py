"""Keypoint sets as data, one file each: names, limbs, left and right, and the published sigmas of OKS."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import InputError, did_you_mean
from .ap10k17 import AP10K17
from .base import Side, Skeleton, numbered
from .coco17 import COCO17
from .coco_wholebody133 import COCO_WHOLEBODY133
from .crowdpose14 import CROWDPOSE14
from .halpe26 import HALPE26
from .hand21 import HAND21
from .mpii16 import MPII16
from .reading import read_skeleton

__all__ = [
    "AP10K17",
    "COCO17",
    "COCO_WHOLEBODY133",
    "CROWDPOSE14",
    "HALPE26",
    "HAND21",
    "MPII16",
    "SKELETONS",
    "Side",
    "Skeleton",
    "as_skeleton",
    "known_skeleton",
    "named_skeleton",
    "read_skeleton",
    "renamed",
    "unnamed",
]

SKELETONS: Mapping[str, Skeleton] = {
    skeleton.name: skeleton for skeleton in (COCO17, HALPE26, COCO_WHOLEBODY133, HAND21, CROWDPOSE14, MPII16, AP10K17)
}


def unnamed(count: int) -> Skeleton:
    """A skeleton for a network of which only the number of keypoints is known: COCO's if that is 17, else numbers."""
    return COCO17 if count == len(COCO17) else numbered(count)


def known_skeleton(count: int) -> Skeleton | None:
    """The only known skeleton of so many keypoints, COCO's for 17; None where there is none."""
    return next((skeleton for skeleton in SKELETONS.values() if len(skeleton) == count), None)


def renamed(skeleton: Skeleton) -> Skeleton:
    """The known skeleton that differs from this one in its name alone, such as by a data set's category, or itself."""
    same = (known for known in SKELETONS.values() if replace(known, name=skeleton.name) == skeleton)
    return next(same, skeleton)


def named_skeleton(name: str) -> Skeleton:
    """A skeleton of `SKELETONS`, or as "keypointsK" a numbered one. Raises InputError for another name."""
    if name in SKELETONS:
        return SKELETONS[name]
    number = name.removeprefix("keypoints")
    if number.isascii() and number.isdecimal() and len(number) < 5 and numbered(int(number)).name == name:
        return numbered(int(number))
    hint = did_you_mean(name, SKELETONS, f"there are {', '.join(SKELETONS)}")
    raise InputError(f"no skeleton is called {name!r}; {hint}")


def as_skeleton(given: str | os.PathLike[str] | Skeleton) -> Skeleton:
    """A skeleton from itself, its name, or a YAML or JSON file; see `read_skeleton`.

    Raises:
        InputError: neither, or a file that can't be read.
    """
    if isinstance(given, Skeleton):
        return given
    try:
        path = Path(given)
    except TypeError:
        raise InputError(f"skeleton is {given!r}; it must be a name, a file or a Skeleton") from None
    if path.suffix or len(path.parts) != 1 or path.is_file():
        return read_skeleton(path)
    return named_skeleton(str(given))
