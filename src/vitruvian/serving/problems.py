"""Errors as problem details (RFC 9457): which status an error has, and its JSON."""

from __future__ import annotations

import errno
import json
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ..errors import InputError, ModelError, VitruvianError
from ..pictures.decoding import TooLarge

if TYPE_CHECKING:
    from .options import Limits

logger = logging.getLogger("vitruvian")

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """An error with the status that answers it.

    Args:
        status: HTTP status.
        detail: what was wrong, and what to do.
        headers: further headers of the answer.
    """

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}

    @property
    def record(self) -> dict[str, Any]:
        """The problem object."""
        title = "Client Closed Request" if self.status == 499 else HTTPStatus(self.status).phrase
        return {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}

    @property
    def body(self) -> bytes:
        """Its JSON."""
        return json.dumps(self.record).encode()


def too_large(detail: str) -> Problem:
    """413."""
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


def large_headers(limits: Limits) -> Problem:
    """400 for what is no HTTP, or has too large headers: which one isn't known of what came in pieces."""
    return Problem(400, f"no HTTP/1.1 request, or one with more than {limits.header_bytes:,} bytes of headers")


def busy(detail: str, seconds: int = 1) -> Problem:
    """503 with the seconds after which to try again."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": str(seconds)})


def timed_out(what: str, seconds: float) -> Problem:
    """504 for work that took too long."""
    return Problem(HTTPStatus.GATEWAY_TIMEOUT, f"{what} was not done within {seconds:g} s; try again, or send less")


class ClientGone(Problem):
    """The client of a request has left before its answer, which nobody will see."""

    def __init__(self) -> None:
        super().__init__(499, "the client has left")


def as_problem(error: BaseException) -> Problem:
    """The problem of any error; what nobody expected is logged, and its answer says no more than that."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ModelError) or (isinstance(error, VitruvianError) and not isinstance(error, InputError)):
        logger.error("%s", error)
        return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
    if isinstance(error, InputError):
        large = isinstance(error.__cause__, TooLarge)
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if large else HTTPStatus.UNPROCESSABLE_ENTITY
        return Problem(status, str(error))
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        logger.error("no space for the body of a request: %s", error.strerror)
        return Problem(HTTPStatus.INSUFFICIENT_STORAGE, "the server has no space for the request; try again later")
    logger.error("a request failed", exc_info=error)
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed on this request; its log says why")
