"""Bad input ends in a message that names the file and says what to do, in an exit code, and never in a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from known import BOXES, HEIGHT, WIDTH, make_picture, read_json
from made import frame_times, make_video, numbered_frames
from PIL import Image as PIL

NO_CAMERA = 97
USAGE, FAILURE = 2, 1


def noise(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(count)]


def half_of(path: Path) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make_bad(folder: Path, case: str) -> str:
    """Put one bad source into the folder and return its name."""
    if case == "a missing path":
        return "gone.jpg"
    if case == "a glob that matches nothing":
        return "*.jpg"
    if case == "an empty folder":
        (folder / "empty").mkdir()
        return "empty"
    if case == "a folder without pictures":
        (folder / "words").mkdir()
        (folder / "words/notes.txt").write_text("words")
        return "words"
    if case == "text named jpg":
        (folder / "text.jpg").write_text("These are words. " * 50)
        return "text.jpg"
    if case == "text named mp4":
        (folder / "text.mp4").write_text("These are words. " * 50)
        return "text.mp4"
    if case == "a JPEG cut off":
        PIL.fromarray(noise(1)[0]).save(folder / "half.jpg")
        return half_of(folder / "half.jpg").name
    if case == "an MP4 cut off before its index":
        return half_of(make_video(folder / "half.mp4", noise(20))).name
    if case == "an empty JPEG":
        (folder / "zero.jpg").touch()
        return "zero.jpg"
    if case == "an empty MP4":
        (folder / "zero.mp4").touch()
        return "zero.mp4"
    if case == "a gigantic picture":
        PIL.new("1", (20_000, 20_000)).save(folder / "huge.png")
        return "huge.png"
    raise ValueError(case)


SOURCES = {
    "a missing path": "no such file or folder; check the path",
    "a glob that matches nothing": "no pictures found",
    "an empty folder": "no pictures found",
    "a folder without pictures": "no pictures found",
    "text named jpg": "not a picture that can be read; give one of",
    "text named mp4": "neither a picture nor a video",
    "a JPEG cut off": "damaged or cut off",
    "an MP4 cut off before its index": "damaged, cut off or no video: fetch or export it again",
    "an empty JPEG": "is empty (0 bytes); fetch or copy it again",
    "an empty MP4": "is empty (0 bytes); fetch or copy it again",
    "a gigantic picture": "20000x20000, 400,000,000 pixels; the limit is 268,435,456",
}


@pytest.mark.parametrize(("case", "words"), SOURCES.items(), ids=SOURCES)
def test_sources_that_cannot_be_read(predict, folder, case, words):
    name = make_bad(folder, case)
    before = everything_in(folder)
    done = predict(name, "--json", "a.json")
    assert (done.code, done.out) == (USAGE, "")
    assert done.err.startswith("vitruvian: ")
    assert name in done.err
    assert words in done.err
    left = everything_in(folder)
    left.pop("a.json", None)
    assert left == before


@pytest.mark.parametrize("case", sorted(set(SOURCES) - {"a folder without pictures", "text named mp4", "an empty MP4"}))
def test_sources_that_cannot_be_read_in_a_process_of_their_own(process, folder, case):
    name = make_bad(folder, case)
    done = process(name)
    assert (done.code, done.out) == (USAGE, "")
    assert name in done.err
    assert "Traceback" not in done.err
    assert len(done.err.splitlines()) == 1


def test_no_camera(process):
    done = process(NO_CAMERA)
    assert done.code == USAGE
    assert done.err == (
        f"vitruvian: camera {NO_CAMERA} gives no picture; check that it is connected and not in use, or try another\n"
    )


def test_nothing_on_standard_input(process):
    done = process("-")
    assert (done.code, done.out) == (USAGE, "")
    assert "stdin is empty" in done.err
    assert "Traceback" not in done.err


def test_words_on_standard_input(process):
    done = process("-", stdin=b"words, no picture")
    assert done.code == USAGE
    assert "stdin is not a picture that can be read" in done.err
    assert "Traceback" not in done.err


def test_a_video_cut_off_gives_the_frames_before_the_damage(process, folder):
    path = make_video(folder / "clip.mp4", noise(60), options={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.6)])
    done = process("clip.mp4", "--json", "clip.json")
    assert done.code == 0
    assert "Traceback" not in done.err
    (warning,) = [line for line in done.err.splitlines() if "damaged or cut off" in line]
    count = len(read_json(folder / "clip.json")["frames"])
    assert f"clip.mp4 is damaged or cut off: {count} frames read of about 60; fetch or export it again" in warning
    assert 28 <= count <= 40
    assert done.out.startswith(f"{count} frames, {2 * count} poses, ")
    assert len(frame_times(folder / "runs/predict/clip.mp4")) == count


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1)])
def test_the_smallest_pictures_work(predict, folder, size):
    make_picture(folder / "tiny.png", size)
    done = predict("tiny.png", "--json", "a.json", "--draw-boxes", "--draw-scores", "--draw-names")
    assert (done.code, done.err) == (0, "")
    (frame,) = read_json(folder / "a.json")["frames"]
    assert (frame["width"], frame["height"]) == size
    for person in frame["persons"]:
        x1, y1, x2, y2 = person["box"]
        assert 0 <= x1 < x2 <= size[0]
        assert 0 <= y1 < y2 <= size[1]
    with PIL.open(folder / "runs/predict/tiny.png") as picture:
        assert picture.size == size


def test_one_bad_file_of_a_folder_costs_the_others_nothing(process, folder):
    for name in ("a.png", "c.png"):
        make_picture(folder / "in" / name)
    (folder / "in/b.jpg").write_text("words")
    done = process("in", "--json", "a.json", "--csv", "a.csv", "--coco", "coco.json")
    assert done.code == USAGE
    assert "Traceback" not in done.err
    (problem,) = [line for line in done.err.splitlines() if "b.jpg" in line]
    assert "is not a picture that can be read" in problem
    assert done.out.startswith("2 pictures, 4 persons, ")
    assert sorted(path.name for path in (folder / "runs/predict").iterdir()) == ["a.png", "c.png"]
    frames = read_json(folder / "a.json")["frames"]
    assert [(Path(frame["source"]).name, frame["index"]) for frame in frames] == [("a.png", 0), ("c.png", 2)]
    assert len((folder / "a.csv").read_text().splitlines()) == 1 + 2 * len(BOXES)
    assert [record["image_id"] for record in read_json(folder / "coco.json")] == [0, 0, 2, 2]


def test_every_bad_file_of_a_folder_is_told(predict, folder):
    make_picture(folder / "in/1.png")
    (folder / "in/2.png").touch()
    (folder / "in/3.png").write_text("words")
    PIL.new("1", (20_000, 20_000)).save(folder / "in/4.png")
    done = predict("in", "-q")
    assert (done.code, done.out) == (USAGE, "")
    assert [line.split(".png")[0][-1] for line in done.err.splitlines()] == ["2", "3", "4"]
    assert [path.name for path in (folder / "runs/predict").iterdir()] == ["1.png"]


def test_a_folder_of_bad_files_only(predict, folder):
    for name in ("in/a.png", "in/b.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("words")
    (folder / "a.json").write_text("precious")
    done = predict("in", "--json", "a.json", "--overwrite")
    assert done.code == USAGE
    assert "in/a.png" in done.err
    assert "in/b.png" in done.err
    assert (folder / "a.json").read_text() == "precious"


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_models_that_are_something_else(command, folder, models, make_onnx, runtime):
    make_picture(folder / "a.png")
    (folder / "words.onnx").write_text("no network")
    (folder / "zero.onnx").touch()
    classifier = make_onnx({"logits": np.zeros(1000, np.float32)}, input_shape=("N", 3, 224, 224), name="classes.onnx")
    vector = make_onnx({"y": np.zeros(4, np.float32)}, input_shape=("N", 16), name="vector.onnx")
    cases = [
        ("gone.onnx", models.pose, "gone.onnx: no such model file"),
        (models.detector, "gone.onnx", "gone.onnx: no such model file"),
        ("words.onnx", models.pose, "words.onnx: the network could not be read"),
        (models.detector, "words.onnx", "words.onnx: the network could not be read"),
        (models.detector, "zero.onnx", "zero.onnx: "),
        (classifier, models.pose, "classes.onnx: neither a detector nor a pose net"),
        (models.detector, classifier, "classes.onnx: neither a detector nor a pose net"),
        (models.detector, vector, "vector.onnx: neither a detector nor a pose net"),
        (models.pose, models.pose, "pose.onnx is a pose net (heatmap), not a detector: give it as the pose net"),
        (models.detector, models.detector, "detector.onnx is a detector (rtmdet), not a pose net: give it as the det"),
    ]
    for detector, pose, words in cases:
        done = command("predict", "a.png", "--detector", detector, "--pose", pose, "--runtime", runtime)
        assert (done.code, done.out) == (USAGE, "")
        assert words in done.err
        assert not (folder / "runs").exists()


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_a_file_that_is_no_network_in_a_process_of_its_own(process, folder, runtime):
    make_picture(folder / "a.png")
    (folder / "words.onnx").write_text("no network")
    done = process("a.png", "--pose", "words.onnx", "--runtime", runtime)
    assert done.code == USAGE
    assert done.err.startswith("vitruvian: words.onnx: the network could not be read")
    assert len(done.err.splitlines()) == 1


def test_an_output_below_a_file(process, folder):
    make_picture(folder / "a.png")
    (folder / "file").write_text("not a folder")
    for arguments in (["-o", "file/out"], ["--no-draw", "--json", "file/a.json"], ["--no-draw", "--csv", "file/a.csv"]):
        done = process("a.png", *arguments)
        assert done.code == FAILURE
        assert "Traceback" not in done.err
        assert done.err.startswith(f"vitruvian: {arguments[-1]}")
        assert "can't be written: " in done.err
        # The result itself doesn't exist: what does is a file where its folder should be.
        assert "File exists" not in done.err
        assert (folder / "file").read_text() == "not a folder"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="this user may write anywhere")
def test_a_folder_that_may_not_be_written(process, folder):
    make_picture(folder / "a.png")
    (folder / "locked").mkdir(mode=0o555)
    done = process("a.png", "-o", "locked")
    assert done.code == FAILURE
    assert "locked/a.png can't be written: Permission denied" in done.err
    assert "Traceback" not in done.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("option", ["--json", "--csv", "--coco"])
def test_data_onto_a_full_disk(process, folder, option):
    make_picture(folder / "a.png")
    done = process("a.png", "--no-draw", option, "/dev/full")
    assert (done.code, done.out) == (FAILURE, "")
    assert done.err.startswith("vitruvian: /dev/full can't be written: No space left on device")
    assert len(done.err.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_ends_a_long_run_early(process, folder):
    make_video(folder / "clip.mp4", numbered_frames(40, HEIGHT, WIDTH))
    done = process("clip.mp4", "--json", "/dev/full")
    assert done.code == FAILURE
    assert "/dev/full can't be written: No space left on device" in done.err
    assert "Traceback" not in done.err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    path = tmp_path / "disk"
    path.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(path)]
    try:
        mounted = subprocess.run(mounting, capture_output=True, timeout=10).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no file system can be mounted here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True, timeout=10)


def test_a_video_onto_a_full_disk(process, folder, small_disk):
    make_video(folder / "clip.mp4", noise(40))
    assert (folder / "clip.mp4").stat().st_size > 4 * 64 * 1024
    done = process("clip.mp4", "-o", small_disk / "out.mp4", "--json", "a.json")
    assert done.code == FAILURE
    assert f"{small_disk}/out.mp4 can't be written: No space left on device; check free space" in done.err
    assert "Traceback" not in done.err
    json.loads((folder / "a.json").read_text())


def test_pictures_onto_a_full_disk(process, folder, small_disk):
    for index, image in enumerate(noise(6)):
        (folder / "in").mkdir(exist_ok=True)
        PIL.fromarray(image).save(folder / f"in/{index}.png")
    done = process("in", "-o", small_disk / "out")
    assert done.code == FAILURE
    assert "can't be written: No space left on device; check free space and permissions" in done.err
    assert "Traceback" not in done.err
    for path in (small_disk / "out").iterdir():
        with PIL.open(path) as picture:
            picture.load()


@pytest.mark.parametrize("existing", ["runs/predict/b.png", "a.json", "a.csv", "coco.json"])
def test_existing_results_are_not_touched(predict, folder, existing):
    for name in ("a.png", "b.png"):
        make_picture(folder / "in" / name)
    (folder / existing).parent.mkdir(parents=True, exist_ok=True)
    (folder / existing).write_text("precious")
    before = everything_in(folder)
    done = predict("in", "-o", "runs/predict", "--json", "a.json", "--csv", "a.csv", "--coco", "coco.json")
    assert (done.code, done.out) == (USAGE, "")
    assert f"{existing} exists already: allow it with --overwrite, or give another output" in done.err
    assert everything_in(folder) == before


def test_an_existing_video_is_not_touched(predict, folder):
    make_video(folder / "clip.mp4", numbered_frames(3, HEIGHT, WIDTH))
    (folder / "out.mp4").write_text("precious")
    done = predict("clip.mp4", "-o", "out.mp4")
    assert done.code == USAGE
    assert "out.mp4 exists already" in done.err
    assert (folder / "out.mp4").read_text() == "precious"


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.png", "-o", "a.png"],
        ["a.png", "-o", "."],
        [".", "-o", "."],
        ["a.png", "-o", "link.png"],
        ["a.png", "--no-draw", "--json", "link.json"],
        ["sub/../a.png", "-o", "a.png"],
        ["clip.mp4", "-o", "clip.mp4"],
        ["clip.mp4", "-o", "."],
        ["clip.mp4", "-o", "hard.mp4"],
    ],
    ids=" ".join,
)
def test_the_source_is_never_overwritten(predict, folder, arguments):
    make_picture(folder / "a.png")
    make_video(folder / "clip.mp4", numbered_frames(3, HEIGHT, WIDTH))
    (folder / "link.png").symlink_to("a.png")
    (folder / "link.json").symlink_to("a.png")
    (folder / "hard.mp4").hardlink_to(folder / "clip.mp4")
    (folder / "sub").mkdir()
    before = everything_in(folder)
    done = predict(*arguments, "--overwrite")
    assert everything_in(folder) == before
    assert done.code == USAGE
    assert "is the source itself, which is never overwritten: give another output" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--json", "same", "--csv", "same"],
        ["--json", "same", "--coco", "./same"],
        ["--json", "new/same.json", "--coco", "new/../new/same.json"],
    ],
    ids=" ".join,
)
def test_one_output_named_twice(predict, folder, arguments):
    make_picture(folder / "a.png")
    done = predict("a.png", *arguments)
    assert done.code == USAGE
    assert "same" in done.err
    assert "would be written twice: give the outputs different names" in done.err
    assert list(everything_in(folder)) == ["a.png"]


def test_pictures_whose_drawings_would_share_a_name(predict, folder):
    for name in ("in/a.gif", "in/a.gif.png"):
        make_picture(folder / name)
    done = predict("in")
    assert done.code == USAGE
    assert "a.gif.png would be written twice" in done.err


@pytest.mark.parametrize(
    ("source", "arguments", "words"),
    [
        ("in", ["-o", "one.png"], "one.png is one file, but there are 2 pictures: give a folder"),
        ("in/a.png", ["-o", "out.xyz"], "out.xyz: a picture can be written as"),
        ("in/a.png", ["-o", "out.mp4"], "out.mp4: a picture can be written as"),
        ("clip.mp4", ["-o", "out.png"], "out.png: a video can be written as"),
        ("in/a.png", ["--json", "in"], "in is a folder"),
        ("in/a.png", ["--img-size", "big"], "--img-size big: give one number, or HEIGHTxWIDTH"),
        ("in/a.png", ["--img-size", "1x2x3"], "--img-size 1x2x3: give one number, or HEIGHTxWIDTH"),
        ("in/a.png", ["--img-size", ""], "--img-size"),
        ("in/a.png", ["--img-size", "0"], "size"),
        ("in/a.png", ["--img-size", "-64"], "-64"),
        ("in/a.png", ["--img-size", "320"], "detector.onnx takes 64x64 (height x width) only, not 320x320"),
        ("in/a.png", ["--runtime", "tensorrt"], "--runtime"),
        ("in/a.png", ["--precision", "int3"], "--precision"),
        ("in/a.png", ["--refine", "magic"], "--refine"),
        ("in/a.png", ["--score", "1.5"], "--score"),
        ("in/a.png", ["--score", "much"], "--score"),
        ("in/a.png", ["--score", "nan"], "score"),
        ("in/a.png", ["--iou", "-1"], "--iou"),
        ("in/a.png", ["--max-persons", "0"], "--max-persons"),
        ("in/a.png", ["--threads", "0"], "--threads"),
        ("in/a.png", ["--device", "abacus"], "abacus"),
        ("in/a.png", ["--device", "cuda:x", "--runtime", "onnxruntime"], "cuda:x"),
        ("in/a.png", ["--no-such-option"], "--no-such-option"),
    ],
)
def test_options_that_cannot_be(predict, folder, source, arguments, words):
    for name in ("in/a.png", "in/b.png"):
        make_picture(folder / name)
    make_video(folder / "clip.mp4", numbered_frames(3, HEIGHT, WIDTH))
    before = everything_in(folder)
    done = predict(source, *arguments)
    assert (done.code, done.out) == (USAGE, "")
    assert words in done.err
    assert everything_in(folder) == before


def test_img_size_that_is_no_multiple_of_the_strides(command, folder, models, make_onnx):
    dets, labels = np.zeros((1, 5), np.float32), np.zeros(1, np.int64)
    detector = make_onnx({"dets": dets, "labels": labels}, input_shape=("N", 3, "H", "W"), name="any.onnx")
    make_picture(folder / "a.png")
    for size, words in (("100", "multiples of 32"), ("64x70", "multiples of 32"), ("0", "0"), ("-32", "-32")):
        done = command("predict", "a.png", "--detector", detector, "--pose", models.pose, "--img-size", size)
        assert done.code == USAGE
        assert words in done.err


def test_refine_with_a_net_without_heatmaps(command, folder, models, make_onnx):
    outputs = {"simcc_x": np.zeros((17, 96), np.float32), "simcc_y": np.zeros((17, 128), np.float32)}
    pose = make_onnx(outputs, input_shape=("N", 3, 64, 48), name="simcc.onnx")
    make_picture(folder / "a.png")
    done = command("predict", "a.png", "--detector", models.detector, "--pose", pose, "--refine", "dark")
    assert done.code == USAGE
    assert "refine is for heatmaps" in done.err
    assert "simcc.onnx" in done.err


@pytest.mark.skipif("DISPLAY" in os.environ or sys.platform in ("win32", "darwin"), reason="here is a display")
def test_a_window_without_a_display(process, folder):
    make_picture(folder / "a.png")
    done = process("a.png", "--show", "--no-draw")
    assert done.code == FAILURE
    assert done.err.startswith("vitruvian: no window can be shown: ")
    assert len(done.err.splitlines()) == 1


def test_a_server_that_is_not_there(process):
    done = process("http://127.0.0.1:9/stream")
    assert done.code == USAGE
    assert "http://127.0.0.1:9/stream can't be opened: " in done.err
    assert "Traceback" not in done.err


def test_no_command_and_no_source(command, folder):
    assert command("predict").code == USAGE
    done = command("predikt")
    assert done.code == USAGE
    assert "predikt" in done.err


def test_names_that_are_no_text_and_names_that_look_like_markup(predict, folder):
    raw = os.fsencode(folder) + b"/in/\xff\xe9.png"
    (folder / "in").mkdir(exist_ok=True)
    make_picture(folder / "in/br[b].png")
    with open(folder / "in/br[b].png", "rb") as picture, open(raw, "wb") as copy:
        copy.write(picture.read())
    done = predict("in", "--no-draw", "--csv", "a.csv", "--json", "a.json")
    assert (done.code, done.err) == (0, "")
    assert len(read_json(folder / "a.json")["frames"]) == 2


def test_names_that_are_too_long(predict, folder):
    make_picture(folder / "a.png")
    for arguments in (["-o", "o" * 300 + ".png"], ["--no-draw", "--json", "o" * 300 + ".json"]):
        done = predict("a.png", *arguments)
        assert done.code in (FAILURE, USAGE)
        assert done.err.startswith("vitruvian: ")
        assert "Traceback" not in done.err
