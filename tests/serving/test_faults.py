"""Clients that send garbage, stall or hang up; the end of the server under load; workers that are killed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from servers import Server, exchange, problem, request, server
from test_answers import persons
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from vitruvian.media import VideoInfo, VideoWriter
from vitruvian.media.excerpts import Section
from vitruvian.serving import AsyncClient, Client
from vitruvian.serving.containers import opened
from vitruvian.serving.options import Limits
from vitruvian.serving.problems import ClientGone


def slow(one: Server, photo: bytes) -> socket.socket:
    """A request that was taken, and of whose body the last byte is missing."""
    before = one.metric("vitruvian_requests_inside")
    connection = socket.create_connection(one.place, timeout=120)
    connection.sendall(request("/v1/poses", photo, Connection="close")[:-1])
    assert one.until("vitruvian_requests_inside", before + 1) == before + 1
    return connection


def rest(connection: socket.socket, photo: bytes) -> tuple[int, dict]:
    """Send the last byte; status and record of the answer."""
    connection.sendall(photo[-1:])
    answer = b""
    while part := connection.recv(65536):
        answer += part
    connection.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"\x00" * 5000,
        b"GET\r\n\r\n",
        b"GET / HTTP/x\r\nConnection: close\r\n\r\n",
        b"POST /v1/poses HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/poses HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["TLS", "zeros", "no version", "HTTP/x", "negative length", "two lengths"],
)
def test_garbage_for_a_request(running, data):
    answer = exchange(running.place, data, 30)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert httpx.get(running.url + "/readyz").status_code == 200


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("image/jpeg", b"", 400),
        ("image/jpeg", b"\xff\xd8\xff\xe0 nothing", 422),
        ("", b"hello", 422),
        ("text/plain", b"hello", 415),
        ("application/x-www-form-urlencoded", b"picture=1", 415),
        ("application/json", b"{", 422),
        ("application/json", b"[" * 5000, 422),
        ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=b", b"x", 400),
        ("multipart/form-data; boundary=b", b"", 400),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--", 413),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="picture"; filename="a', 400),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n1\r\n--b--',
            400,
        ),
    ],
)
def test_garbage_for_a_picture(running, kind, body, status):
    headers = {"Content-Type": kind} if kind else {}
    assert problem(httpx.post(running.url + "/v1/poses", content=body, headers=headers), status)


@pytest.mark.parametrize("text", ["#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", "ffconcat version 1.0\nfile /etc/hostname\n"])
@pytest.mark.parametrize("pad", [0, 4000])
def test_playlists_are_no_videos(running, text, pad):
    """FFmpeg would open what they name."""
    body = text.encode() + b"#" * pad
    detail = problem(httpx.post(running.url + "/v1/videos", content=body), 422)
    assert "no video that is taken" in detail


def test_a_damaged_video(running, clip):
    data = bytearray(clip.read_bytes())
    detail = problem(httpx.post(running.url + "/v1/videos", content=bytes(data[:300])), 422)
    assert detail.startswith("video ")
    assert "/proc/" not in detail
    rng = random.Random(0)
    for _ in range(200):
        data[rng.randrange(40, len(data))] ^= 1 << rng.randrange(8)
    answer = httpx.post(running.url + "/v1/videos", content=bytes(data), timeout=60)
    assert answer.status_code in (200, 422)
    assert "/proc/" not in answer.text


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/page/../access.py", "//"]
)
def test_paths_that_are_not_there(running, path):
    answer = exchange(running.place, request(path, method="GET", Connection="close"))
    assert answer.startswith(b"HTTP/1.1 404 ")


def test_wrong_methods_and_options(running, photo):
    problem(httpx.get(running.url + "/v1/poses"), 405)
    for query, word in [
        ("score=2", "score"),
        ("score=nan", "score"),
        ("max_persons=0", "max_persons"),
        ("sore=1", "sore"),
    ]:
        assert word in problem(httpx.post(running.url + f"/v1/poses?{query}", content=photo), 422)
    for query in ("smooth=true", "detect_every=3", "track=true&detect_every=0", "stride=0", "start=5&end=1"):
        problem(httpx.post(running.url + f"/v1/videos?{query}", content=b"x"), 422)


def test_an_option_that_there_is_not_is_named_with_those_that_there_are(running, photo):
    own = {
        "/v1/poses": "score, max_persons, keypoint_score, angles",
        "/v1/poses/drawn": "score, max_persons, keypoint_score, angles, boxes, scores, names, colours, line_width",
        "/v1/videos": "score, max_persons, keypoint_score, angles, track, smooth, detect_every, stride, start, end",
    }
    for path, names in own.items():
        detail = problem(httpx.post(running.url + f"{path}?scor=1", content=photo), 422)
        assert detail.startswith(f"scor is no option of {path}; there are {names}")
    detail = problem(httpx.post(running.url + "/v1/poses?boxes=true&score=2", content=photo), 422)
    assert detail.startswith("boxes is no option of /v1/poses; there are ")
    assert ". options that can't be used: score: " in detail
    with pytest.raises(InvalidStatus) as refused:
        connect(running.url.replace("http", "ws") + "/v1/stream?scor=1")
    assert refused.value.response.status_code == 422
    detail = json.loads(refused.value.response.body)["detail"]
    assert (
        detail == "scor is no option of /v1/stream; there are score, max_persons, keypoint_score, angles, track, smooth"
    )


def test_too_many_files_are_told_once(running, photo):
    answer = httpx.post(running.url + "/v1/poses", files=[("picture", photo[:100])] * 33)
    assert problem(answer, 413) == "the multipart body has more than 32 files, the most that is taken"
    answer = httpx.post(running.url + "/v1/poses", files={"picture": photo}, data={"score": "1"})
    assert "parts that are no files; send files as parts named picture alone" in problem(answer, 413)


def test_clients_that_hang_up(running, photo, clip):
    """While they send, while they wait, and while a video is sent to them."""
    before = running.metric("vitruvian_requests_total")
    for length in (50, 5000):
        with socket.create_connection(running.place) as connection:
            connection.sendall(request("/v1/poses", photo)[:length])
    cancelled = running.metric("vitruvian_cancelled_total")
    waiting = [socket.create_connection(running.place) for _ in range(24)]
    for connection in waiting:
        connection.sendall(request("/v1/poses", photo))
    for connection in waiting:
        connection.close()
    with httpx.stream("POST", running.url + "/v1/videos", content=clip.read_bytes()) as answer:
        next(answer.iter_lines())
    with connect(running.url.replace("http", "ws") + "/v1/stream") as one:
        one.send(photo)
        one.socket.close()
    assert running.until("vitruvian_requests_inside", 0) == 0
    assert running.until("vitruvian_queue", 0) == 0
    # Those that waited have left the queue: not all of them went through the networks.
    assert running.metric("vitruvian_cancelled_total") > cancelled
    assert running.metric("vitruvian_requests_total") > before + 24
    assert httpx.post(running.url + "/v1/poses", content=photo).status_code == 200


@pytest.fixture
def crowds(make_onnx) -> list[str]:
    """Arguments of a server that finds 50 persons in any picture, at once."""
    boxes = np.float32([[step, step, step + 8, step + 12, 0.9] for step in range(50)])
    dets = {"dets": boxes, "labels": np.zeros(50, np.int64)}
    detector = make_onnx(dets, input_shape=("N", 3, 64, 64), name="detector.onnx")
    pose = make_onnx({"heatmaps": np.full((17, 16, 12), 0.5, np.float32)}, input_shape=("N", 3, 64, 48))
    return ["--detector", str(detector), "--pose", str(pose)]


def test_who_leaves_a_video_or_a_stream_early_is_not_logged(crowds, photo, tmp_path):
    path = tmp_path / "long.mp4"
    with VideoWriter(path, VideoInfo(64, 48, Fraction(25), Fraction(1, 25))) as writer:
        for _ in range(200):
            writer.write(np.zeros((48, 64, 3), np.uint8))

    async def leave() -> None:
        async with AsyncClient(one.url) as client:
            async for _ in client.video(path):
                break

    with server(*crowds, "--limit=send_seconds=1", "--limit=streams=1") as one:
        with Client(one.url) as client:
            for _ in client.video(path, track=True):
                break
        asyncio.run(leave())
        # Who doesn't read on: the answer is larger than what the system keeps of it.
        with socket.socket() as unread:
            unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            unread.connect(one.place)
            unread.sendall(request("/v1/videos", path.read_bytes()))
            assert unread.recv(12) == b"HTTP/1.1 200"
            assert one.until("vitruvian_requests_inside", 0) == 0
        address = one.url.replace("http", "ws") + "/v1/stream"
        with connect(address) as taken:
            taken.send(photo)
            assert "persons" in json.loads(taken.recv(30))
            for _ in range(20):
                with connect(address) as refused, suppress(OSError):
                    refused.socket.shutdown(socket.SHUT_RDWR)
            for _ in range(5):
                taken.send(photo)
            taken.socket.shutdown(socket.SHUT_RDWR)
        assert one.until("vitruvian_requests_inside", 0) == 0
        assert httpx.post(one.url + "/v1/poses", content=photo).status_code == 200
        assert one.end() == 0
        assert len(one.said) == 1, one.said


def test_a_video_is_given_up_also_where_frames_are_skipped(clip):
    """Those before the section are decoded as well, which may take long."""
    calls = []

    def gone() -> None:
        calls.append(None)
        if len(calls) == 5:
            raise ClientGone

    with clip.open("rb") as file:
        with opened(file, "clip", Section(start=1.0), Limits(), lambda: None) as source:
            assert [frame.index for frame in source] == [10, 11]
        with opened(file, "clip", Section(start=1.0), Limits(), gone) as source, pytest.raises(ClientGone):
            list(source)
    assert len(calls) == 5


def files_of(process: int) -> list[str]:
    """Files that a process has open, beside sockets, pipes and what it is made of."""
    found = []
    for link in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):
            found.append(os.readlink(link))
    return [name for name in found if name.startswith(("/tmp", "/var"))]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system doesn't say which files are open")
def test_nothing_stays_on_the_disk(photo, clip, tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    with server(env={"TMPDIR": str(folder)}) as one:
        big = clip.read_bytes() + b"\0" * 3_000_000
        httpx.post(one.url + "/v1/videos", content=big, timeout=60)
        httpx.post(one.url + "/v1/videos", files={"video": big}, timeout=60)
        httpx.post(one.url + "/v1/poses", files=[("picture", photo + b"\0" * 2_000_000)] * 2, timeout=60)
        with socket.create_connection(one.place) as connection:
            connection.sendall(request("/v1/videos", big)[:-5])
            one.until("vitruvian_requests_inside", 1)
            # Not even while it is there: the file has no name.
            assert list(folder.iterdir()) == []
        assert one.until("vitruvian_requests_inside", 0) == 0
        assert [name for name in files_of(one.process.pid) if str(folder) in name] == []
        # Nothing of a request is logged.
        assert len(one.said) == 1, one.said


def broken_pose(path: Path) -> Path:
    """A pose net that fails unless its crops are dark: it then gathers beyond its data."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["mean"]),
        helper.make_node("ReduceMax", ["mean"], ["brightest"], keepdims=0),
        helper.make_node("Add", ["brightest", "dark"], ["above"]),
        helper.make_node("Relu", ["above"], ["light"]),
        helper.make_node("Mul", ["light", "thousand"], ["index"]),
        helper.make_node("Cast", ["index"], ["far"], to=TensorProto.INT64),
        helper.make_node("Gather", ["maps", "far"], ["row"], axis=1),
        helper.make_node("Expand", ["row", "whole"], ["heatmaps"]),
    ]
    constants = [
        helper.make_tensor("maps", TensorProto.FLOAT, [1, 17, 16, 12], np.zeros(17 * 16 * 12, np.float32)),
        helper.make_tensor("dark", TensorProto.FLOAT, [1], [1.7]),
        helper.make_tensor("thousand", TensorProto.FLOAT, [1], [1000]),
        helper.make_tensor("whole", TensorProto.INT64, [4], [1, 17, 16, 12]),
    ]
    entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, 64, 48])
    out = helper.make_tensor_value_info("heatmaps", TensorProto.FLOAT, ["N", 17, 16, 12])
    graph = helper.make_graph(nodes, "broken", [entry], [out], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_sigterm_loses_no_request_that_was_taken(model, photo, pictures):
    with server() as one, ThreadPoolExecutor(16) as pool:
        connection = slow(one, photo)
        taken = [pool.submit(httpx.post, one.url + "/v1/poses", content=data, timeout=120) for data in pictures * 2]
        time.sleep(0.2)
        one.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + 60
        while (answer := httpx.get(one.url + "/readyz")).status_code == 200 and time.monotonic() < end:
            time.sleep(0.02)
        problem(answer, 503)
        # What comes now is refused, the process lives on for what it has taken.
        answer = httpx.post(one.url + "/v1/poses", content=photo)
        assert "about to leave" in problem(answer, 503)
        assert answer.headers["retry-after"]
        assert httpx.get(one.url + "/healthz").status_code == 200
        for wanted, future in zip(pictures * 2, taken, strict=True):
            answer = future.result(120)
            if answer.status_code == 200:
                assert answer.json()["persons"] == persons(model(wanted))
            else:
                problem(answer, 503)
        assert one.process.poll() is None
        status, record = rest(connection, photo)
        assert status == 200
        assert record["persons"] == persons(model(photo))
        assert one.process.wait(90) == 0
        assert len(one.said) == 1, one.said


def test_ctrl_c_ends_a_server_at_rest_with_130():
    with server() as one, connect(one.url.replace("http", "ws") + "/v1/stream") as stream:
        assert one.end(signal.SIGINT) == 130
        with pytest.raises(ConnectionClosed):
            stream.recv(30)


def test_a_second_signal_ends_at_once(photo):
    with server() as one:
        connection = slow(one, photo)
        one.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + 60
        while httpx.get(one.url + "/readyz").status_code == 200 and time.monotonic() < end:
            time.sleep(0.02)
        assert one.process.poll() is None
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(60) == 0
        connection.close()


def test_requests_that_do_not_end_are_given_up(photo):
    with server("--drain-seconds", "0.5", "--limit=body_seconds=100") as one:
        connection = slow(one, photo)
        assert one.end() == 0
        assert any("given up" in line for line in one.said)
        connection.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="several workers share a socket")
