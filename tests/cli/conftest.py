"""The command `vitruvian predict` on networks whose answers are known."""

from __future__ import annotations

import http.server
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as PIL

from vitruvian.cli import main

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "media"))

# The pictures are 128 wide and 96 high, the detector's input is 64x64: it sees them at half size.
WIDTH, HEIGHT = 128, 96
CROP_WIDTH, STRIDE = 48, 4
# In pixels of the detector's input: two persons, one too unsure, and one of another class.
DETECTIONS = np.array(
    [[8, 6, 40, 42, 0.9], [44, 10, 60, 40, 0.6], [0, 0, 9, 9, 0.1], [20, 20, 60, 40, 0.95]], np.float32
)
LABELS = np.array([0, 0, 0, 1], np.int64)
BOXES = np.array([[16, 12, 80, 84], [88, 20, 120, 80]], np.float64)
BOX_SCORES = [0.9, 0.6]
# Columns and rows of the peaks on the 12x16 heatmaps: one is in the middle of the crop, one has a neighbour to its
# right that pulls it a quarter of a cell, one keypoint is nowhere.
NOWHERE = 2
CELLS = np.array([[6, 8], [9.25, 4], [0, 0]] + [[2 + k % 8, 2 + k % 11] for k in range(3, 17)])
SCORES = np.array([0.95, 0.5, 0.0] + [0.4 + 0.03 * k for k in range(3, 17)])


def heatmaps() -> np.ndarray:
    """Maps (17, 16, 12) with one peak each, that of `CELLS` and `SCORES`."""
    maps = np.zeros((17, 16, 12), np.float32)
    for points, (x, y), score in zip(maps, CELLS, SCORES, strict=True):
        points[int(y), int(x)] = score
        if x % 1:
            points[int(y), int(x) + 1] = score / 2
    return maps


def keypoints_in(box: np.ndarray) -> np.ndarray:
    """Where the keypoints of a person in this box are, in pixels of the picture, by hand.

    The box's centre lies in the crop's, column 6 and row 8, and 48 crop pixels are as wide as the box, made 3:4 and
    padded by a quarter.
    """
    x1, y1, x2, y2 = box
    width = max(x2 - x1, (y2 - y1) * 3 / 4) * 1.25
    return np.array([x1 + x2, y1 + y2]) / 2 + (CELLS - [6, 8]) * STRIDE * width / CROP_WIDTH


@dataclass
class Models:
    """Files of a detector and a pose net with constant answers."""

    detector: Path
    pose: Path


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


@dataclass
class Result:
    """How a run ended, and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one, so that names in messages are short."""
    path = tmp_path / "work"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


Command = Callable[..., Result]


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
def predict(command: Command, models: Models, folder: Path) -> Command:
    """`vitruvian predict` with the constant networks, in this process."""
    return lambda *arguments: command("predict", "--pose", models.pose, "--detector", models.detector, *arguments)


def program(*arguments: object) -> list[str]:
    """The command line of `vitruvian` in a process of its own."""
    return [sys.executable, "-m", "vitruvian", *map(str, arguments)]


@pytest.fixture
def process(models: Models, folder: Path) -> Command:
    """`vitruvian predict` with the constant networks, in a process of its own."""

    def run(*arguments: object, stdin: bytes = b"") -> Result:
        command = program("predict", "--pose", models.pose, "--detector", models.detector, *arguments)
        done = subprocess.run(command, capture_output=True, timeout=60, input=stdin, env={**os.environ, "COLUMNS": "300"})
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


def make_picture(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.new("RGB", size, (90, 120, 60)).save(path)
    return path


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


class _Endless(http.server.BaseHTTPRequestHandler):
    """A network camera of 50 frames/s without an end; /silent accepts and never answers."""

    def do_GET(self):
        if self.path == "/silent":
            time.sleep(20)
            return
        self.send_response(200)
        self.end_headers()
        try:
            with av.open(self.wfile, "w", format="mpegts") as out:
                stream = out.add_stream("libx264", rate=50, options={"tune": "zerolatency"})
                stream.width, stream.height, stream.pix_fmt, stream.codec_context.gop_size = WIDTH, HEIGHT, "yuv420p", 10
                for count in itertools.count():
                    image = np.full((HEIGHT, WIDTH, 3), count % 200, np.uint8)
                    out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
                    time.sleep(0.02)
        except (OSError, av.FFmpegError):
            pass

    def log_message(self, *args):
        pass


@pytest.fixture
def endless() -> Iterator[str]:
    """The address of a camera on this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Endless)
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
