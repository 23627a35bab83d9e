"""Tokens, other origins, URLs, headers of safety."""

from __future__ import annotations

import asyncio
import gzip
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from servers import Server, problem, server
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from vitruvian.errors import InputError
from vitruvian.serving import Access, read_tokens
from vitruvian.serving.access import own_host
from vitruvian.serving.fetching import fetch, is_public, matches
from vitruvian.serving.problems import Problem

TOKENS = ("one-token-of-twenty-letters", "another.token/of+letters==")
ORIGIN = "https://app.example.com"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text("# who may\n" + "\n\n".join(TOKENS) + "\n")
    with server(
        "--token-file", file, "--cors", ORIGIN, "--allow-urls", "localhost", "--allow-urls", "127.0.0.1"
    ) as one:
        yield one


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("token", TOKENS)
def test_a_token_opens(guarded, photo, token):
    assert httpx.post(guarded.url + "/v1/poses", content=photo, headers=bearer(token)).status_code == 200
    assert httpx.get(guarded.url + "/metrics", headers=bearer(token)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("x"),
        bearer(TOKENS[0][:-1]),
        bearer(TOKENS[0] + "x"),
        bearer("# who may"),
        {"Authorization": TOKENS[0]},
    ],
    ids=["none", "another", "shorter", "longer", "comment", "no scheme"],
)
def test_nothing_else_does(guarded, photo, headers):
    answer = httpx.post(guarded.url + "/v1/poses", content=photo, headers=headers)
    assert "Authorization: Bearer" in problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")
    for path in ("/metrics", "/openapi.json", "/v1/models"):
        problem(httpx.get(guarded.url + path, headers=headers), 401)


def test_probes_need_no_token(guarded):
    assert httpx.get(guarded.url + "/healthz").status_code == 200
    assert httpx.get(guarded.url + "/readyz").status_code == 200


def test_a_stream_needs_a_token(guarded, photo):
    address = guarded.url.replace("http", "ws") + "/v1/stream"
    with pytest.raises(InvalidStatus) as refused:
        connect(address)
    assert refused.value.response.status_code == 401
    assert refused.value.response.headers["www-authenticate"].startswith("Bearer")
    with connect(address, additional_headers=bearer(TOKENS[0])) as one:
        one.send(photo)
        assert '"sequence":0' in one.recv(60)
    # As browsers can: they set no headers.
    with connect(address, subprotocols=["vitruvian", f"bearer.{TOKENS[0]}"]) as one:
        assert one.subprotocol == "vitruvian"


