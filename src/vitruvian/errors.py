"""Errors that Vitruvian raises on purpose: each message names the fault, the file or argument, and the remedy."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches


class VitruvianError(Exception):
    """Base of every error raised on purpose; ``exit_code`` is what the command line ends with."""

    exit_code = 1


class InputError(VitruvianError):
    """An argument or an input (file, image, camera, annotation) that can't be used as it is."""

    exit_code = 2


class ModelError(InputError):
    """A model file that can't be read, is not what it is used as, or asks for an engine that isn't there."""


class OutputError(VitruvianError):
    """A result that could not be written: no permission, no space, no display."""


def did_you_mean(name: str, known: Iterable[str], else_say: str) -> str:
    """The end of a message about a name that doesn't exist: the known names that come close, or else `else_say`.

    Names come close that contain all words of `name` in any order, or differ from it by a few letters.
    """
    names = list(known)
    words = set(_words(name))
    similar = sorted(matching(name, names), key=lambda other: (len(words - set(_words(other))), _distance(name, other)))
    similar += [other for other in get_close_matches(name.lower(), names, n=3, cutoff=0.5) if other not in similar]
    return f"did you mean {', '.join(similar[:3])}?" if similar else else_say


def matching(text: str, names: Iterable[str]) -> list[str]:
    """The names that contain all words of a text, in any order; capitals, spaces, - and _ make no difference."""
    words = _words(text)
    return [name for name in names if words and all(word in name.lower() for word in words)]


def _words(text: str) -> list[str]:
    return text.lower().replace("-", " ").replace("_", " ").split()


def _distance(name: str, other: str) -> float:
    return -SequenceMatcher(None, name.lower(), other.lower()).ratio()


def printable(text: str) -> str:
    """Text for a terminal: control characters, as a file's name may have them, are escaped; indented lines stay."""
    if text.isprintable():
        return text
    return "\n  ".join("".join(map(_printable, line)) for line in text.split("\n  "))


def _printable(letter: str) -> str:
    if letter.isprintable() or unicodedata.category(letter) == "Zs":
        return letter
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")
