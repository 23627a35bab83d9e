"""Settings of recipes, parsed from YAML and the command line, and their earlier names."""

from __future__ import annotations

import logging
import math
import types
from collections.abc import Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, Union, get_args, get_origin, get_type_hints

from ..errors import InputError
from ..settings import parse_value, split_setting

logger = logging.getLogger("vitruvian")

# Settings that had other names in recipes, on the command line and in states of training.
EARLIER_NAMES = {
    "accumulate": "accumulate_grad_batches",
    "backbone_rate": "backbone_lr_mult",
    "certain": "conf_high",
    "clip": "gradient_clip_val",
    "colour": "color_jitter",
    "decay": "lr_decay",
    "doubtful": "conf_low",
    "ema": "ema_decay",
    "erase": "erasing_prob",
    "evaluate_every": "val_interval",
    "flip": "flip_prob",
    "half_body": "half_body_prob",
    "hardest": "ohkm_topk",
    "largest": "scale_max",
    "match": "distill_weight",
    "plain": "close_mosaic",
    "rate": "lr",
    "rate_factor": "gamma",
    "rate_steps": "milestones",
    "reduced": "reduced_decoding",
    "rotation_probability": "rotation_prob",
    "smallest": "scale_min",
    "sync_norm": "sync_batchnorm",
    "warmup": "warmup_steps",
}


def current_names(settings: Iterable[tuple[Any, Any]], where: str) -> dict[Any, Any]:
    """Settings under their current names, with a note of the earlier ones. Of a name given twice, the last one counts.

    Raises:
        InputError: a setting is given under both names.
    """
    given = list(settings)
    names = dict.fromkeys(name for name, _ in given)
    earlier = [name for name in names if name in EARLIER_NAMES]
    for name in earlier:
        if EARLIER_NAMES[name] in names:
            raise InputError(f"{where}: {name} is the earlier name of {EARLIER_NAMES[name]}; give one of them")
    if earlier:
        changes = ", ".join(f"{name} is now {EARLIER_NAMES[name]}" for name in earlier)
        logger.info("%s: settings have new names, the earlier ones still work: %s", where, changes)
    return {EARLIER_NAMES.get(name, name): value for name, value in given}


def split(kind: type, setting: str) -> tuple[str, Any]:
    """The name and the value of ``key=value``. Raises InputError for other text."""
    key, value = split_setting(setting)
    if value is None:
        raise InputError(f"--set {setting}: give key=value, such as lr=0.0005")
    # Text as it is: a checkpoint may be called 7, or have a colon in its name.
    return key, value if get_type_hints(kind).get(key) is str else parse_value(value)


def typed(kind: type, settings: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """Settings with the types of their fields. Raises InputError, with close names for an unknown one."""
    known = get_type_hints(kind)
    hints = {field.name: known[field.name] for field in fields(kind)}
    typed = {}
    for key, value in settings.items():
        if key not in hints:
            close = get_close_matches(str(key), hints, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(hints)}"
            raise InputError(f"{where}: no setting is called {key}; {hint}")
        try:
            typed[key] = _value(value, hints[key])
        except (TypeError, ValueError):
            raise InputError(f"{where}: {key} is {value!r}; it must be {_describe(hints[key])}") from None
    return typed


def _value(value: Any, kind: Any) -> Any:
    """A YAML value as a field's type. Raises TypeError or ValueError for one that isn't of that type."""
    if get_origin(kind) in (Union, types.UnionType):
        return None if value is None else _value(value, get_args(kind)[0])
    if get_origin(kind) is tuple:
        wanted = get_args(kind)
        # On the command line: 256x192, or 170,200.
        parts = value.lower().replace("x", ",").split(",") if isinstance(value, str) else value
        parts = [parts] if isinstance(parts, int) else list(parts)
        if wanted[-1] is not Ellipsis and len(parts) != len(wanted):
            raise ValueError
        return tuple(_value(part, int) for part in parts)
    if kind is bool:
        if not isinstance(value, bool):
            raise TypeError
        return value
    if isinstance(value, bool) or value is None:
        raise TypeError
    if kind is int:
        if not float(value).is_integer():
            raise ValueError
        return int(float(value))
    if kind is float:
        # YAML takes 1e-3 for text.
        if not math.isfinite(float(value)):
            raise ValueError
        return float(value)
    if not isinstance(value, str):
        raise TypeError
    return value


def _describe(kind: Any) -> str:
    """A field's type in words."""
    kind = get_args(kind)[0] if get_origin(kind) in (Union, types.UnionType) else kind
    if get_origin(kind) is tuple:
        several = get_args(kind)[-1] is Ellipsis
        return "whole numbers, such as 170,200" if several else "two whole numbers, such as 256x192"
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "text")
