"""Settings as ``key=value`` text on the command line."""

from __future__ import annotations

from typing import Any

_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "false": False,
    "no": False,
    "off": False,
    "null": None,
    "~": None,
    "": None,
}


def split_setting(text: str) -> tuple[str, str | None]:
    """The key and the text of the value of ``key=value``, without spaces around them; None where no value is given."""
    key, equals, value = text.partition("=")
    return key.strip(), value.strip() if equals else None


def parse_value(text: str) -> Any:
    """A value as YAML reads it: a bool, None, a number, a list of these in square brackets, or else the text itself."""
    text = text.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if text.startswith("[") and text.endswith("]"):
        return [parse_value(part) for part in text[1:-1].split(",") if part.strip()]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
