"""The application: routes, their description, and the gate before them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from .._version import __version__
from ..errors import VitruvianError
from . import examples, page, pictures, probes, streams, videos
from .access import Gate, answer, refused
from .problems import Problem
from .queries import what_is_wrong

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

    from .service import Service

_DESCRIPTION = "Finds every person in pictures and videos, and the keypoints of each."


def create_app(service: Service) -> ASGIApp:
    """The ASGI application of a service, with the gate and CORS around it.

    It ends the service's threads when it is shut down.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    # The documentation pages of FastAPI load scripts from elsewhere.
    app = FastAPI(
        title="Vitruvian",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    for kind in (Problem, VitruvianError, Exception):
        app.add_exception_handler(kind, refused)
    app.add_exception_handler(RequestValidationError, _wrong_query)
    app.add_exception_handler(WebSocketRequestValidationError, _wrong_stream)
    app.add_exception_handler(HTTPException, _http_error)
    for router in (pictures.router, videos.router, streams.router, probes.router):
        app.include_router(router)
    description = describe(app)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> dict[str, Any]:
        return description

    app.include_router(page.routes(page.read_page()))
    gated: ASGIApp = Gate(app, service)
    origins = service.options.access.origins
    if origins:
        gated = CORSMiddleware(
            gated,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "accept"],
            expose_headers=["retry-after"],
            max_age=600,
        )
    return gated


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description: problems in place of FastAPI's own validation errors."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = examples.PROBLEM_SCHEMA
    return document


async def _wrong_query(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return await refused(request, Problem(422, what_is_wrong(request.url.path, error.errors())))


async def _wrong_stream(websocket: WebSocket, error: Exception) -> None:
    assert isinstance(error, WebSocketRequestValidationError)
    problem = Problem(422, what_is_wrong(websocket.url.path, error.errors()))
    await websocket.receive()
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(answer(problem))
    else:
        await websocket.close(1008, problem.detail[:120])


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    return await refused(
        request, Problem(error.status_code, f"{request.method} {request.url.path[:200]}: {error.detail}", headers)
    )
