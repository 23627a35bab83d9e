"""Limits of requests and of the server: what is beyond them is refused with a problem, and the server goes on."""

from __future__ import annotations

import io
import json
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from PIL import Image
from servers import Server, exchange, lines, problem, request, server
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

BYTES = 200_000
LIMITS = {
    "picture_bytes": BYTES,
    "pixels": 1_000_000,
    "pictures": 2,
    "persons": 1,
    "video_bytes": 300_000,
    "video_seconds": 2,
    "frames": 20,
    "videos": 1,
    "streams": 1,
    "connections": 6,
    "header_bytes": 4000,
    "header_seconds": 2,
    "body_seconds": 2,
    "send_seconds": 2,
    "stream_seconds": 2,
}


@pytest.fixture(scope="module")
def tight() -> Iterator[Server]:
    """A server with low limits, and room for one request about pictures."""
    limits = [f"--limit={name}={value}" for name, value in LIMITS.items()]
    with server(*limits, "--queue=2") as one:
        yield one


@pytest.fixture
def http(tight: Server) -> Iterator[httpx.Client]:
    """Without kept connections, which are few here."""
    with httpx.Client(base_url=tight.url, timeout=60, headers={"Connection": "close"}) as client:
        yield client


@pytest.fixture(autouse=True)
def _goes_on(tight: Server, photo: bytes) -> Iterator[None]:
    yield
    assert httpx.post(tight.url + "/v1/poses", content=photo, headers={"Connection": "close"}).status_code == 200
    assert tight.until("vitruvian_requests_inside", 0) == 0


