"""Settings of an evaluation's procedure, from the text of `vitruvian evaluate --also`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from ..errors import InputError
from ..settings import parse_value, split_setting


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
    if name == "refine":  # "none" is a refinement
        return name, value or "true"
    parsed = parse_value(value or "true")
    return name, None if parsed == "none" else parsed
