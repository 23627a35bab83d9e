"""Pictures at http(s) URLs, fetched with limits of size and time."""

from __future__ import annotations

import http.client
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Final

from ..errors import InputError
from ..io import why_not_fetched
from .decoding import MAX_BYTES, picture_extensions

OPEN_TIMEOUT: Final = 20.0
"""Seconds that a server may take to answer."""

FETCH_TIMEOUT: Final = 300.0
"""Seconds that a picture may take to arrive."""

# Types that say nothing of what is sent.
_VAGUE = ("", "application/octet-stream", "binary/octet-stream")

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")


def is_url(spec: str) -> bool:
    """Whether this is a URL (``scheme://...``) and not a path."""
    return _URL.match(spec) is not None


def file_name(spec: str) -> str:
    """The path itself, or what the file at a URL is called."""
    if not is_url(spec):
        return spec
    return urllib.parse.urlsplit(spec).path.rpartition("/")[2] or "picture"


def fetched_picture(address: str, unnamed: bool = False) -> bytes | None:
    """The picture at an http(s) URL; None for what the server, or else the URL's extension, doesn't call a picture.

    Args:
        address: the URL.
        unnamed: errors of the server are raised also where the URL has no extension of a picture, and not None.

    Raises:
        InputError: it has more than ``MAX_BYTES``, or the server doesn't send it, or not in time.
    """
    if not address.lower().startswith(("http://", "https://")):
        return None
    named = os.path.splitext(file_name(address))[1].lower() in picture_extensions()
    request = urllib.request.Request(address, headers={"User-Agent": "vitruvian"})
    try:
        with urllib.request.urlopen(request, timeout=OPEN_TIMEOUT) as answer:
            kind = answer.headers.get_content_type() if "Content-Type" in answer.headers else ""
            if not (kind.startswith("image/") or (kind in _VAGUE and named)):
                return None
            return _received(answer, address)
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        if not named and not unnamed:
            return None  # FFmpeg may have an answer, or says what is wrong
        reason = why_not_fetched(address, error)
        raise InputError(
            f"{address} can't be opened: {reason}; check the address, the network and the server"
        ) from error


def _received(answer: http.client.HTTPResponse, address: str) -> bytes:
    parts, left, end = [], MAX_BYTES, time.monotonic() + FETCH_TIMEOUT
    while part := answer.read1(2**20):
        parts.append(part)
        left -= len(part)
        if left < 0:
            raise InputError(f"{address} has more than {MAX_BYTES:,} bytes, too much for a picture")
        if time.monotonic() > end:
            raise InputError(
                f"{address} takes more than {FETCH_TIMEOUT:.0f} seconds to arrive; fetch it by other means"
            )
    if answer.length:
        raise InputError(f"{address} is cut off: {answer.length} bytes are missing; try again")
    return b"".join(parts)
