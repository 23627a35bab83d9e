"""JSON files that people bring, read with errors that name the file and the entry."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = 5
# How much of its box a person fills, where no one measured: what CrowdPose's own evaluation takes.
BOX_SHARE = 0.53


def read_json(path: str | os.PathLike[str], what: str) -> Any:
    """The content of a JSON file. Raises InputError for one that is missing or broken; `what` says what was wanted."""
    try:
        return json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give {what}") from None
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}; give {what}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no valid JSON ({error}); fetch or write it again") from None


def listed(items: Sequence[object]) -> str:
    """The first few of many."""
    return ", ".join(str(item) for item in items[:SHOWN]) + (
        f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    )


def unique(ids: Iterable[object], label: str) -> None:
    """Raises InputError for an id that occurs twice."""
    twice = [number for number, count in Counter(ids).items() if count > 1]
    if twice:
        raise InputError(f"{label} {listed(twice)} occur more than once; every id must be its own")


def boxes_of(entries: Sequence[Mapping[str, Any]], label: Callable[[int], str]) -> NDArray[np.float64]:
    """The field ``bbox`` of each entry, x y width height, as float64 (N, 4).

    Raises:
        InputError: one is no box; `label` gives what to call the entry of a row.
    """
    try:
        boxes = np.array([entry["bbox"] for entry in entries], float).reshape(len(entries), 4)
    except (KeyError, TypeError, ValueError, OverflowError):
        row = next(row for row, entry in enumerate(entries) if not _is_box(entry.get("bbox")))
        raise InputError(
            f"{label(row)}: its bbox is {entries[row].get('bbox')!r}; four numbers x, y, width, height are needed"
        ) from None
    bad = ~np.isfinite(boxes).all(axis=1)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(f"{label(row)}: its bbox is {boxes[row].tolist()}; every number must be finite")
    return boxes


def _is_box(value: Any) -> bool:
    try:
        return np.array(value, float).shape == (4,)
    except (TypeError, ValueError, OverflowError):
        return False
