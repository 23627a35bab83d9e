"""Procedures and names of the evaluations of one `vitruvian evaluate`: each model with each set of settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..settings import parse_value, split_setting

if TYPE_CHECKING:
    from ..evaluation import Procedure


def variants(also: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Changes to a `Procedure` by the text that asks for them; the first, with no text, changes nothing.

    Each of `also` is a list of changes, such as ``flip,refine=dark,oks-nms=0.8``; a name without a value means true.

    Raises:
        InputError: no such setting.
    """
    return {"": {}} | {text: dict(map(_change, text.split(","))) for text in also}


def _change(text: str) -> tuple[str, Any]:
    from ..evaluation import Procedure

    key, value = split_setting(text)
    name = key.replace("-", "_")
    known = [field.name for field in fields(Procedure)]
    if name not in known:
        names = ", ".join(field.replace("_", "-") for field in known)
        raise InputError(f"--also {text.strip()}: no such setting; there are {names}")
    if name == "refine":  # of the refinements, none is one
        return name, value or "true"
    parsed = parse_value(value or "true")
    return name, None if parsed == "none" else parsed


def changed(procedure: Procedure, changes: dict[str, Any]) -> Procedure:
    """The procedure with some settings replaced. Raises InputError for values that don't fit."""
    try:
        return replace(procedure, **changes)
    except TypeError:
        listed = ", ".join(f"{name}={value}" for name, value in changes.items())
        raise InputError(f"these settings don't fit: {listed}") from None


def names(models: Sequence[Path], settings: Sequence[str]) -> list[str]:
    """A unique name for each model with each set of settings, in this order."""
    stems = [path.stem for path in models]
    models_named = stems if len(set(stems)) == len(stems) else [str(path) for path in models]
    return [f"{model} {setting}".strip() for model in models_named for setting in settings]


def folders(output: Path, labels: Sequence[str]) -> list[Path]:
    """The folder of each evaluation: the output itself if there is only one."""
    if len(labels) == 1:
        return [output]
    safe = ["".join(letter if letter.isalnum() or letter in "-_.=" else "_" for letter in label) for label in labels]
    return [output / f"{number}-{name}" for number, name in enumerate(safe, start=1)]
