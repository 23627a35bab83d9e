"""Skeletons of data sets, from annotations, a YAML file and keypoint names, and the sigmas of OKS.

Sigmas (https://cocodataset.org/#keypoints-eval) are the model's, the annotations' or COCO's.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..skeletons import COCO17, Skeleton
from .json_records import listed

# The sigma of keypoints that COCO doesn't have: that of CrowdPose's head and neck, and of COCO's shoulders.
DEFAULT_SIGMA = 0.079
_KEYS = ("name", "keypoints", "limbs", "flip_pairs", "sigmas")


def read_skeleton(path: str | os.PathLike[str], base: Skeleton | None = None) -> Skeleton:
    """Read a skeleton from a YAML file; keys that the file lacks are taken from `base`.

    Its keys are ``name``, ``keypoints`` (a list of names), ``limbs`` and ``flip_pairs`` (lists of two names each), and
    ``sigmas`` (a list, or a mapping from names to numbers).

    Raises:
        InputError: no such file, no YAML, an unknown key, an unknown keypoint, or an invalid sigma.
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


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """The content of a YAML file. Raises InputError for a missing or broken one, and where PyYAML is not installed."""
    try:
        import yaml
    except ImportError:
        raise InputError("YAML files need a package more: pip install 'vitruvian[train]'") from None
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} can't be read: {getattr(error, 'strerror', None) or error}") from None


def _pairs(value: Any, names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    index = {name: number for number, name in enumerate(names)}
    return tuple((index[str(first)], index[str(second)]) for first, second in value or ())


def _sigmas(value: Any, names: Sequence[str]) -> tuple[float, ...]:
    sigmas = tuple(float(value[name]) for name in names) if isinstance(value, Mapping) else tuple(map(float, value))
    if len(sigmas) != len(names) or not all(0 < sigma < math.inf for sigma in sigmas):
        raise ValueError(f"sigmas {list(sigmas)} are not {len(names)} numbers above 0")
    return sigmas


def completed(skeleton: Skeleton) -> tuple[Skeleton, list[str]]:
    """The skeleton with sigmas, and one sentence for each inferred property."""
    notes = []
    if not skeleton.sigmas:
        others = [name for name in skeleton.keypoints if name not in COCO17.keypoints]
        words = f"{DEFAULT_SIGMA} for {', '.join(others)}" if others else "COCO's"
        notes.append(f"no sigmas are given: by the keypoints' names, {words}")
        skeleton = replace(skeleton, sigmas=sigmas_by_name(skeleton.keypoints))
    if not skeleton.pairs:
        pairs = [f"{skeleton.keypoints[left]} / {skeleton.keypoints[right]}" for left, right in skeleton.flip_pairs]
        inferred = ", ".join(pairs) if pairs else "none, so that nothing trades places in a mirror"
        notes.append(f"flip pairs, by the keypoints' names: {inferred}")
    return skeleton, notes


def sigmas_by_name(names: Sequence[str]) -> tuple[float, ...]:
    """COCO's sigma of each keypoint by its name, `DEFAULT_SIGMA` for other names."""
    known = dict(zip(COCO17.keypoints, COCO17.sigmas, strict=True))
    return tuple(known.get(name, DEFAULT_SIGMA) for name in names)


def with_sigmas(skeleton: Skeleton, model: Skeleton) -> tuple[Skeleton, str]:
    """The annotations' skeleton with sigmas, and their origin: the model, the file, or the keypoints' names.

    Raises:
        InputError: the model has other keypoints.
    """
    names, own = skeleton.keypoints, model.keypoints
    if len(own) != len(names) or (own != names and set(own) == set(names)):
        raise InputError(
            f"the model returns {len(model)} keypoints ({listed(own)}), "
            f"the annotations have {len(skeleton)} ({listed(names)}): they must be the same, in one order"
        )
    if model.sigmas and own == names:
        sigmas, origin = model.sigmas, f"the model's skeleton {model.name}"
    elif skeleton.sigmas:
        sigmas, origin = skeleton.sigmas, "the annotations"
    else:
        sigmas = sigmas_by_name(names)
        origin = f"COCO by the keypoints' names, {DEFAULT_SIGMA} for the others: neither the model nor the file has any"
    pairs = model.pairs if own == names else skeleton.pairs
    return Skeleton(skeleton.name, names, skeleton.limbs, sigmas, pairs), origin