def test_a_worker_that_is_killed_is_replaced(photo, model):
    with server("--workers", 2) as one:
        wanted = persons(model(photo))

        def ask(_: int) -> bool:
            answer = httpx.post(one.url + "/v1/poses", content=photo, timeout=60)
            return answer.status_code == 200 and answer.json()["persons"] == wanted

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(ask, range(8)))
        assert one.metric("vitruvian_pictures_total") == 8
        before = workers(one)
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        end = time.monotonic() + 60
        while (len(now := workers(one)) < 2 or before[0] in now) and time.monotonic() < end:
            # The service goes on: only what the killed one had taken is lost.
            with suppress(httpx.HTTPError):
                ask(0)
        assert before[1] in now
        assert len(now) == 2
        assert any("ended with -9" in line for line in one.said)
        assert ask(0)
        assert one.end() == 0
        assert [pid for pid in now if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="several workers share a socket")
def test_signals_that_reach_every_process_drain_it(photo):
    """As systemd sends SIGTERM, and a terminal that closes SIGHUP."""
    with server("--workers", 2) as one:
        connection, own = slow(one, photo), workers(one)
        assert len(own) == 2
        for process in own:
            os.kill(process, signal.SIGHUP)
        for process in (*own, one.process.pid):
            os.kill(process, signal.SIGTERM)
        time.sleep(1.5)  # the parent has told its workers as well
        assert rest(connection, photo)[0] == 200
        assert one.process.wait(60) == 0
        assert len(one.said) == 1, one.said


@pytest.mark.skipif(not hasattr(os, "fork"), reason="several workers share a socket")
def test_a_second_signal_ends_workers_at_once(photo):
    with server("--workers", 2) as one, slow(one, photo):
        one.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert one.process.poll() is None
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(20) == 0  # of 60 to drain


def workers(one: Server) -> list[int]:
    """The processes of a server's workers."""
    found = Path(f"/proc/{one.process.pid}/task/{one.process.pid}/children").read_text().split()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in found}
    return [pid for pid, command in commands.items() if b"spawn_main" in command]


def test_a_network_that_fails(tmp_path, photo):
    with server("--pose", broken_pose(tmp_path / "broken.onnx"), "--runtime", "onnxruntime") as one:
        for _ in range(2):
            detail = problem(httpx.post(one.url + "/v1/poses", content=photo), 500)
            assert "the network could not be run" in detail
        # Pictures without persons don't need it.
        assert httpx.get(one.url + "/readyz").status_code == 200
