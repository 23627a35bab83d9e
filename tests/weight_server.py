"""A real HTTP server whose behaviour a test decides: it keeps, breaks, changes or hides a file."""

from __future__ import annotations

import hashlib
import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Server:
    """Files by path, and how each is served.

    Args:
        address: http://host:port.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, bytes] = {}
        # By path: after how many bytes of the body the connection is cut, one number for each request to come.
        self.cuts: dict[str, list[int]] = {}
        self.ranges = True
        # "strong" tags, "weak" ones beside a date, or "none" of either.
        self.tags = "strong"
        self.length = True
        self.delay = 0.0
        self.kind = "application/octet-stream"
        self.redirects: dict[str, str] = {}
        self.statuses: dict[str, list[int]] = {}
        # Each request's path and Range, and the status that answered it.
        self.requests: list[tuple[str, str | None, int]] = []

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"


@contextmanager
def serving() -> Iterator[Server]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            path = self.path.lstrip("/").partition("?")[0]
            wanted = self.headers.get("Range")
            content = server.files.get(path)
            planned = server.statuses.get(path)
            if planned:
                return self.answer(path, wanted, planned.pop(0), b"busy", {})
            if path in server.redirects:
                return self.answer(path, wanted, 302, b"", {"Location": server.redirects[path]})
            if content is None:
                return self.answer(path, wanted, 404, b"<html>no such file</html>", {})
            tag = f'"{hashlib.md5(content).hexdigest()}"'
            date = "Mon, 02 Mar 2020 10:00:00 GMT" if server.tags == "weak" else None
            headers = {"Content-Type": server.kind}
            if server.tags != "none":
                headers["ETag"] = f"W/{tag}" if date else tag
            if date:
                headers["Last-Modified"] = date
            start = 0
            if wanted and server.ranges and self.headers.get("If-Range") == (date or tag):
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(content):
                    return self.answer(path, wanted, 416, b"", {"Content-Range": f"bytes */{len(content)}"})
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return self.answer(path, wanted, 206 if start else 200, content[start:], headers)

        def answer(self, path: str, wanted: str | None, status: int, body: bytes, headers: dict[str, str]) -> None:
            server.requests.append((path, wanted, status))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if server.length:
                self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            cuts = server.cuts.get(path)
            time.sleep(server.delay)
            self.wfile.write(body[: cuts.pop(0)] if cuts else body)
            self.close_connection = True

    class Threads(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that goes away is no concern of the server."""

    with Threads(("127.0.0.1", 0), Handler) as listening:
        server = Server(f"http://127.0.0.1:{listening.server_port}")
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
