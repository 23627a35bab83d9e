"""Signals, endless networks, closed streams and a full disk, in processes of their own."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from known import Models, make_picture, program

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and streams of POSIX")

Start = Callable[..., "subprocess.Popen[str]"]


def make_video(path: Path, frames: int) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for count in range(frames):
            image = np.full((96, 128, 3), count % 250, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode(None))
    return path


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def begun(path: Path) -> None:
    """Wait until a file has something in it."""
    for _ in range(600):
        if path.is_file() and path.stat().st_size > 2000:
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} was not begun")


@pytest.fixture
def start(models: Models, folder: Path) -> Start:
    """Starts `vitruvian predict` on a long video."""
    make_video(folder / "long.mp4", 6000)

    def run(*arguments: object) -> subprocess.Popen[str]:
        command = program("predict", "long.mp4", "--pose", models.pose, "--detector", models.detector, *arguments)
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return run


@pytest.mark.parametrize(
    "signals",
    [("SIGTERM",), ("SIGHUP",), ("SIGINT",) * 5, ("SIGINT", "SIGTERM", "SIGHUP", "SIGINT")],
    ids=" ".join,
)
def test_signals_leave_whole_files_with_all_frames(start: Start, folder: Path, signals: tuple[str, ...]) -> None:
    with start("--json", "a.json") as run:
        begun(folder / "a.json")
        for name in signals:
            run.send_signal(getattr(signal, name))
            time.sleep(0.02)
        out, err = run.communicate(timeout=60)
    assert run.returncode == 130, err
    assert "Traceback" not in err
    said = re.match(r"interrupted: (\d+) frames", out)
    assert said, out + err
    count = len(json.loads((folder / "a.json").read_text())["frames"])
    assert count == int(said[1]) < 6000
    assert frames_of(folder / "runs/predict/long.mp4") == count


def test_an_ignored_hang_up_stays_ignored(start: Start, folder: Path) -> None:
    """As nohup has it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run = start("--json", "a.json")
    finally:
        signal.signal(signal.SIGHUP, before)
    with run:
        begun(folder / "a.json")
        run.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert run.poll() is None
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=60)
    assert run.returncode == 130


def test_an_endless_network_ends_at_ctrl_c(shared: Path, folder: Path, models: Models) -> None:
    """OpenVINO runs it while it loads the file."""
    make_picture(folder / "a.png")
    loop = shared / "cases/loop.onnx"
    command = program("predict", "a.png", "--detector", models.detector, "--pose", loop, "--runtime", "openvino")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        try:
            # By then it is inside of the network, on a slow machine still before it: both must end.
            time.sleep(6)
            assert run.poll() is None
            run.send_signal(signal.SIGINT)
            _, err = run.communicate(timeout=20)
        finally:
            run.kill()
    assert run.returncode == 130
    assert "Traceback" not in err


def closed(stream: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A run whose standard stream of this number is closed."""
    sink = dict.fromkeys((1, 2), subprocess.PIPE)
    return subprocess.run(
        program(*arguments),
        stdout=sink[1],
        stderr=sink[2],
        text=True,
        timeout=120,
        preexec_fn=lambda: os.close(stream),
    )


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_closed_streams(models: Models, folder: Path, stream: int) -> None:
    make_picture(folder / "a.png")
    options = ("--pose", models.pose, "--detector", models.detector)
    done = closed(stream, "predict", "a.png", *options, "--json", "a.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads((folder / "a.json").read_text())["frames"]) == 1
    with open(folder / "runs/predict/a.png", "rb") as file:
        assert file.read(4) == b"\x89PNG"


def test_data_for_or_from_a_closed_stream_is_an_error(models: Models, folder: Path) -> None:
    make_picture(folder / "a.png")
    options = ("--pose", models.pose, "--detector", models.detector)
    done = closed(0, "predict", "-", *options)
    assert (done.returncode, "standard input is closed" in done.stderr) == (2, True)
    done = closed(1, "predict", "a.png", *options, "--json", "-", "--no-draw")
    assert (done.returncode, "standard output is closed" in done.stderr) == (1, True)
    assert closed(1, "models").returncode == 0


def test_a_reader_that_leaves_is_no_traceback() -> None:
    """As `vitruvian models | head -1`."""
    with subprocess.Popen(program("models"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        run.stdout.close()
        assert run.stderr is not None
        said = run.stderr.read()
        run.wait(timeout=60)
    assert (run.returncode, said) == (1, b"")


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
from vitruvian.cli import main
main()
"""
FORMATS = {
    "json": (("--json", "a.json"), lambda text: len(json.loads(text)["frames"])),
    "coco": (("--coco", "a.json"), lambda text: len(json.loads(text)) // 2),
    "dataset": (("--coco", "a.json", "--coco-mode", "dataset"), lambda text: len(json.loads(text)["images"])),
    "csv": (("--csv", "a.csv"), lambda text: len(text.splitlines()) // 2),
}


@pytest.mark.parametrize(("name", "limit"), itertools.product(FORMATS, (20_000, 200)))
def test_where_no_more_fits_the_records_before_are_whole(models: Models, folder: Path, name: str, limit: int) -> None:
    """A limit of the process stands for a full disk: a write takes what fits, and the next one fails."""
    make_video(folder / "clip.mp4", 60)
    options, count = FORMATS[name]
    models_of = ("--pose", models.pose, "--detector", models.detector)
    command = ["predict", "clip.mp4", "--no-draw", *map(str, models_of), *options]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), *command], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1, done.stderr
    assert f"{options[1]} can't be written" in done.stderr
    if limit == 200:
        assert not (folder / options[1]).exists()
        return
    text = (folder / options[1]).read_text()
    assert len(text) <= limit
    assert 3 <= count(text) < 60


def test_a_video_that_does_not_fit_leaves_no_empty_file(models: Models, folder: Path) -> None:
    make_video(folder / "clip.mp4", 60)
    command = ["predict", "clip.mp4", "--pose", str(models.pose), "--detector", str(models.detector)]
    done = subprocess.run([sys.executable, "-c", LIMITED, "0", *command], capture_output=True, text=True, timeout=120)
    assert (done.returncode, "can't be written" in done.stderr) == (1, True)
    assert not (folder / "runs/predict/clip.mp4").exists()