@contextmanager
def uploading(one: Server, path: str = "/v1/poses", kind: str = "image/jpeg") -> Iterator[socket.socket]:
    """Context with a request whose body doesn't come: it holds a place."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 1000\r\n\r\nabc"
    before = one.metric("vitruvian_requests_inside")
    with socket.create_connection(one.place, timeout=60) as connection:
        connection.sendall(head.encode())
        assert one.until("vitruvian_requests_inside", before + 1) == before + 1
        yield connection


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def test_bytes(http, photo):
    at_most = photo + b"\0" * (BYTES - len(photo))
    assert http.post("/v1/poses", content=at_most).status_code == 200
    assert "200,000 bytes" in problem(http.post("/v1/poses", content=at_most + b"\0"), 413)
    # Without a Content-Length they are counted as they come.
    parts = iter([at_most, b"\0" * 100_000])
    assert "200,000 bytes" in problem(http.post("/v1/poses", content=parts), 413)
    files = {"picture": ("big.jpg", at_most + b"\0")}
    assert "big.jpg" in problem(http.post("/v1/poses", files=files), 413)
    problem(http.post("/v1/poses", files=[("picture", b"\0" * BYTES)] * 5), 413)


def test_pixels(http):
    assert http.post("/v1/poses", content=png(1000, 1000)).status_code == 200
    detail = problem(http.post("/v1/poses", content=png(1000, 1001)), 413)
    assert "1000x1001" in detail
    assert "1,000,000 pixels" in detail
    (frame,) = http.post("/v1/poses", files={"picture": png(1000, 1001)}).json()["frames"]
    assert frame["error"]["status"] == 413


def test_pixels_that_no_memory_holds(http):
    """A header alone: 2**31 pixels on a side of PNG, in a few bytes."""
    data = bytearray(png(8, 8))
    data[16:24] = (2**31 - 1).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    problem(http.post("/v1/poses", content=bytes(data)), 413)


def test_pictures_in_a_request(http, photo):
    assert len(http.post("/v1/poses", files=[("picture", photo)] * 2).json()["frames"]) == 2
    assert "2 files" in problem(http.post("/v1/poses", files=[("picture", png(8, 8))] * 3), 413)
    problem(http.post("/v1/poses/drawn", files=[("picture", photo)] * 2), 413)


def test_persons(http, model, pictures):
    assert len(model(pictures[1])) >= 2
    for query in ({}, {"max_persons": 50}):
        assert len(http.post("/v1/poses", content=pictures[1], params=query).json()["persons"]) == 1


def test_videos(http, tmp_path, clip):
    import av
    import numpy as np

    def video(frames: int, rate: int, size: tuple[int, int] = (64, 64)) -> bytes:
        path = tmp_path / "made.mp4"
        with av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=rate)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            for _ in range(frames):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((*size[::-1], 3), np.uint8), format="rgb24")))
            out.mux(stream.encode(None))
        return path.read_bytes()

    assert "lasts 3 s" in problem(http.post("/v1/videos", content=video(15, 5)), 413)
    assert "21 frames" in problem(http.post("/v1/videos", content=video(21, 30)), 413)
    with http.stream("POST", "/v1/videos", content=video(21, 30), params={"stride": 2}) as answer:
        assert lines(answer)[-1] == {"done": True, "frames": 11}
    assert "2048x512" in problem(http.post("/v1/videos", content=video(2, 5, (2048, 512))), 413)
    data = clip.read_bytes()
    problem(http.post("/v1/videos", content=data + b"\0" * (300_001 - len(data))), 413)
    problem(http.post("/v1/videos", files={"video": data + b"\0" * 310_000}), 413)


def test_a_video_whose_header_says_nothing_of_its_length(http, tmp_path):
    """An MJPEG stream in AVI's place would know; raw H.264 doesn't: the frames are counted as they come."""
    import av
    import numpy as np

    path = tmp_path / "made.h264"
    with av.open(str(path), "w", format="h264") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(25):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        out.mux(stream.encode(None))
    with http.stream("POST", "/v1/videos", content=path.read_bytes()) as answer:
        assert answer.status_code == 200
        head, *frames, end = lines(answer)
    assert head["frames"] is None
    assert len(frames) == 20
    assert end["error"]["status"] == 413


def test_places_for_requests(tight, http, photo):
    with uploading(tight), uploading(tight):
        answer = http.post("/v1/poses", content=photo)
        assert "2 requests" in problem(answer, 503)
        assert int(answer.headers["retry-after"]) >= 1
        # Probes and the rest are answered all the same.
        assert http.get("/readyz").status_code == 200
    assert tight.until("vitruvian_requests_inside", 0) == 0
    assert tight.metric("vitruvian_refused_total") >= 1


def test_places_for_videos(tight, http, clip):
    with uploading(tight, "/v1/videos", "video/mp4"):
        answer = http.post("/v1/videos", content=clip.read_bytes())
        assert "1 videos" in problem(answer, 503)
        assert answer.headers["retry-after"]


def test_places_for_streams(tight, photo):
    address = tight.url.replace("http", "ws") + "/v1/stream"
    with connect(address) as one:
        one.send(photo)
        assert json.loads(one.recv(60))["sequence"] == 0
        with connect(address) as other:
            assert json.loads(other.recv(60))["error"]["status"] == 503
            with pytest.raises(ConnectionClosed):
                other.recv(60)
        one.send(photo)
        assert json.loads(one.recv(60))["sequence"] == 1


def test_a_stream_without_frames(tight, photo):
    address = tight.url.replace("http", "ws") + "/v1/stream"
    with connect(address) as one:
        one.send(photo)
        assert json.loads(one.recv(60))["sequence"] == 0
        with pytest.raises(ConnectionClosed) as closed:
            one.recv(60)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001


def test_bytes_of_a_frame(tight, photo):
    address = tight.url.replace("http", "ws") + "/v1/stream"
    with connect(address) as one:
        one.send(photo + b"\0" * BYTES)
        with pytest.raises(ConnectionClosed) as closed:
            one.recv(60)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def test_connections(tight):
    open_ones = [socket.create_connection(tight.place) for _ in range(6)]
    try:
        answer = exchange(tight.place, request("/healthz", method="GET"))
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"6 connections" in answer
        assert b"retry-after" in answer.lower()
        for one in open_ones[:2]:
            one.close()
        time.sleep(0.2)
        assert exchange(tight.place, request("/healthz", method="GET", Connection="close")).startswith(b"HTTP/1.1 200 ")
    finally:
        for one in open_ones:
            one.close()


def test_headers(tight):
    assert b" 200 " in exchange(tight.place, request("/healthz", method="GET", X_More="a" * 3000, Connection="close"))
    answer = exchange(tight.place, request("/healthz", method="GET", X_More="a" * 300_000))
    assert answer.startswith(b"HTTP/1.1 400 ") or answer == b""  # the system may drop what was not read
    # At once, or never to the end.
    for path, more in (("/healthz", "a" * 4100), ("/healthz?" + "a" * 4100, "a")):
        whole = request(path, method="GET", X_More=more, Connection="close")
        assert exchange(tight.place, whole).startswith(b"HTTP/1.1 400 ")
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-More: " + b"a" * 4500
    answer = exchange(tight.place, head)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"4,000 bytes of headers" in answer


def test_a_chunk_without_an_end(tight):
    """Of 2**72 bytes, as it says."""
    head = b"POST /v1/poses HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"
    assert exchange(tight.place, head).startswith(b"HTTP/1.1 408 ")
    assert exchange(tight.place, head + b"a" * (BYTES + 1)).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("said", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: "])
def test_headers_that_do_not_come(tight, said):
    """The server closes: without, this would end with the timeout."""
    with socket.create_connection(tight.place, timeout=60) as connection:
        connection.sendall(said)
        assert connection.recv(1000) == b""


def test_headers_that_do_not_come_on_a_kept_connection(tight):
    with socket.create_connection(tight.place, timeout=60) as connection:
        connection.sendall(request("/healthz", method="GET"))
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /healthz HT")
        while part := connection.recv(65536):
            answer += part
        assert answer.count(b"HTTP/1.1") == 1


def test_a_body_that_does_not_come(tight):
    with uploading(tight) as connection:
        answer = b""
        while part := connection.recv(65536):
            answer += part
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_an_answer_that_is_not_read(tight, http, photo):
    """A client asks again and again over one connection and reads nothing: the server lets it go."""
    with socket.create_connection(tight.place, timeout=60) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wanted = request("/openapi.json", method="GET") * 100_000
        with pytest.raises((ConnectionError, TimeoutError)) as broken:
            connection.sendall(wanted)
        assert isinstance(broken.value, ConnectionError)
    assert http.get("/readyz").status_code == 200


def test_a_section_that_the_video_does_not_have(http, clip):
    answer = http.post("/v1/videos", content=clip.read_bytes(), params={"start": 5})
    assert problem(answer, 422) == "video lasts 1.2 s, which is before start=5; give an earlier start"


def test_a_request_that_takes_too_long(photo, clip):
    with server("--limit=request_seconds=0.001", "--limit=video_request_seconds=0.001", "--batch-delay=0") as one:
        assert "0.001 s" in problem(httpx.post(one.url + "/v1/poses", content=photo), 504)
        with httpx.stream("POST", one.url + "/v1/videos", content=clip.read_bytes(), timeout=60) as answer:
            assert lines(answer)[-1]["error"]["status"] == 504
        with connect(one.url.replace("http", "ws") + "/v1/stream") as frames:
            frames.send(photo)
            assert json.loads(frames.recv(60))["error"]["status"] == 504
        assert one.until("vitruvian_requests_inside", 0) == 0


def test_bytes_of_all_bodies(photo):
    with server(f"--limit=body_bytes={len(photo) + 10}") as one:
        assert httpx.post(one.url + "/v1/poses", content=photo).status_code == 200
        assert "memory" in problem(httpx.post(one.url + "/v1/poses", content=photo + b"\0" * 11), 503)
        assert httpx.post(one.url + "/v1/poses", content=photo).status_code == 200
