"""The loop of `vitruvian predict` from Python: the same files as the command's, byte for byte."""

from __future__ import annotations

import gc
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


def test_both_tables_have_the_angles(model, video, here) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow, of the extra parquet, is absent")
    process(model, video, ProcessOptions(draw=False, csv="a.csv", parquet="a.parquet", angles=True))
    columns = Path("a.csv").read_text().splitlines()[0].split(",")
    assert columns[-1] == "right_knee_angle"
    assert parquet.read_schema("a.parquet").names == columns


def test_without_files_it_counts(model, folder, here) -> None:
    summary = process(model, f"{folder}/a.png", ProcessOptions(draw=False))
    assert (summary.frames, summary.persons) == (1, 2)
    assert sorted(path.name for path in here.iterdir()) == ["in"]


def test_what_cannot_be_is_found_before_a_model_is_needed(folder, video) -> None:
    Path("there").touch()
    with pytest.raises(InputError, match="exists already"):
        Process(f"{folder}/a.png", ProcessOptions(json="there", draw=False))
    with pytest.raises(InputError, match="source itself"):
        Process(f"{folder}/a.png", ProcessOptions(f"{folder}/a.png", overwrite=True))
    with pytest.raises(InputError, match="no such file"):
        Process("gone.png")
    for settings in ({"smooth": True}, {"track_score": 0.5}, {"track_patience": 1.0}):
        with pytest.raises(InputError, match="need track"):
            ProcessOptions(**settings)
    with pytest.raises(InputError, match="standard output"):
        ProcessOptions(json="-", coco=Path("-"))


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"csv": "a.xlsx"}, "--csv writes CSV, which is text that spreadsheets open; call it a.csv"),
        ({"csv": "x/angles.ODS"}, f"call it {Path('x/angles.csv')}"),
        ({"csv": "o.parquet"}, "call it o.csv, or write Parquet with --parquet"),
        ({"csv": "o.json"}, "call it o.csv, or write JSON with --json"),
        ({"parquet": "a.csv"}, "call it a.parquet, or write CSV with --csv"),
        ({"parquet": "a.xls"}, "or write CSV, which spreadsheets open, with --csv"),
        ({"json": "a.csv"}, "--json writes JSON; call it a.json, or write CSV with --csv"),
        ({"json": Path("a.mp4")}, "call it a.json"),
        ({"coco": "a.pq"}, "--coco writes JSON; call it a.json, or write Parquet with --parquet"),
    ],
    ids=str,
)
def test_an_extension_of_another_format_is_refused(settings, advice) -> None:
    with pytest.raises(InputError) as refused:
        ProcessOptions(**settings)
    assert str(next(iter(settings.values()))) in str(refused.value)
    assert advice in str(refused.value)


def test_extensions_that_say_no_other_format_are_taken() -> None:
    ProcessOptions(csv="a.tsv", json="a.txt", coco="a", draw=False)
    ProcessOptions(csv="a.v2", json="-", coco="/dev/null", draw=False)


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
    summary = process(model, video, ProcessOptions("two.mp4", track=True, crop=9))
    assert summary.unread == 1
    (problem,) = summary.problems
    assert problem == "two.mp4 wasn't written: nobody has the track number 9; there are 1, 2"
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


@pytest.fixture
def mixed(folder, video) -> list[str]:
    """Two good pictures, a bad one, two videos of one name, and something that isn't there."""
    Path("other").mkdir()
    Path("other/clip.mp4").write_bytes(Path(video).read_bytes())
    PIL.new("RGB", (WIDTH, HEIGHT), (60, 120, 60)).save("a.png")
    return ["in", video, "gone.jpg", "other", "a.png"]


