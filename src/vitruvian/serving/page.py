"""The web page at ``/``: files of the package's folder ``page``, with ETags."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response

from .problems import Problem

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parent / "page"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True)
class File:
    """A file of the page: its bytes, type, and ETag."""

    data: bytes
    media_type: str
    etag: str


def read_page(folder: Path = FOLDER) -> Mapping[str, File]:
    """The files of the page by their path below the folder; only these can ever be asked for."""
    files = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file() and path.suffix in _TYPES and not path.name.startswith("."):
            data = path.read_bytes()
            etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
            files[path.relative_to(folder).as_posix()] = File(data, _TYPES[path.suffix], etag)
    return files


@router.api_route("/", methods=["GET", "HEAD"])
async def index(request: Request) -> Response:
    """The page."""
    return _file(request, "index.html")


@router.api_route("/{path:path}", methods=["GET", "HEAD"])
async def file(request: Request, path: str) -> Response:
    """A file of the page."""
    return _file(request, path)


def _file(request: Request, path: str) -> Response:
    found: File | None = request.app.state.page.get(path)
    if found is None:
        raise Problem(404, f"nothing is at {request.url.path[:200]}")
    headers = {"ETag": found.etag, "Cache-Control": "no-cache"}
    given = [text.strip().removeprefix("W/") for text in request.headers.get("if-none-match", "").split(",")]
    if found.etag in given or "*" in given:
        return Response(status_code=304, headers=headers)
    return Response(found.data, headers=headers, media_type=found.media_type)
