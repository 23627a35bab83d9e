"""Skeletons from small YAML or JSON files."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..io import read_json, read_yaml
from .base import Skeleton

_KEYS = ("name", "keypoints", "limbs", "flip_pairs", "sigmas")


def read_skeleton(path: str | os.PathLike[str], base: Skeleton | None = None) -> Skeleton:
    """A skeleton from a YAML file, or from a .json file; what the file doesn't say is taken from `base`.

    Its keys are ``name``, ``keypoints`` (a list of names), ``limbs`` and ``flip_pairs`` (lists of two names each), and
    ``sigmas`` (a list, or a mapping from names to numbers).

    Raises:
        InputError: no such file, no YAML or JSON, another key, a keypoint that doesn't exist, or a sigma that is none.
    """
    content = read_json(path, "a skeleton") if Path(path).suffix.lower() == ".json" else read_yaml(path)
    if not isinstance(content, Mapping) or not set(content) <= set(_KEYS):
        raise InputError(f"{path}: a skeleton has the keys {', '.join(_KEYS)}, and no others")
    given = content.get("keypoints") or (base.keypoints if base else ())
    names = tuple(map(str, given)) if isinstance(given, (list, tuple)) else ()
    if not names or len(set(names)) != len(names):
        raise InputError(f"{path}: keypoints must be a list of names, each its own")
    skeleton = Skeleton(str(content.get("name") or (base.name if base else Path(path).stem)), names)
    same = base if base is not None and base.keypoints == names else skeleton
    try:
        return replace(
            skeleton,
            limbs=_pairs(content["limbs"], names) if "limbs" in content else same.limbs,
            pairs=_pairs(content["flip_pairs"], names) if "flip_pairs" in content else same.pairs,
            sigmas=_sigmas(content["sigmas"], names) if "sigmas" in content else same.sigmas,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: {error}; limbs and flip_pairs are lists of two keypoints' names each, sigmas one number above 0 "
            f"for each of {', '.join(names)}"
        ) from None


def _pairs(value: Any, names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    index = {name: number for number, name in enumerate(names)}
    return tuple((index[str(first)], index[str(second)]) for first, second in value or ())


def _sigmas(value: Any, names: Sequence[str]) -> tuple[float, ...]:
    sigmas = tuple(float(value[name]) for name in names) if isinstance(value, Mapping) else tuple(map(float, value))
    if len(sigmas) != len(names) or not all(0 < sigma < math.inf for sigma in sigmas):
        raise ValueError(f"sigmas {list(sigmas)} are not {len(names)} numbers above 0")
    return sigmas