def test_several_sources_are_one_run(model, mixed, here) -> None:
    run = Process(mixed, ProcessOptions("out", json="data/p.json", csv="data/p.csv", coco="data/coco.json"))
    summary = run.run(model)
    assert (summary.frames, summary.pictures, summary.persons) == (3 + 2 * FRAMES, 3, 2 * (3 + 2 * FRAMES))
    assert sorted(problem.split()[0].strip("':") for problem in summary.problems) == ["gone.jpg", "in/b.png"]
    assert summary.unread == 2
    assert sorted(files("out")) == ["a.png", "clip.mp4", "in/a.png", "in/c.png", "other/clip.mp4"]
    assert sorted(files("data")) == [
        *("coco.json", "coco/clip.json", "coco/other/clip.json", "p.csv", "p.json"),
        *("p/clip.csv", "p/clip.json", "p/other/clip.csv", "p/other/clip.json"),
    ]
    pictures = json.loads(Path("data/p.json").read_text())
    assert [frame["source"] for frame in pictures["frames"]] == ["in/a.png", "in/c.png", "a.png"]
    assert [frame["index"] for frame in pictures["frames"]] == [0, 2, 3]
    other = json.loads(Path("data/p/other/clip.json").read_text())
    assert other["source"] == "other/clip.mp4"
    assert len(other["frames"]) == FRAMES
    assert len(list(vt.media.open_source("out/other/clip.mp4"))) == FRAMES
    assert run.written == "out, data/p.json, data/p, data/p.csv, data/p, data/coco.json, data/coco"


def test_pictures_in_memory_have_files_too(model, folder) -> None:
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    process(model, [image, f"{folder}/a.png", image[::-1]], ProcessOptions("out", csv="p.csv"))
    assert sorted(files("out")) == ["a.png", "picture 0.png", "picture 2.png"]


def test_videos_that_differ_by_extension_only_have_a_file_each(model, video, here) -> None:
    Path("clip.mkv").write_bytes(Path(video).read_bytes())
    process(model, ["clip.mkv", video], ProcessOptions("out", json="p.json"))
    assert sorted(files("out")) == ["clip.mp4", "clip.mp4.mp4"]
    assert sorted(files("p")) == ["clip.json", "clip.mp4.json"]


def test_what_several_sources_cannot_be_written_to(mixed, video, here) -> None:
    with pytest.raises(InputError, match=r"out\.mp4 is one file, but there are several sources"):
        Process(mixed, ProcessOptions("out.mp4"))
    with pytest.raises(InputError, match="standard output"):
        Process(mixed, ProcessOptions("out", json="-"))
    with pytest.raises(InputError, match="is the source itself"):
        Process(mixed, ProcessOptions(".", overwrite=True))
    Path("out/other").mkdir(parents=True)
    Path("out/other/clip.mp4").write_text("precious")
    with pytest.raises(InputError, match=r"out/other/clip\.mp4 exists already"):
        Process(mixed, ProcessOptions("out"))
    with pytest.raises(InputError, match="iterator"):
        Process(iter([np.zeros((9, 9, 3), np.uint8)]))


def test_memory_does_not_grow_with_the_number_of_sources(model, video, here) -> None:
    """What one more video takes, measured where all of them are done by one run."""
    for number in range(12):
        Path(f"{number}.mp4").write_bytes(Path(video).read_bytes())
    alive: list[int] = []

    def count() -> None:
        gc.collect()
        alive.append(sum(type(item) is vt.media.Frame for item in gc.get_objects()))

    process(model, [f"{number}.mp4" for number in range(12)], ProcessOptions("out"), count)
    assert len(alive) == 12 * FRAMES
    # How many wait in queues varies; if each video left one behind, the last would have more than any before.
    assert max(alive[-FRAMES:]) <= max(alive[:-FRAMES])


def test_the_default_folder_counts_up(model, folder) -> None:
    picture = f"{folder}/a.png"
    for _ in range(3):
        process(model, picture)
    assert sorted(files("runs")) == ["predict/a.png", "predict2/a.png", "predict3/a.png"]
    process(model, f"{folder}/c.png", ProcessOptions(overwrite=True))
    assert sorted(files("runs/predict")) == ["a.png", "c.png"]
    with pytest.raises(InputError, match="exists already"):
        process(model, picture, ProcessOptions("runs/predict"))


