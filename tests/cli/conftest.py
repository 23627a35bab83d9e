"""The command `vitruvian predict` on networks whose answers are known."""

from __future__ import annotations

import http.server
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple
from pathlib import Path

import av
import numpy as np
import pytest
from known import DETECTIONS, HEIGHT, LABELS, WIDTH, Command, Models, Result, heatmaps, program

from vitruvian.cli import main

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "media"))


@pytest.fixture
def models(make_onnx) -> Models:
    inputs = {"input_shape": ("N", 3, 64, 64), "name": "detector.onnx"}
    detector = make_onnx({"dets": DETECTIONS, "labels": LABELS}, **inputs)
    return Models(detector, make_onnx({"heatmaps": heatmaps()}, input_shape=("N", 3, 64, 48), name="pose.onnx"))


@pytest.fixture
def nobody(make_onnx) -> Path:
    """A detector that finds no one."""
    dets, labels = np.zeros((1, 5), np.float32), np.zeros(1, np.int64)
    return make_onnx({"dets": dets, "labels": labels}, input_shape=("N", 3, 64, 64), name="nobody.onnx")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one, so that names in messages are short."""
    path = tmp_path / "work"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the console command in this process."""
    # Usage errors are drawn in a box that breaks lines at the terminal's width.
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["vitruvian", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Result(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def run(command: Command) -> Callable[..., tuple[int, str, str]]:
    """The same, for tests that take its exit code, standard output and standard error apart."""
    return lambda *arguments: astuple(command(*arguments))


@pytest.fixture
def predict(command: Command, models: Models, folder: Path) -> Command:
    """`vitruvian predict` with the constant networks, in this process."""
    return lambda *arguments: command("predict", "--pose", models.pose, "--detector", models.detector, *arguments)


@pytest.fixture
def process(models: Models, folder: Path) -> Command:
    """`vitruvian predict` with the constant networks, in a process of its own."""

    def run(*arguments: object, stdin: bytes = b"") -> Result:
        command = program("predict", "--pose", models.pose, "--detector", models.detector, *arguments)
        done = subprocess.run(
            command, capture_output=True, timeout=60, input=stdin, env={**os.environ, "COLUMNS": "300"}
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


class _Endless(http.server.BaseHTTPRequestHandler):
    """A network camera of 50 frames/s without an end; /silent never answers, /stalls falls silent after a second."""

    def do_GET(self):
        if self.path == "/silent":
            time.sleep(20)
            return
        self.send_response(200)
        self.end_headers()
        try:
            with av.open(self.wfile, "w", format="mpegts") as out:
                stream = out.add_stream("libx264", rate=50, options={"tune": "zerolatency"})
                stream.width, stream.height, stream.pix_fmt, stream.codec_context.gop_size = (
                    WIDTH,
                    HEIGHT,
                    "yuv420p",
                    10,
                )
                for count in itertools.count():
                    image = np.full((HEIGHT, WIDTH, 3), count % 200, np.uint8)
                    out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
                    time.sleep(20 if self.path == "/stalls" and count == 50 else 0.02)
        except (OSError, av.FFmpegError):
            pass

    def log_message(self, *args):
        pass


@pytest.fixture
def endless() -> Iterator[str]:
    """The address of a camera on this machine."""
    from made import serving

    with serving(_Endless) as address:
        yield address
