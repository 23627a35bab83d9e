"""JSON files from users, read and checked, with errors that name the file and the entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = 5
# A person's area as a share of the box, where the file has none, as in CrowdPose's evaluation.
BOX_SHARE = 0.53
# What our readers of other formats add to COCO's: where a person is in the user's files, and the pictures left out.
PLACE, UNREADABLE = "vitruvian_place", "vitruvian_unreadable"


def listed(items: Sequence[object]) -> str:
    """The first items, separated by commas, and the number of the others."""
    return ", ".join(str(item) for item in items[:SHOWN]) + (
        f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    )


def is_id(value: object) -> bool:
    """Whether this is an integer, of 64 bits at most."""
    return type(value) is int and -(2**63) <= value < 2**63


def is_number(value: object) -> bool:
    """Whether this is a number that a float can hold."""
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**1023)


def unique(ids: Iterable[object], label: str) -> None:
    """Raises InputError for an id that occurs twice."""
    twice = [number for number, count in Counter(ids).items() if count > 1]
    if twice:
        raise InputError(f"{label} {listed(twice)} occur more than once; every id must be its own")


def boxes_of(entries: Sequence[Mapping[str, Any]], label: Callable[[int], str]) -> NDArray[np.float64]:
    """The field ``bbox`` of each entry, x y width height, as float64 (N, 4).

    Raises:
        InputError: an entry has no valid box; `label` returns an entry's name for the message.
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