@pytest.mark.parametrize("form", ["json", "csv", "coco"])
def test_boxes_of_a_file_take_the_place_of_a_detector(model, folder, form) -> None:
    """What one run found, another takes: the same keypoints, without a detector."""
    pictures = f"{folder}/[ac].png"
    process(model, pictures, ProcessOptions(draw=False, **{"json": "found.json", form: f"found.{form}"}))
    given = ProcessOptions(draw=False, json="again.json", boxes=f"found.{form}")
    assert process(vt.TopDown(model.pose), pictures, given).problems == []
    found, again = (json.loads(Path(name).read_text())["frames"] for name in ("found.json", "again.json"))
    assert [len(frame["persons"]) for frame in found] == [2, 2]
    for frame, before in zip(again, found, strict=True):
        for person, other in zip(frame["persons"], before["persons"], strict=True):
            assert person["box"] == pytest.approx(other["box"], abs=0.02)
            assert np.array(person["keypoints"]) == pytest.approx(np.array(other["keypoints"]), abs=0.1)
            if form != "coco":  # whose scores are the persons', not the boxes'
                assert person["score"] == pytest.approx(other["score"], abs=1e-3)


def test_boxes_for_other_pictures_are_a_problem(model, folder) -> None:
    Path("boxes.csv").write_text("source,x1,y1,x2,y2\nelsewhere.png,1,1,20,40\n")
    summary = process(model, f"{folder}/a.png", ProcessOptions(draw=False, boxes="boxes.csv"))
    (problem,) = summary.problems
    assert "boxes.csv has no boxes for any picture of in/a.png" in problem
    assert summary.unread == 1
    with pytest.raises(InputError, match=r"gone\.csv"):
        Process(f"{folder}/a.png", ProcessOptions(draw=False, boxes="gone.csv"))


def test_faces_that_a_skeleton_has_not_are_not_blurred_silently(model, folder, here) -> None:
    hand = vt.skeletons.SKELETONS["hand21"]
    model.pose.skeleton = hand
    with pytest.raises(InputError, match="hand21 has no keypoints of a face"):
        process(model, f"{folder}/a.png", ProcessOptions(blur_faces=True))
    assert not Path("runs").exists()


def test_a_section_of_a_video_is_read_and_drawn(model, video) -> None:
    summary = process(model, video, ProcessOptions("out.mp4", json="p.json", start=0.1, end=0.55, stride=2))
    frames = json.loads(Path("p.json").read_text())["frames"]
    assert [(frame["index"], frame["time"]) for frame in frames] == [(1, 0.1), (3, 0.3), (5, 0.5)]
    assert summary.frames == 3
    drawn = list(vt.media.open_source("out.mp4"))
    assert [frame.time for frame in drawn] == pytest.approx([0, 0.2, 0.4])


@pytest.mark.parametrize(("select", "box"), [("largest", 0), ("2", 1), ("100,50", 1)])
def test_one_person_is_selected(model, folder, select, box) -> None:
    process(model, f"{folder}/a.png", ProcessOptions(draw=False, json="all.json"))
    process(model, f"{folder}/a.png", ProcessOptions(draw=False, json="one.json", select=select))
    ((frame,), (whole,)) = (json.loads(Path(name).read_text())["frames"] for name in ("one.json", "all.json"))
    assert frame["persons"] == [whole["persons"][box]]


def test_a_selected_person_is_followed(model, video) -> None:
    process(model, video, ProcessOptions(draw=False, json="one.json", select="100,50", track=True))
    frames = json.loads(Path("one.json").read_text())["frames"]
    numbers = {person["track_id"] for frame in frames for person in frame["persons"]}
    assert len(numbers) == 1
    assert None not in numbers


@pytest.mark.parametrize(
    "settings", [{"select": "tall"}, {"colours": "#12"}, {"line_width": 0.0}, {"stride": 0}, {"start": 3.0, "end": 1.0}]
)
def test_options_out_of_range(settings) -> None:
    with pytest.raises(InputError, match="--"):
        ProcessOptions(**settings)
