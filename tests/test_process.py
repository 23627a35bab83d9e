"""The loop of `vitruvian predict` from Python: the same files as the command's, byte for byte."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PIL

import vitruvian as vt
from vitruvian import InputError
from vitruvian.media import VideoWriter
from vitruvian.media.frames import VideoInfo
from vitruvian.process import Process, ProcessOptions, Summary, process

HEIGHT, WIDTH, FRAMES = 96, 128, 6


@pytest.fixture
def models(make_onnx) -> tuple[Path, Path]:
    """A pose net with one peak a keypoint, and a detector of two persons."""
    maps = np.zeros((17, 16, 12), np.float32)
    for number, grid in enumerate(maps):
        grid[number % 16, number % 12] = 0.9
    dets = np.array([[8, 6, 40, 42, 0.9], [44, 10, 60, 40, 0.6]], np.float32)
    detector = make_onnx(
        {"dets": dets, "labels": np.zeros(2, np.int64)}, input_shape=("N", 3, 64, 64), name="detector.onnx"
    )
    return make_onnx({"heatmaps": maps}, input_shape=("N", 3, 64, 48), name="pose.onnx"), detector


@pytest.fixture
def model(models) -> vt.TopDown:
    return vt.load(*models)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


@pytest.fixture
def folder(here: Path) -> str:
    """Two pictures, and between them a file that is none."""
    Path("in").mkdir()
    for name, grey in (("a.png", 60), ("c.png", 200)):
        PIL.new("RGB", (WIDTH, HEIGHT), (grey, 120, 60)).save(f"in/{name}")
    Path("in/b.png").write_text("no picture")
    return "in"


@pytest.fixture
def video(here: Path) -> str:
    rng = np.random.default_rng(0)
    writer = VideoWriter("clip.mp4", VideoInfo(WIDTH, HEIGHT, Fraction(10), Fraction(1, 10)))
    for index in range(FRAMES):
        writer.write(rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8), index)
    writer.close()
    return "clip.mp4"


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(models) -> Command:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        pose, detector = map(str, models)
        line = [sys.executable, "-m", "vitruvian", "predict", "--pose", pose, "--detector", detector, *arguments]
        return subprocess.run(line, capture_output=True, text=True, timeout=120)

    return run


def files(folder: str) -> dict[str, bytes]:
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def data(folder: str) -> list[str]:
    return ["--json", f"{folder}/p.json", "--csv", f"{folder}/p.csv", "--coco", f"{folder}/coco.json"]


def test_a_folder_gives_the_command_s_files(model, folder, command) -> None:
    steps: list[None] = []
    options = ProcessOptions(
        "mine/", json="mine/p.json", csv=Path("mine/p.csv"), coco="mine/coco.json", draw_boxes=True
    )
    summary = process(model, folder, options, lambda: steps.append(None))
    done = command(folder, "-o", "theirs/", "--draw-boxes", *data("theirs"))
    assert files("mine") == files("theirs")
    assert sorted(files("mine")) == ["a.png", "c.png", "coco.json", "p.csv", "p.json"]
    assert (summary.frames, summary.persons, len(steps)) == (2, 4, 2)
    assert done.stdout.startswith("2 pictures, 4 persons, ")
    (problem,) = summary.problems
    assert (done.returncode, done.stderr) == (2, f"vitruvian: {problem}\n")
    assert "in/b.png" in problem


def test_a_video_with_tracks_gives_the_command_s_files(model, video, command) -> None:
    options = ProcessOptions(
        "mine/", json="mine/p.json", csv="mine/p.csv", coco="mine/coco.json", track=True, track_score=0.7, smooth=True
    )
    summary = process(model, video, options)
    done = command(video, "-o", "theirs/", "--track", "--track-score", "0.7", "--smooth", *data("theirs"))
    assert (done.returncode, done.stderr) == (0, "")
    assert files("mine") == files("theirs")
    assert sorted(files("mine")) == ["clip.mp4", "coco.json", "p.csv", "p.json"]
    assert summary.frames == FRAMES
    assert summary.persons == FRAMES  # of the two persons one scores 0.6
    assert summary.problems == []


def test_without_files_it_counts(model, folder, here) -> None:
    summary = process(model, f"{folder}/a.png", ProcessOptions(draw=False))
    assert (summary.frames, summary.persons) == (1, 2)
    assert sorted(path.name for path in here.iterdir()) == ["in"]


def test_what_cannot_be_is_found_before_a_model_is_needed(folder, video) -> None:
    with pytest.raises(InputError, match="exists already"):
        Process(f"{folder}/a.png", ProcessOptions(json="clip.mp4", draw=False))
    with pytest.raises(InputError, match="source itself"):
        Process(f"{folder}/a.png", ProcessOptions(f"{folder}/a.png", overwrite=True))
    with pytest.raises(InputError, match="no such file"):
        Process("gone.png")
    for settings in ({"smooth": True}, {"track_score": 0.5}, {"track_patience": 1.0}):
        with pytest.raises(InputError, match="need track"):
            ProcessOptions(**settings)
    with pytest.raises(InputError, match="standard output"):
        ProcessOptions(json="-", coco=Path("-"))


def test_slow_motion_and_one_person_s_video(model, video) -> None:
    options = ProcessOptions(
        "slow.mp4", track=True, slow=2.5, trail=("wrist",), draw_angles=True, csv="a.csv", angles=True
    )
    process(model, video, options)
    slow = list(vt.media.open_source("slow.mp4"))
    # Ten frames a second, two and a half times as slow: a frame each quarter of a second.
    assert [frame.time for frame in slow] == pytest.approx([0.25 * index for index in range(FRAMES)], abs=1e-3)
    assert slow[0].image.shape == (HEIGHT, WIDTH, 3)
    assert "left_knee_angle" in Path("a.csv").read_text().splitlines()[0]
    summary = process(model, video, ProcessOptions("one.mp4", track=True, crop=1))
    assert summary.problems == []
    one = list(vt.media.open_source("one.mp4"))
    assert (len(one), one[0].image.shape) == (FRAMES, (640, 480, 3))
    (problem,) = process(model, video, ProcessOptions("two.mp4", track=True, crop=9)).problems
    assert "two.mp4" in problem
    assert "number 9" in problem
    assert not Path("two.mp4").exists()


def test_options_of_videos_are_for_videos(folder, video, model) -> None:
    for settings in ({"trail": ("wrist",)}, {"crop": 1}):
        with pytest.raises(InputError, match="need track"):
            ProcessOptions(**settings)
        with pytest.raises(InputError, match="drawn videos"):
            Process(folder, ProcessOptions(track=True, **settings))
        with pytest.raises(InputError, match="drawn videos"):
            Process(video, ProcessOptions(track=True, draw=False, json="a.json", **settings))
    with pytest.raises(InputError, match="from 1"):
        ProcessOptions(track=True, crop=0)
    for slow in (0.5, 0, -1, 101, float("nan")):
        with pytest.raises(InputError, match="from 1 to 100"):
            ProcessOptions(slow=slow)
    with pytest.raises(InputError, match="left_wrist"):
        process(model, video, ProcessOptions("a.mp4", track=True, trail=("wing",)))
    assert not Path("a.mp4").exists()


def test_an_interruption_leaves_whole_files_and_a_summary(model, video) -> None:
    run = Process(video, ProcessOptions("out.mp4", json="p.json"))

    def interrupt() -> None:
        if run.summary.frames == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run(model, interrupt)
    assert len(json.loads(Path("p.json").read_text())["frames"]) == 2
    assert len(list(vt.media.open_source("out.mp4"))) == 2
    assert isinstance(run.summary, Summary)
    assert (run.summary.frames, run.summary.persons) == (2, 4)
    assert run.summary.seconds > 0
