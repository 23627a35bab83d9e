"""Start of a server: the model, and one process or several."""

from __future__ import annotations

from collections.abc import Callable
from importlib import util
from typing import TYPE_CHECKING

from ..errors import InputError
from ..loading import load

if TYPE_CHECKING:
    from ..pipeline import TopDown
    from .options import ServerOptions

_PACKAGES = ("fastapi", "uvicorn", "websockets", "prometheus_client", "multipart", "httpx")


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
        server.warm_up(model)
        return server.run(model, options, listening, lambda: server.announce(server.address(listening), options))


def check_extra() -> None:
    """Raises InputError where a package of the extra is missing."""
    missing = [name for name in _PACKAGES if util.find_spec(name) is None]
    if missing:
        raise InputError(f"serving needs packages more ({', '.join(missing)}): pip install 'vitruvian[serve]'")
