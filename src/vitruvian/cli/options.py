"""What several commands' options share."""

from __future__ import annotations

from ..errors import InputError


def parse_size(option: str, text: str | None) -> tuple[int, int] | None:
    """(height, width) from ``N`` or ``HxW``, in pixels. Raises InputError, naming the option."""
    if text is None:
        return None
    try:
        lengths = [int(length) for length in text.lower().split("x")]
        height, width = lengths * 2 if len(lengths) == 1 else lengths
    except ValueError:
        raise InputError(
            f"{option} {text}: give one number, or HEIGHTxWIDTH, in pixels, such as 640 or 384x640"
        ) from None
    return height, width
