"""Start of a server: the model, one process or several, and the words on the terminal."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import util
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..loading import load

if TYPE_CHECKING:
    from ..pipeline import TopDown
    from .options import ServerOptions

logger = logging.getLogger("vitruvian")

_PACKAGES = ("fastapi", "uvicorn", "websockets", "prometheus_client", "multipart", "httpx")
_LOCAL = ("127.0.0.1", "::1", "localhost")


def serve(options: ServerOptions, load_model: Callable[[], TopDown] = load) -> int:
    """Serve a model until SIGTERM or Ctrl-C.

    Args:
        options: of the server.
        load_model: loads the model, in each process anew; with several workers it must be picklable.

    Returns:
        The number of the signal that ended it.

    Raises:
        InputError: the extra ``serve`` isn't installed, the address can't be had, or the model can't be loaded.
    """
    check_extra()
    from . import server

    with server.listen(options) as listening:
        if options.workers > 1:
            from .workers import supervise

            return supervise(load_model, options, listening)
        model = load_model()
        warm_up(model)
        return server.run(model, options, listening, lambda: announce(server.address(listening), options))


def announce(address: str, options: ServerOptions) -> None:
    """Say where the server is, and what is open about it."""
    print(f"vitruvian: serving at {address} (Ctrl-C ends it)", flush=True)
    if options.host not in _LOCAL and not options.access.tokens:
        logger.warning("everybody who reaches %s may use it: give --token-file, or listen on 127.0.0.1", address)


def warm_up(model: TopDown) -> None:
    """Run both networks once, which compiles what is compiled late."""
    model(np.zeros((480, 640, 3), np.uint8))
    model(np.zeros((480, 640, 3), np.uint8), boxes=[[100, 100, 300, 400]])


def check_extra() -> None:
    """Raises InputError where a package of the extra is missing."""
    missing = [name for name in _PACKAGES if util.find_spec(name) is None]
    if missing:
        raise InputError(f"serving needs packages more ({', '.join(missing)}): pip install 'vitruvian[serve]'")
