"""The web page at ``/``: files of the package's folder ``page``, with ETags."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response

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


def routes(files: Mapping[str, File]) -> APIRouter:
    """A route for each file of the page, and ``/`` for its index; nothing else below ``/`` is answered."""
    router = APIRouter(include_in_schema=False)
    for path, file in files.items():
        for place in {f"/{path}", "/" if path == "index.html" else f"/{path}"}:
            router.add_api_route(place, _answering(file), methods=["GET", "HEAD"], response_class=Response)
    return router


def _answering(file: File) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        headers = {"ETag": file.etag, "Cache-Control": "no-cache"}
        given = [text.strip().removeprefix("W/") for text in request.headers.get("if-none-match", "").split(",")]
        if file.etag in given or "*" in given:
            return Response(status_code=304, headers=headers)
        return Response(file.data, headers=headers, media_type=file.media_type)

    return answer
