"""REST, WebSocket and web page of a model, and clients for them.

    from vitruvian.serving import Client

    with Client("http://127.0.0.1:8000") as client:
        poses = client.poses("photo.jpg")

The server is `vitruvian serve`, or `serve`. All of it needs the extra ``serve``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .options import Access, Batching, Limits, ServerOptions, read_tokens

if TYPE_CHECKING:
    from .client import AsyncClient, Client, ServerError
    from .starting import serve

_HOMES = {"AsyncClient": "client", "Client": "client", "ServerError": "client", "serve": "starting"}

__all__ = [
    "Access",
    "AsyncClient",
    "Batching",
    "Client",
    "Limits",
    "ServerError",
    "ServerOptions",
    "read_tokens",
    "serve",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