def test_an_allowed_origin(guarded, photo):
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = httpx.options(guarded.url + "/v1/poses", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    answer = httpx.post(guarded.url + "/v1/poses", content=photo, headers={"Origin": ORIGIN, **bearer(TOKENS[0])})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    # A problem, too, is readable for the page.
    answer = httpx.post(guarded.url + "/v1/poses", content=photo, headers={"Origin": ORIGIN})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", ORIGIN + ".evil.com", "http://app.example.com"])
def test_another_origin(guarded, photo, origin):
    headers = {"Origin": origin, **bearer(TOKENS[0])}
    answer = httpx.post(guarded.url + "/v1/poses", content=photo, headers=headers)
    assert "--cors" in problem(answer, 403)
    assert "access-control-allow-origin" not in answer.headers
    with pytest.raises(InvalidStatus) as refused:
        connect(guarded.url.replace("http", "ws") + "/v1/stream", origin=origin, additional_headers=bearer(TOKENS[0]))
    assert refused.value.response.status_code == 403


def test_closed_by_default(running, photo):
    problem(httpx.post(running.url + "/v1/poses", content=photo, headers={"Origin": ORIGIN}), 403)
    # Its own page is let in.
    assert httpx.post(running.url + "/v1/poses", content=photo, headers={"Origin": running.url}).status_code == 200
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in httpx.options(running.url + "/v1/poses", headers=headers).headers
    answer = httpx.post(running.url + "/v1/poses", json={"url": "http://example.com/a.jpg"})
    assert "--allow-urls" in problem(answer, 403)


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "poses.localhost", "127.0.0.1", "192.168.1.7", "[::1]"])
def test_the_own_page(running, name):
    """It is where the address names this machine, whatever DNS says."""
    host = f"{name}:{running.place[1]}"
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert httpx.get(running.url + "/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize("name", ["evil.example.com", "localhost.evil.com", "127.0.0.1.evil.com", "poses", "a[b", ""])
def test_a_name_that_points_here_does_not_make_a_page_the_own_one(running, guarded, name):
    """DNS rebinding: such a page sends its name as Host and as Origin."""
    host = f"{name}:{running.place[1]}"
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert "--cors" in problem(httpx.get(running.url + "/v1/models", headers=headers), 403)
    headers = {"Host": host, "Origin": ORIGIN, **bearer(TOKENS[0])}
    assert httpx.get(guarded.url + "/v1/models", headers=headers).status_code == 200


def test_the_name_that_is_listened_on_is_the_own_one():
    assert own_host("poses:8000", "poses")
    assert not own_host("other:8000", "poses")


def test_headers_of_safety(running, photo):
    for answer in (
        httpx.get(running.url + "/"),
        httpx.get(running.url + "/nothing"),
        httpx.post(running.url + "/v1/poses", content=photo),
        httpx.post(running.url + "/v1/poses", content=b"nothing"),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "server" not in answer.headers


def test_it_listens_on_this_machine_alone(running):
    assert running.place[0] == "127.0.0.1"
    others = {entry[4][0] for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in others - {"127.0.0.1"}:
        with pytest.raises(OSError):  # noqa: PT011 (refused or unreachable)
            socket.create_connection((address, running.place[1]), timeout=5).close()


class _Pictures(http.server.BaseHTTPRequestHandler):
    """A host of pictures, with redirects."""

    asked: list[str]
    photo: bytes
    bomb = gzip.compress(gzip.compress(bytes(10**8)))

    def do_GET(self):
        self.asked.append(self.path)
        if self.path.startswith("/to"):
            self.send_response(302)
            self.send_header("Location", self.path.partition("=")[2])
            self.end_headers()
            return
        if self.path == "/bomb":
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip, gzip")
            self.end_headers()
            self.wfile.write(self.bomb)
            return
        self.send_response(200 if self.path == "/photo" else 404)
        self.send_header("Content-Length", str(len(self.photo)))
        self.end_headers()
        self.wfile.write(self.photo)

    def log_message(self, *args):
        pass


@pytest.fixture
def host(photo: bytes) -> Iterator[tuple[str, list[str]]]:
    """Address of a host of pictures on this machine, and what it was asked for."""
    handler = type("Handler", (_Pictures,), {"asked": [], "photo": photo})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        yield f"http://localhost:{one.server_port}", handler.asked
        one.shutdown()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_private_addresses_are_not_fetched(guarded, host, name):
    """Even where their host is allowed."""
    address, asked = host
    answer = httpx.post(
        guarded.url + "/v1/poses",
        json={"url": address.replace("localhost", name) + "/photo"},
        headers=bearer(TOKENS[0]),
    )
    assert "not a public one" in problem(answer, 403)
    assert asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.jpg",
        "file:///etc/passwd",
        "ftp://localhost/a",
        "//localhost/a",
        "http://me:you@localhost/",
        "a",
    ],
)
def test_urls_that_are_not_allowed(guarded, url):
    answer = httpx.post(guarded.url + "/v1/poses", json={"url": url}, headers=bearer(TOKENS[0]))
    assert "not fetched" in problem(answer, 403)


@pytest.mark.parametrize("body", [{}, {"url": 3}, {"url": "http://localhost/", "more": 1}, [], None])
def test_json_that_names_no_url(guarded, body):
    problem(httpx.post(guarded.url + "/v1/poses", json=body, headers=bearer(TOKENS[0])), 400)


def test_fetching_and_redirects(host, photo, monkeypatch):
    """With this machine's address counted as public: no other host is at hand."""
    address, asked = host
    monkeypatch.setattr("vitruvian.serving.fetching.is_public", lambda ip: ip == "127.0.0.1")

    noted: list[int] = []

    def get(path: str, hosts: tuple[str, ...] = ("localhost",), limit: int = 10**6) -> bytes:
        return asyncio.run(fetch(address + path, hosts, limit, 30, noted.append))

    assert get("/photo") == photo
    assert sum(noted) == len(photo)
    assert get("/to=/photo") == photo
    assert get("/to=/to=/photo") == photo
    for path, status in [
        ("/to=http://example.com/photo", 403),
        ("/to=http://169.254.169.254/latest", 403),
        ("/to=file:///etc/passwd", 403),
        ("/nothing", 422),
        ("/bomb", 422),
        ("/to=/to=/to=/to=/photo", 422),
    ]:
        with pytest.raises(Problem) as refused:
            get(path)
        assert refused.value.status == status
    with pytest.raises(Problem) as refused:
        get("/photo", limit=len(photo) - 1)
    assert refused.value.status == 413
    # A redirect to an allowed host with a private address.
    asked.clear()
    port = address.rpartition(":")[2]
    with pytest.raises(Problem) as refused:
        get(f"/to=http://127.0.0.2:{port}/photo", ("localhost", "127.0.0.2"))
    assert refused.value.status == 403
    assert len(asked) == 1


PRIVATE = ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"]
PRIVATE += ["224.0.0.1", "::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::"]
# NAT64 and its local kind, site-local, compatible with and translated from IPv4.
PRIVATE += [
    "64:ff9b::a00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::5db8:d70e",
    "fec0::1",
    "::127.0.0.1",
    "::ffff:0:10.0.0.1",
]


@pytest.mark.parametrize("address", [*PRIVATE, "ff02::1", "::"])
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"])
def test_addresses_that_are(address):
    assert is_public(address)


def test_names_of_hosts():
    assert matches("Example.com", "example.com")
    assert matches("example.com.", "example.com")
    assert not matches("a.example.com", "example.com")
    assert matches("a.example.com", ".example.com")
    assert matches("example.com", ".example.com")
    assert not matches("badexample.com", ".example.com")
    assert not matches("example.com.evil.org", ".example.com")


def test_files_of_tokens(tmp_path: Path):
    file = tmp_path / "tokens"
    with pytest.raises(InputError, match="No such file"):
        read_tokens(file)
    for text in ("", "# nothing\n\n"):
        file.write_text(text)
        with pytest.raises(InputError, match="no token"):
            read_tokens(file)
    file.write_text("short\n")
    with pytest.raises(InputError, match="16 to 512"):
        Access(read_tokens(file))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="ASCII"):
        read_tokens(file)
    # Nothing that is printed of the options has a token.
    assert TOKENS[0] not in repr(Access(TOKENS))
    with pytest.raises(InputError, match="--cors"):
        Access(origins=("example.com/a",))
    with pytest.raises(InputError, match="--allow-urls"):
        Access(url_hosts=("http://example.com",))
