"""Transfer of one large file over HTTP, resumed where it broke off (RFC 9110, range requests)."""

from __future__ import annotations

import codecs
import contextlib
import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import IO, Any

from .._version import __version__
from ..errors import ModelError, OutputError
from ..io import why_not_fetched

# How far a transfer is: bytes so far, and of how many, None where the server doesn't say.
Progress = Callable[[int, "int | None"], None]

TIMEOUT_SECONDS = 30.0
# Attempts in a row that bring nothing new, and the first pause between two; each further one is twice as long.
ATTEMPTS = 4
PAUSE_SECONDS = 0.5

_CHUNK = 1 << 18


class _Broken(Exception):
    """The connection ended before the file did."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http(s) only, and never from https to http, where anyone on the way could change the file."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.lower().startswith("https://" if req.type == "https" else ("https://", "http://")):
            fp.close()
            raise ModelError(f"{req.full_url} leads on to {newurl}, which is not followed: it isn't safe")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Only what HTTP needs: urllib's own list of handlers opens local files and FTP too."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def transfer(url: str, part: Path, progress: Progress | None = None) -> None:
    """Brings what lies at `url` into the file `part`, which may hold the beginning already.

    A file that is there is continued if it came from the same address and the server says that nothing has changed
    since, and begun anew otherwise; ``<part>.json`` remembers by what. Dropped connections are tried again, continuing.
    After an error or Ctrl-C what has come so far stays.

    Raises:
        ModelError: the address can't be reached, has no such file, or gives a web page in its place.
        OutputError: the file can't be written.
    """
    failures = 0
    while True:
        before = _length(part)
        try:
            return _attempt(url, part, progress)
        except (_Broken, urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code != 429
            refused |= isinstance(error, ValueError)  # an address that is none, given or led on to
            failures = 1 if _length(part) > before else failures + 1
            # urllib's own error is a connection that wasn't made: nobody wants to wait to learn that there is none.
            unreachable = type(error) is urllib.error.URLError and not _length(part)
            if refused or unreachable or failures >= ATTEMPTS:
                check = "; check the network" if unreachable else ""
                raise ModelError(f"{url} can't be downloaded: {why_not_fetched(url, error)}{check}") from None
        time.sleep(PAUSE_SECONDS * 2 ** (failures - 1))


def _attempt(url: str, part: Path, progress: Progress | None) -> None:
    start = _length(part)
    tag = _remembered(part, url)
    headers = {"User-Agent": f"vitruvian/{__version__}", "Accept-Encoding": "identity"}
    if start and tag:
        headers.update({"Range": f"bytes={start}-", "If-Range": tag})
    try:
        response = _opener().open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        if error.headers.get("Content-Range") == f"bytes */{start}":
            return
        _write(part, 0, None)
        raise _Broken("the part was longer than the file") from None
    with response:
        total = _total(response, start)
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            start = 0
        kind = response.headers.get_content_type()
        if "Content-Type" in response.headers and (kind.startswith("text/") or kind == "application/json"):
            raise _page(url)
        if not start:
            _remember(part, url, response.headers)
        _body(response, part, start, total, progress, url)


def _total(response: http.client.HTTPResponse, start: int) -> int | None:
    """How long the whole file is. Raises _Broken for a part that doesn't begin where it was asked to."""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if not found or int(found[1]) != start:
            raise _Broken("the server sent another part than it was asked for")
        return int(found[2])
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _body(
    response: http.client.HTTPResponse, part: Path, start: int, total: int | None, progress: Progress | None, url: str
) -> None:
    done = start
    while True:
        if progress:
            progress(done, total)
        # What has come so far, so that little is lost when the connection breaks.
        chunk = response.read1(_CHUNK)
        if not chunk:
            break
        if not done and chunk.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<"):
            raise _page(url)
        _write(part, done, chunk)
        done += len(chunk)
    if total is not None and done < total:
        raise _Broken(f"the connection ended after {done} of {total} bytes")
    if not done:
        raise _Broken("nothing came")


def _page(url: str) -> ModelError:
    return ModelError(
        f"{url} gives a web page in place of the file, as Google Drive does when a file was downloaded too often in a "
        "day, or is gone; open the address in a browser to see why"
    )


def _write(part: Path, at: int, chunk: bytes | None) -> None:
    """Puts a chunk at its place, which is the file's end from then on."""
    try:
        with part.open("r+b" if at else "wb") as file:
            file.seek(at)
            file.truncate()
            file.write(chunk or b"")
    except OSError as error:
        raise OutputError(f"{part} can't be written: {error.strerror}; check free space and permissions") from None


def _length(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def _memory(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _remember(part: Path, url: str, headers: Message) -> None:
    """Notes by what the server will know that the file is still the same: a strong tag, or else the date."""
    tag = headers.get("ETag", "")
    tag = headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag
    _write(part, 0, None)
    _write(_memory(part), 0, json.dumps({"url": url, "tag": tag}).encode())


def _remembered(part: Path, url: str) -> str:
    with contextlib.suppress(OSError, ValueError, AttributeError, LookupError):
        noted = json.loads(_memory(part).read_bytes())
        return str(noted["tag"]) if noted.get("url") == url else ""
    return ""


def forget(part: Path) -> None:
    """Removes a part, and what is remembered of it."""
    for path in (part, _memory(part)):
        path.unlink(missing_ok=True)
