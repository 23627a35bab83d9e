"""Mutations of files: flipped bits, cuts, parts doubled or removed, numbers replaced."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from random import Random

# Numbers at the edges of what formats and machines can hold.
_WORDS = (0, 1, 2, 127, 128, 255, 256, 32_767, 32_768, 65_535, 65_536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_LONG_WORDS = (*_WORDS, 2**32, 2**40, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
_TEXTS = (
    *(
        b"0",
        b"-1",
        b"1.5",
        b"1e999",
        b"-1e-45",
        b"3e38",
        b"99999999999999999999",
        b"NaN",
        b"Infinity",
        b"null",
        b"true",
    ),
    *(
        b'""',
        b'"a"',
        b"[]",
        b"{}",
        b"[[[]]]",
        b"[" * 3000,
        b'{"a":' * 3000,
        b"9" * 5000,
        b'"\\ud800"',
        b"\xff\xfe",
        b"&a [*a]",
    ),
)


def mutated(data: bytes, rng: Random) -> bytes:
    """The data with one to four mutations."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        if data:
            data = rng.choice(_MUTATIONS)(data, rng)
    return data


def _flip_bits(data: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data))]


def _part(data: bytes, rng: Random) -> tuple[int, int]:
    start = rng.randrange(len(data))
    return start, min(len(data), start + rng.choice((1, 2, 4, 8, 64, 512, 4096)))


def _double(data: bytes, rng: Random) -> bytes:
    start, end = _part(data, rng)
    return data[:end] + data[start:end] * rng.choice((1, 1, 2, 50)) + data[end:]


def _remove(data: bytes, rng: Random) -> bytes:
    start, end = _part(data, rng)
    return data[:start] + data[end:]


def _move(data: bytes, rng: Random) -> bytes:
    start, end = _part(data, rng)
    place = rng.randrange(len(data))
    return data[:place] + data[start:end] + data[place:]


def _replace_word(data: bytes, rng: Random) -> bytes:
    form = rng.choice(("<B", "<H", ">H", "<I", ">I", "<Q", ">Q"))
    size = struct.calcsize(form)
    if len(data) < size:
        return data
    place = rng.randrange(len(data) - size + 1)
    word = rng.choice(_LONG_WORDS if size == 8 else _WORDS) % 2 ** (8 * size)
    return data[:place] + struct.pack(form, word) + data[place + size :]


def _replace_text(data: bytes, rng: Random) -> bytes:
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|\"[^\"]*\"|null|true|false", data[:200_000]))
    if not found:
        return _replace_word(data, rng)
    start, end = rng.choice(found).span()
    return data[:start] + rng.choice(_TEXTS) + data[end:]


_MUTATIONS: tuple[Callable[[bytes, Random], bytes], ...] = (
    *(_flip_bits, _cut, _double, _remove, _move, _replace_word, _replace_word, _replace_text),
)
