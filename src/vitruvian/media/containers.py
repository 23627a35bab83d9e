"""FFmpeg containers of files and network streams, opened with timeouts and clear errors."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ..errors import InputError
from ..pictures.fetching import is_url

if TYPE_CHECKING:
    from av.container import InputContainer

OPEN_TIMEOUT: Final = 20.0
"""Seconds that a network stream may take to open."""

READ_TIMEOUT: Final = 20.0
"""Seconds that a network stream may be silent before it counts as ended."""


def open_container(name: str) -> InputContainer:
    """Open a path or a URL.

    Raises:
        InputError: it can't be opened, or a server doesn't answer in time.
    """
    import av

    try:
        return _open(name)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(_why_not_opened(name, error)) from error


def _open(name: str) -> InputContainer:
    import av

    if not is_url(name):
        # The prefix keeps a file called "a:b.mp4" from being taken for protocol "a".
        return av.open(f"file:{name}", "r")
    options = {"rtsp_transport": "tcp"} if name.lower().startswith("rtsp") else {}
    return av.open(name, "r", container_options=options, timeout=(OPEN_TIMEOUT, READ_TIMEOUT))


def _why_not_opened(name: str, error: Exception) -> str:
    import av

    reason = getattr(error, "strerror", None) or str(error)
    if is_url(name):
        if isinstance(error, av.error.ExitError):
            reason = f"no answer for {OPEN_TIMEOUT:.0f} seconds"
        return f"{name} can't be opened: {reason}; check the address, the network and the server"
    if not os.path.exists(name):
        return f"{name}: no such file; check the path"
    if os.path.isdir(name):
        return f"{name} is a folder, not a video; give a file in it"
    if os.path.isfile(name) and os.path.getsize(name) == 0:
        return f"{name} is empty (0 bytes); fetch or copy it again"
    return (
        f"{name} can't be read as a video: {reason}; it may be damaged, cut off or no video: fetch or export it again"
    )
