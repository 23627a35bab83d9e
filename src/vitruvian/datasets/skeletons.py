"""What a data set's keypoints are: from its annotations, a small YAML file, and what their names tell."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..evaluation.sigmas import DEFAULT_SIGMA, sigmas_by_name
from ..io import read_yaml
from ..skeletons import COCO17, Skeleton

_KEYS = ("name", "keypoints", "limbs", "flip_pairs", "sigmas")


def read_skeleton(path: str | os.PathLike[str], base: Skeleton | None = None) -> Skeleton:
    """A skeleton from a YAML file; what the file doesn't say is taken from `base`.

    Its keys are ``name``, ``keypoints`` (a list of names), ``limbs`` and ``flip_pairs`` (lists of two names each), and
    ``sigmas`` (a list, or a mapping from names to numbers).

    Raises:
        InputError: no such file, no YAML, another key, a keypoint that doesn't exist, or a sigma that is none.
    """
    content = read_yaml(path)
    if not isinstance(content, Mapping) or not set(content) <= set(_KEYS):
        raise InputError(f"{path}: a skeleton has the keys {', '.join(_KEYS)}, and no others")
    names = tuple(map(str, content.get("keypoints") or (base.keypoints if base else ())))
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
    except (KeyError, TypeError, ValueError) as error:
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


def completed(skeleton: Skeleton) -> tuple[Skeleton, list[str]]:
    """The skeleton with sigmas, and one sentence for everything that was inferred."""
    notes = []
    if not skeleton.sigmas:
        others = [name for name in skeleton.keypoints if name not in COCO17.keypoints]
        told = f"{DEFAULT_SIGMA} for {', '.join(others)}" if others else "COCO's"
        notes.append(f"no sigmas are given: by the keypoints' names, {told}")
        skeleton = replace(skeleton, sigmas=sigmas_by_name(skeleton.keypoints))
    if not skeleton.pairs:
        pairs = [f"{skeleton.keypoints[left]} / {skeleton.keypoints[right]}" for left, right in skeleton.flip_pairs]
        inferred = ", ".join(pairs) if pairs else "none, so that nothing trades places in a mirror"
        notes.append(f"flip pairs, by the keypoints' names: {inferred}")
    return skeleton, notes
