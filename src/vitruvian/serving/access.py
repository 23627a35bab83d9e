"""The gate that every request passes: draining, tokens, origins, headers of safety, metrics, problems."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response

from .inputs import discard
from .problems import MEDIA_TYPE, Problem, as_problem, busy, large_headers

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .service import Service

POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SAFE = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
# What needs no token: probes, and the files of the page, which asks for one.
_API = ("/v1/", "/metrics", "/openapi.json")
# A browser can't set headers of a WebSocket: the token comes as a subprotocol of this form, beside this other one.
SUBPROTOCOL, SUBPROTOCOL_TOKEN = "vitruvian", "bearer."
BODY = "vitruvian.body"
"""Key of a request's scope: its `Body`."""

# Of a refused body so much is read, so that the client sees the answer.
_DISCARDED = 2**26


class Gate:
    """ASGI middleware around the application.

    Args:
        app: the application.
        service: its state.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._access = service.options.access
        self._hashes = [_hashed(token) for token in self._access.tokens]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request or a WebSocket."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, status, ended = time.perf_counter(), 0, False
        watched = scope[BODY] = Body(receive)

        async def noted(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _SAFE.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith(_API):
                    headers.setdefault("cache-control", "no-store")
                if self._service.draining:
                    headers["connection"] = "close"
            await send(message)
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            self._check(scope, Headers(scope=scope))
            await self._app(scope, watched, noted)
        except Exception as error:
            if status and not ended:
                raise  # the answer has begun: the connection breaks, which the client sees
            if not status:
                await (await refused(Request(scope, watched), error))(scope, watched, noted)
        finally:
            self._count(scope, status, time.perf_counter() - start)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or ("page" if status in (200, 304) else "other")
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "OPTIONS") else "other"
        self._service.metrics.requests.labels(route, method, str(status)).inc()
        self._service.metrics.duration.labels(route).observe(seconds)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check(scope, Headers(scope=scope))
        except Problem as problem:
            await receive()
            if "websocket.http.response" in scope.get("extensions", {}):
                headers = [(b"content-type", MEDIA_TYPE.encode())]
                headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
                await send({"type": "websocket.http.response.start", "status": problem.status, "headers": headers})
                await send({"type": "websocket.http.response.body", "body": problem.body})
            else:
                await send({"type": "websocket.close", "code": 1008, "reason": problem.detail[:120]})
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        """Raises Problem for a request that may not pass."""
        # h11 counts only what comes in pieces.
        line = len(scope["raw_path"]) + len(scope["query_string"])
        if (
            line + sum(len(name) + len(value) for name, value in headers.raw)
            > self._service.options.limits.header_bytes
        ):
            raise large_headers(self._service.options.limits)
        if not scope["path"].startswith(_API):
            return
        if self._service.draining and scope["path"].startswith("/v1/"):
            raise busy("the server is about to leave; ask another one, or later")
        origin = headers.get("origin")
        if origin is not None and not self._allowed(origin, headers.get("host", "")):
            raise Problem(403, f"pages of {origin[:200]} may not use this server (--cors {origin[:200]})")
        if self._hashes and not self._known(_tokens(scope, headers)):
            realm = {"WWW-Authenticate": 'Bearer realm="vitruvian"'}
            raise Problem(401, "a token is needed: send the header Authorization: Bearer TOKEN", realm)

    def _allowed(self, origin: str, host: str) -> bool:
        """Whether a page of this origin may use the server: its own page, or one that was allowed."""
        own = origin.partition("://")[2].lower() == host.lower() and own_host(host, self._service.options.host)
        return own or "*" in self._access.origins or origin in self._access.origins

    def _known(self, given: Sequence[str]) -> bool:
        """Whether one of the tokens is known, found in a time that says nothing of them."""
        known = False
        for token in given[:4]:
            digest = _hashed(token)
            for own in self._hashes:
                known |= hmac.compare_digest(own, digest)
        return known


class Body:
    """The messages of a request, and whether its body is complete."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.complete = False

    async def __call__(self) -> Any:
        message = await self._receive()
        self.complete |= message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _tokens(scope: Scope, headers: Headers) -> list[str]:
    """The tokens that a request brings."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    found = [token.strip()] if scheme.lower() == "bearer" else []
    for name in scope.get("subprotocols", ()):
        if name.startswith(SUBPROTOCOL_TOKEN):
            found.append(name.removeprefix(SUBPROTOCOL_TOKEN))
    return found


def own_host(host: str, listening: str) -> bool:
    """Whether a Host header surely names this server, whatever DNS says: by IP address, as localhost or as `--host`.

    Any other name its owner may let point at this machine, and so make a page of his one of the server's own.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name in ("localhost", listening.lower()) or name.endswith(".localhost"):
        return bool(name)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def refused(request: Request, error: Exception) -> Response:
    """The answer to a request that failed, after what is left of its body."""
    body: Body = request.scope[BODY]
    problem = as_problem(error)
    # Who was too slow already isn't waited for.
    if not body.complete and problem.status != 408:
        await discard(Request(request.scope, body), _DISCARDED)
    return answer(problem)


def answer(problem: Problem) -> Response:
    """The answer that a problem is."""
    return Response(problem.body, problem.status, problem.headers, MEDIA_TYPE)
