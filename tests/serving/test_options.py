"""Options of the server and its command, the page's files, and parts that need no server."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from servers import Server, server

from vitruvian.errors import InputError
from vitruvian.serving import Batching, Limits, ServerOptions, page
from vitruvian.serving.containers import is_container
from vitruvian.serving.options import parse_limits
from vitruvian.serving.pictures import accepted
from vitruvian.serving.problems import Problem


def command(*arguments: object, code: str = "") -> tuple[int, str]:
    """Exit code and words of `vitruvian serve` that doesn't come up."""
    run = f"{code}\nimport sys; sys.argv[0] = 'vitruvian'\nfrom vitruvian.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", run, "serve", *map(str, arguments)], capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stderr + done.stdout


def test_a_port_that_is_taken(running: Server):
    code, said = command("--port", running.place[1])
    assert code == 2
    assert f"127.0.0.1:{running.place[1]} can't be listened on" in said


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--limit", "pixel=3"), "did you mean pixels"),
        (("--limit", "pixels=many"), "give a number, as in pixels="),
        (("--limit", "pixels=0"), "above 0"),
        (("--cors", "example.com"), "--cors"),
        (("--allow-urls", "http://a"), "--allow-urls"),
        (("--token-file", "nowhere"), "nowhere"),
        (("--pose", "nowhere.onnx"), "nowhere.onnx"),
        (("--host", "no such host"), "can't be listened on"),
        (("--drain-seconds", "0"), "--drain-seconds"),
    ],
)
def test_options_that_can_not_be(arguments, word):
    code, said = command("--port", "0", *arguments)
    assert code == 2, said
    assert word in said
    assert "Traceback" not in said


def test_a_worker_that_can_not_start():
    code, said = command("--port", "0", "--workers", "2", "--pose", "nowhere.onnx")
    assert code == 1
    assert "nowhere.onnx: no such model file" in said
    assert "a worker could not start" in said


def test_a_missing_extra_is_named():
    hidden = "import sys; sys.modules['fastapi'] = None"
    code, said = command(
        "--port",
        "0",
        code=f"{hidden}\nimport importlib.util as u; f = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'fastapi' else f(name, *a)",
    )
    assert code == 2
    assert "pip install 'vitruvian[serve]'" in said


def test_a_server_that_is_open_says_so():
    with server("--host", "0.0.0.0") as one:
        assert one.place[0] == "0.0.0.0"
        assert httpx.get(f"http://127.0.0.1:{one.place[1]}/healthz").status_code == 200
        one.end()
        assert any("--token-file" in line for line in one.said)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_address_of_ipv6():
    with server("--host", "::1") as one:
        assert one.url.startswith("http://[::1]:")
        assert httpx.get(one.url + "/healthz").status_code == 200


def test_limits_from_text():
    assert parse_limits([]) == Limits()
    assert parse_limits(["pixels=5", "body_seconds=0.5"]) == Limits(pixels=5, body_seconds=0.5)
    for wrong in (["pixels"], ["pixels="], ["pixels=true"], ["=3"]):
        with pytest.raises(InputError):
            parse_limits(wrong)
    with pytest.raises(InputError):
        Batching(size=0)
    with pytest.raises(InputError):
        Batching(delay=2)
    with pytest.raises(InputError):
        ServerOptions(port=70_000)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("*/*", "PNG"),
        ("image/*", "PNG"),
        ("image/jpeg", "JPEG"),
        ("image/png;q=0.5, image/jpeg", "JPEG"),
        ("image/png, image/jpeg;q=0.9", "PNG"),
        ("text/html, image/jpeg;q=0.1", "JPEG"),
        ("image/jpeg;q=0, */*", "PNG"),
        ("text/html,application/xhtml+xml,image/avif,image/webp,*/*;q=0.8", "PNG"),
    ],
)
def test_forms_that_are_accepted(accept, form):
    assert accepted(accept) == form


def test_forms_that_are_not():
    for accept in ("text/html", "image/gif", "image/png;q=0", "image/png;q=x"):
        with pytest.raises(Problem):
            accepted(accept)


def test_videos_by_their_first_bytes(clip):
    assert is_container(clip.read_bytes()[:1024])
    for text in (
        b"#EXTM3U\n",
        b"ffconcat version 1.0\n",
        b"<?xml version='1.0'?><MPD>",
        b"v=0\r\no=- 0 0 IN IP4 1\r\n",
        b"",
    ):
        assert not is_container(text + b" " * 1000)
    packets = (b"\x47" + b"\0" * 187) * 5
    assert is_container(packets)
    assert is_container(b"\0\0\0\0" + (b"\x47" + b"\0" * 191) * 5)
    assert not is_container(b"\x47" + b"\0" * 1000)


def test_files_of_the_page(tmp_path: Path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "index.html").write_text("<p>hello")
    (tmp_path / "parts" / "a.js").write_text("1")
    (tmp_path / ".secret.js").write_text("2")
    (tmp_path / "notes.txt").write_text("3")
    app = FastAPI(openapi_url=None)
    app.include_router(page.routes(page.read_page(tmp_path)))

    async def get(path: str, **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return await client.get(path, headers=headers)

    async def check() -> None:
        first = await get("/")
        assert (first.text, first.headers["content-type"]) == ("<p>hello", "text/html; charset=utf-8")
        assert (await get("/index.html")).text == "<p>hello"
        assert (await get("/parts/a.js")).headers["content-type"].startswith("text/javascript")
        tag = first.headers["etag"]
        assert (await get("/", **{"If-None-Match": tag})).status_code == 304
        assert (await get("/", **{"If-None-Match": f'W/{tag}, "x"'})).status_code == 304
        assert (await get("/", **{"If-None-Match": '"x"'})).status_code == 200
        for path in ("/.secret.js", "/notes.txt", "/parts", "/parts/", "/../options.py", "/parts/../../x.js"):
            assert (await get(path)).status_code == 404
        (tmp_path / "index.html").write_text("<p>other")
        again = page.read_page(tmp_path)["index.html"]
        assert again.etag != tag

    asyncio.run(check())


def test_answers_leave_at_once():
    """Connections don't wait for the acknowledgement of an answer's first part (Nagle's algorithm is off)."""
    from vitruvian.serving.server import listen

    with listen(ServerOptions(port=0)) as listening, socket.create_connection(listening.getsockname()):
        taken, _ = listening.accept()
        with taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
