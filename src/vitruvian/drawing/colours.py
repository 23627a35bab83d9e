"""Colours of what is drawn: of the body's sides, and of persons."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..errors import InputError

if TYPE_CHECKING:
    from ..skeletons import Side

Colour = tuple[int, int, int]
Colours: TypeAlias = 'Literal["auto", "side", "person"] | str | Sequence[Colour]'

COLOURS: dict[Side, Colour] = {"left": (0, 194, 255), "right": (255, 122, 48), "centre": (255, 231, 120)}
"""Of the body's sides."""

PERSONS: tuple[Colour, ...] = (
    *((86, 180, 233), (230, 159, 0), (0, 190, 125), (240, 228, 66), (204, 121, 167), (213, 94, 0)),
    *((120, 130, 255), (170, 220, 120), (255, 128, 160), (64, 224, 224), (190, 150, 110), (200, 90, 255)),
)
"""Of persons, one after the other, then from the first again; the first of them are told apart by the colour-blind."""

NOBODY: Colour = (200, 200, 200)
"""Of a person without a track number among tracked ones."""

OUTLINE: Colour = (24, 24, 32)


def person_colours(colours: Colours, count: int, track_ids: Sequence[int] | None) -> list[Colour] | None:
    """The colour of each person; None where limbs have the colours of their sides.

    Args:
        colours: see `vitruvian.drawing.draw`.
        count: number of persons.
        track_ids: their track numbers, which decide; None takes their places.

    Raises:
        InputError: a text that names no colours.
    """
    palette = _palette(colours, track_ids is not None)
    if palette is None:
        return None
    if track_ids is None:
        return [palette[place % len(palette)] for place in range(count)]
    return [palette[(number - 1) % len(palette)] if number else NOBODY for number in track_ids]


def check_colours(colours: Colours) -> None:
    """Raises InputError for a text that names no colours."""
    _palette(colours, tracked=False)


def _palette(colours: Colours, tracked: bool) -> Sequence[Colour] | None:
    if colours == "auto":
        return PERSONS if tracked else None
    if colours == "side":
        return None
    if colours == "person":
        return PERSONS
    if isinstance(colours, str):
        codes = colours.split(",")
        if all(re.fullmatch(r"\s*#?[0-9a-fA-F]{6}\s*", code) for code in codes):
            return [_rgb(code.strip().lstrip("#")) for code in codes]
    elif len(colours) and all(len(colour) == 3 and all(0 <= part <= 255 for part in colour) for colour in colours):
        return [(int(red), int(green), int(blue)) for red, green, blue in colours]
    raise InputError(f"colours is {colours!r}: give auto, side, person, or colours such as #ff8800,#0088ff (--colours)")


def _rgb(code: str) -> Colour:
    return int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)
