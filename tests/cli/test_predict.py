"""`vitruvian predict`: what it writes, where, and what it says."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
from known import (
    BOX_SCORES,
    BOXES,
    HEIGHT,
    SCORES,
    WIDTH,
    keypoints_in,
    make_picture,
    program,
    read_json,
)
from made import codecs_of, frame_times, make_video, number, numbered_frames, pitch, sound_of
from PIL import Image as PIL

from vitruvian import COCO17, __version__

PERSONS = len(BOXES)


def pixels(path: Path) -> np.ndarray:
    with PIL.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def as_expected(persons: list[dict]) -> bool:
    """Whether the persons of a frame are those of the constant networks, to the two digits that are written."""
    assert [person["score"] for person in persons] == pytest.approx(BOX_SCORES, abs=1e-4)
    for person, box in zip(persons, BOXES, strict=True):
        assert person["box"] == pytest.approx(box.tolist(), abs=0.011)
        assert np.array(person["keypoints"]) == pytest.approx(keypoints_in(box), abs=0.011)
        assert person["keypoint_scores"] == pytest.approx(SCORES.tolist(), abs=1e-4)
    return True


def test_a_picture_is_drawn_below_runs_predict(predict, folder):
    make_picture(folder / "photo.png")
    done = predict("photo.png")
    assert done.code == 0
    assert sorted(path for path in (folder / "runs").rglob("*.*")) == [folder / "runs/predict/photo.png"]
    drawn, source = pixels(folder / "runs/predict/photo.png"), pixels(folder / "photo.png")
    assert drawn.shape == source.shape
    changed = (drawn != source).any(axis=2)
    x, y = keypoints_in(BOXES[0])[0].round().astype(int)
    assert changed[y - 1 : y + 2, x - 1 : x + 2].all()
    assert not changed[:, :4].any()


def test_the_last_line_says_what_was_done(predict, folder):
    make_picture(folder / "a.png")
    done = predict("a.png")
    line = r"1 picture, 2 persons, \d+\.\d s, \d+\.\d frames/s -> runs/predict/a\.png\n"
    assert re.fullmatch(line, done.out)
    assert done.err == ""


def test_quiet_says_nothing(predict, folder):
    make_picture(folder / "a.png")
    (folder / "notes.txt").write_text("no picture")
    done = predict(".", "-q", "--json", "a.json")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert (folder / "runs/predict/a.png").is_file()


@pytest.mark.parametrize("form", ["--json", "--coco", "--csv"])
def test_data_to_standard_output(process, folder, form):
    make_picture(folder / "a.png")
    done = process("a.png", "--no-draw", form, "-")
    assert done.code == 0
    assert re.fullmatch(r"1 picture, 2 persons, .* -> -\n", done.err)
    assert process("a.png", "--no-draw", form, "file", "-q").out == ""
    assert done.out.encode() == (folder / "file").read_bytes()
    piped = process("-", "-q", "--no-draw", form, "-", stdin=(folder / "a.png").read_bytes())
    assert (piped.code, len(piped.out) > 100, piped.err) == (0, True, "")


def test_standard_output_takes_one_format(predict, folder):
    make_picture(folder / "a.png")
    done = predict("a.png", "--json", "-", "--csv", "-")
    assert (done.code, done.out) == (2, "")
    assert "standard output (-) takes one of --json, --csv and --coco" in done.err


def test_quiet_still_says_what_is_wrong(predict, folder):
    done = predict("gone.png", "-q")
    assert done.code == 2
    assert "gone.png" in done.err


@pytest.mark.parametrize("output", ["drawn.jpg", "new/deep/drawn.webp"])
def test_output_to_a_file(predict, folder, output):
    make_picture(folder / "a.png")
    done = predict("a.png", "-o", output)
    assert done.code == 0
    assert done.out.endswith(f"-> {output}\n")
    assert pixels(folder / output).shape == (HEIGHT, WIDTH, 3)
    assert not (folder / "runs").exists()


def test_output_to_a_folder(predict, folder):
    make_picture(folder / "a.png")
    assert predict("a.png", "--output", "new/folder").code == 0
    assert [path.name for path in (folder / "new/folder").iterdir()] == ["a.png"]


def test_formats_that_cannot_be_written_become_png(predict, folder):
    PIL.new("RGB", (WIDTH, HEIGHT), (9, 9, 9)).save(folder / "a.gif")
    assert predict("a.gif").code == 0
    with PIL.open(folder / "runs/predict/a.gif.png") as picture:
        assert picture.format == "PNG"


def test_a_folder_keeps_its_subfolders(predict, folder):
    for name in ("in/a.png", "in/deep/a.png", "in/deep/er/b.png"):
        make_picture(folder / name)
    done = predict("in", "-r", "-o", "out")
    assert done.code == 0
    assert done.out.startswith("3 pictures, 6 persons, ")
    found = sorted(str(path.relative_to(folder / "out")) for path in (folder / "out").rglob("*.png"))
    assert found == ["a.png", "deep/a.png", "deep/er/b.png"]


def test_a_folder_without_recursion_is_that_folder(predict, folder):
    make_picture(folder / "in/a.png")
    make_picture(folder / "in/deep/b.png")
    assert predict("in", "-o", "out").out.startswith("1 picture, 2 persons, ")
    assert [path.name for path in (folder / "out").iterdir()] == ["a.png"]


def test_a_glob(predict, folder):
    for name in ("cat1.png", "cat2.png", "dog.png"):
        make_picture(folder / name)
    done = predict("cat*.png", "--json", "out.json", "--no-draw")
    assert done.code == 0
    assert [frame["source"] for frame in read_json(folder / "out.json")["frames"]] == ["cat1.png", "cat2.png"]


def test_files_that_are_no_pictures_are_noted(predict, folder):
    make_picture(folder / "in/a.png")
    for name in ("notes.txt", "table.csv"):
        (folder / "in" / name).write_text("words")
    done = predict("in")
    assert done.code == 0
    assert "2 files that are no pictures were skipped" in done.err
    assert "skipped" not in done.out


def test_json_has_the_documented_shape_and_the_right_numbers(predict, folder):
    for name in ("a.png", "b.png"):
        make_picture(folder / "in" / name)
    assert predict("in", "--json", "out/poses.json").code == 0
    data = read_json(folder / "out/poses.json")
    assert list(data) == ["version", "generator", "source", "skeleton", "frames"]
    assert (data["version"], data["generator"], data["source"]) == (1, f"vitruvian {__version__}", "in")
    assert data["skeleton"]["name"] == "coco17"
    assert data["skeleton"]["keypoints"] == list(COCO17.keypoints)
    assert [tuple(limb) for limb in data["skeleton"]["limbs"]] == list(COCO17.limbs)
    assert len(data["frames"]) == 2
    for index, frame in enumerate(data["frames"]):
        assert list(frame) == ["source", "index", "time", "width", "height", "persons"]
        assert (frame["source"], frame["index"], frame["time"]) == (f"in/{'ab'[index]}.png", index, None)
        assert (frame["width"], frame["height"]) == (WIDTH, HEIGHT)
        for person in frame["persons"]:
            assert list(person) == ["track_id", "box", "score", "keypoints", "keypoint_scores"]
            assert person["track_id"] is None
        assert as_expected(frame["persons"])


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_each_runtime_gives_the_same_numbers(predict, folder, runtime):
    make_picture(folder / "a.png")
    assert predict("a.png", "--no-draw", "--json", "a.json", "--runtime", runtime, "--threads", 1).code == 0
    assert as_expected(read_json(folder / "a.json")["frames"][0]["persons"])


def test_csv_has_a_row_a_person(predict, folder):
    make_picture(folder / "a.png")
    assert predict("a.png", "--no-draw", "--csv", "a.csv").code == 0
    with (folder / "a.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    assert header[:10] == ["source", "frame", "time", "person", "track_id", "score", "x1", "y1", "x2", "y2"]
    assert header[10:13] == ["nose_x", "nose_y", "nose_score"]
    assert header[-3:] == ["right_ankle_x", "right_ankle_y", "right_ankle_score"]
    assert len(rows) == PERSONS
    for place, (row, box) in enumerate(zip(rows, BOXES, strict=True)):
        assert row[:5] == ["a.png", "0", "", str(place), ""]
        assert [float(text) for text in row[5:10]] == pytest.approx([BOX_SCORES[place], *box], abs=0.011)
        points = np.array([float(text) for text in row[10:]]).reshape(17, 3)
        assert points[:, :2] == pytest.approx(keypoints_in(box), abs=0.011)
        assert points[:, 2] == pytest.approx(SCORES, abs=1e-4)


def test_coco_numbers_pictures_by_their_names(predict, folder):
    for name in ("000000000139.png", "000000000007.png"):
        make_picture(folder / "in" / name)
    assert predict("in", "--no-draw", "--coco", "coco.json").code == 0
    records = read_json(folder / "coco.json")
    assert [record["image_id"] for record in records] == [7, 7, 139, 139]
    for record, box, score in zip(records, [*BOXES, *BOXES], BOX_SCORES * 2, strict=True):
        assert set(record) == {"image_id", "category_id", "keypoints", "bbox", "score"}
        assert record["category_id"] == 1
        assert record["bbox"] == pytest.approx([box[0], box[1], box[2] - box[0], box[3] - box[1]], abs=0.011)
        points = np.array(record["keypoints"]).reshape(17, 3)
        assert points == pytest.approx(np.column_stack([keypoints_in(box), SCORES]), abs=1e-3)
        # The HRNet authors' rescoring: box score times the mean score of the keypoints above 0.2.
        assert record["score"] == pytest.approx(score * SCORES[SCORES > 0.2].mean(), abs=1e-5)


def test_coco_numbers_other_pictures_by_their_place(predict, folder):
    for name in ("a.png", "17.png"):
        make_picture(folder / "in" / name)
    assert predict("in", "--no-draw", "--coco", "coco.json").code == 0
    assert [record["image_id"] for record in read_json(folder / "coco.json")] == [0, 0, 1, 1]


def test_no_draw_writes_no_picture(predict, folder):
    make_picture(folder / "a.png")
    done = predict("a.png", "--no-draw", "--json", "a.json")
    assert done.code == 0
    assert {path.name for path in folder.iterdir()} == {"a.png", "a.json"}


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ([], "nobody was found: try --score 0.2 or --preset balanced"),
        (["--score", "0.1"], "nobody was found: try --preset balanced"),
        (["--select", "largest"], ""),
    ],
)
def test_a_run_of_the_package_s_models_without_a_person_has_a_hint(command, folder, options, hint):
    make_picture(folder / "grey.png")
    done = command("predict", "grey.png", *options)
    first, *rest = done.out.splitlines()
    assert (done.code, [line.strip() for line in rest]) == (0, [hint] * bool(hint))
    assert first.startswith("1 picture, 0 persons, ")


def test_tracked_persons_are_counted_once(predict, folder):
    make_video(folder / "clip.mp4", numbered_frames(7, HEIGHT, WIDTH))
    make_video(folder / "more.mp4", numbered_frames(5, HEIGHT, WIDTH))
    make_picture(folder / "a.png")
    assert predict("clip.mp4", "--track").out.startswith("7 frames, 2 persons (14 poses), ")
    # Each video has its own persons.
    said = predict("a.png", "clip.mp4", "more.mp4", "--track", "-o", "out").out
    assert said.startswith("1 picture, 2 persons (2 poses), 12 frames, 4 persons (24 poses), ")
    assert predict("clip.mp4", "-o", "b.mp4").out.startswith("7 frames, 14 poses, ")


def test_a_crop_of_nobody_is_wrong_input(predict, folder):
    make_video(folder / "clip.mp4", numbered_frames(7, HEIGHT, WIDTH))
    done = predict("clip.mp4", "--track", "--crop", 7, "-o", "x.mp4", "--csv", "x.csv")
    assert (done.code, (folder / "x.mp4").exists()) == (2, False)
    assert done.out.endswith("frames/s -> x.csv\n")
    assert done.err == "vitruvian: x.mp4 wasn't written: nobody has the track number 7; there are 1, 2\n"


def test_nobody_in_the_picture(command, folder, models, nobody):
    make_picture(folder / "a.png")
    files = ("--json", "a.json", "--csv", "a.csv", "--coco", "coco.json")
    done = command("predict", "a.png", "--detector", nobody, "--pose", models.pose, *files)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("1 picture, 0 persons, ")
    # Of another detector's settings nothing is known.
    assert "nobody" not in done.out
    assert [frame["persons"] for frame in read_json(folder / "a.json")["frames"]] == [[]]
    assert len((folder / "a.csv").read_text().splitlines()) == 1
    assert read_json(folder / "coco.json") == []
    assert np.array_equal(pixels(folder / "runs/predict/a.png"), pixels(folder / "a.png"))


@pytest.mark.parametrize(
    ("options", "scores"),
    [
        (["--score", 0.7], [0.9]),
        (["--max-persons", 1], [0.9]),
        (["--score", 0.05], [0.9, 0.6, 0.1]),
        (["--score", 0.95], []),
    ],
)
def test_which_persons_are_kept(predict, folder, options, scores):
    make_picture(folder / "a.png")
    assert predict("a.png", "--no-draw", "--json", "a.json", *options).code == 0
    (frame,) = read_json(folder / "a.json")["frames"]
    assert [person["score"] for person in frame["persons"]] == pytest.approx(scores, abs=1e-4)


def test_refine_none_leaves_the_peak_where_it_is(predict, folder):
    make_picture(folder / "a.png")
    assert predict("a.png", "--no-draw", "--json", "a.json", "--refine", "none").code == 0
    person = read_json(folder / "a.json")["frames"][0]["persons"][0]
    unmoved = keypoints_in(BOXES[0])
    unmoved[1, 0] -= 0.25 * 4 * 80 / 48
    assert np.array(person["keypoints"]) == pytest.approx(unmoved, abs=0.011)


def test_keypoint_score_keeps_unsure_keypoints_out_of_the_picture(predict, folder):
    make_picture(folder / "a.png")
    assert predict("a.png", "-o", "none.png", "--keypoint-score", 1).code == 0
    assert np.array_equal(pixels(folder / "none.png"), pixels(folder / "a.png"))


def test_boxes_scores_and_names_are_drawn_on_request(predict, folder):
    make_picture(folder / "a.png", (4 * WIDTH, 4 * HEIGHT))  # names are written where there is room
    assert predict("a.png", "-o", "plain.png").code == 0
    plain = pixels(folder / "plain.png")
    for option in ("--draw-boxes", "--draw-scores", "--draw-names"):
        assert predict("a.png", "-o", f"{option}.png", option).code == 0
        assert (pixels(folder / f"{option}.png") != plain).any()


def test_img_size_is_taken_where_the_network_takes_any(command, folder, models, make_onnx):
    dets = np.array([[8, 6, 40, 42, 0.9]], np.float32)
    outputs = {"dets": dets, "labels": np.zeros(1, np.int64)}
    detector = make_onnx(outputs, input_shape=("N", 3, "H", "W"), name="any.onnx")
    make_picture(folder / "a.png")
    # The picture of 128x96 is scaled to fit, so a box of the detector grows by the inverse.
    for size, scale in (("64", 0.5), ("96x128", 1), ("192X128", 1), ("64x160", 2 / 3)):
        arguments = ("predict", "a.png", "--detector", detector, "--pose", models.pose, "--img-size", size)
        assert command(*arguments, "--no-draw", "--json", "a.json", "--overwrite").code == 0
        person = read_json(folder / "a.json")["frames"][0]["persons"][0]
        assert person["box"] == pytest.approx([8 / scale, 6 / scale, 40 / scale, 42 / scale], abs=0.011)


def test_a_picture_on_standard_input(process, folder):
    data = io.BytesIO()
    PIL.new("RGB", (WIDTH, HEIGHT)).save(data, format="PNG")
    done = process("-", "--json", "a.json", stdin=data.getvalue())
    assert (done.code, done.err) == (0, "")
    data = read_json(folder / "a.json")
    assert (data["source"], data["frames"][0]["source"]) == ("stdin", "stdin")
    assert as_expected(data["frames"][0]["persons"])
    written = list((folder / "runs/predict").iterdir())
    assert len(written) == 1
    assert pixels(written[0]).shape == (HEIGHT, WIDTH, 3)


def test_a_video_keeps_its_frames_times_size_and_sound(predict, folder):
    source = make_video(
        folder / "clip.mp4", numbered_frames(25, HEIGHT, WIDTH), audio="aac", fps=10, pts=range(0, 75, 3)
    )
    done = predict("clip.mp4", "--json", "clip.json", "--keypoint-score", 1)
    assert (done.code, done.err) == (0, "")
    target = folder / "runs/predict/clip.mp4"
    assert re.fullmatch(
        r"25 frames, 50 poses, \d+\.\d s, \d+\.\d frames/s -> runs/predict/clip\.mp4, clip\.json\n", done.out
    )
    assert codecs_of(target) == ["h264", "aac"]
    assert frame_times(target) == pytest.approx(frame_times(source), abs=1e-4)
    assert frame_times(source)[1] == pytest.approx(0.1)
    with av.open(str(target)) as container:
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 10
    assert images[0].shape == (HEIGHT, WIDTH, 3)
    assert [number(image) for image in images] == list(range(25))
    samples, start = sound_of(target)
    assert start == pytest.approx(0, abs=0.05)
    assert len(samples) / 48_000 == pytest.approx(2.5, abs=0.1)
    assert pitch(samples) == pytest.approx(440, abs=5)
    frames = read_json(folder / "clip.json")["frames"]
    assert [frame["index"] for frame in frames] == list(range(25))
    assert [frame["time"] for frame in frames] == pytest.approx([i / 10 for i in range(25)], abs=1e-4)
    assert {frame["source"] for frame in frames} == {"clip.mp4"}
    assert all(as_expected(frame["persons"]) for frame in frames)


@pytest.mark.parametrize("output", ["drawn.mkv", "drawn.mov", "new/drawn.mp4"])
def test_a_video_to_a_file(predict, folder, output):
    make_video(folder / "clip.avi", numbered_frames(6, HEIGHT, WIDTH), codec="mpeg4")
    assert predict("clip.avi", "-o", output).code == 0
    assert len(frame_times(folder / output)) == 6
    assert codecs_of(folder / output) == ["h264"]


def test_a_video_is_drawn_on(predict, folder):
    grey = [np.full((HEIGHT, WIDTH, 3), 128, np.uint8)] * 5
    make_video(folder / "clip.mp4", grey)
    assert predict("clip.mp4").code == 0
    x, y = keypoints_in(BOXES[0])[0].round().astype(int)
    with av.open(str(folder / "runs/predict/clip.mp4")) as container:
        for frame in container.decode(video=0):
            image = frame.to_ndarray(format="rgb24").astype(int)
            assert np.abs(image[y - 2 : y + 3, x - 2 : x + 3] - 128).max() > 30
            assert np.abs(image[:, :4] - 128).max() < 10


def test_options_of_tracking_need_it(predict, folder):
    make_video(folder / "clip.mp4", numbered_frames(3, HEIGHT, WIDTH))
    for options in (["--smooth"], ["--track-score", 0.6], ["--track-patience", 2]):
        done = predict("clip.mp4", *options)
        assert done.code == 2
        assert "need --track" in done.err
    assert predict("clip.mp4", "--track", "--smooth", "--track-score", 0.99, "--json", "a.json").code == 0
    assert [frame["persons"] for frame in read_json(folder / "a.json")["frames"]] == [[]] * 3


def test_detection_on_some_frames(predict, folder):
    make_video(folder / "clip.mp4", numbered_frames(6, HEIGHT, WIDTH))
    for value, reason in (("0", "whole number"), ("2.5", "whole number"), ("2", "needs --track")):
        done = predict("clip.mp4", "--detect-every", value, "--json", "a.json")
        assert done.code == 2
        assert reason in done.err
    options = ("--angles", "--draw-angles", "--trail", "wrist", "--trail", "nose", "--slow", 2, "--smooth")
    assert predict("clip.mp4", "--track", "--detect-every", 3, "--json", "a.json", *options).code == 0
    frames = read_json(folder / "a.json")["frames"]
    assert len(frames) == 6
    assert all("left_knee" in person["angles"] for frame in frames for person in frame["persons"])


def test_track_numbers_the_persons(predict, folder):
    make_video(folder / "clip.mp4", numbered_frames(6, HEIGHT, WIDTH))
    assert predict("clip.mp4", "--track", "--json", "a.json", "--csv", "a.csv").code == 0
    numbers = [[person["track_id"] for person in frame["persons"]] for frame in read_json(folder / "a.json")["frames"]]
    assert len(numbers) == 6
    assert len(set(numbers[0])) == PERSONS
    assert all(isinstance(number, int) and number > 0 for number in numbers[0])
    assert all(row == numbers[0] for row in numbers)
    with (folder / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["track_id"]) for row in rows] == numbers[0] * 6
    assert [int(row["frame"]) for row in rows] == [i // PERSONS for i in range(6 * PERSONS)]


def test_existing_results_are_replaced_with_overwrite(predict, folder):
    make_picture(folder / "a.png")
    for _ in range(2):
        done = predict("a.png", "--json", "a.json", "--csv", "a.csv", "--coco", "coco.json", "--overwrite")
        assert done.code == 0
    assert len(read_json(folder / "a.json")["frames"]) == 1
    assert len((folder / "a.csv").read_text().splitlines()) == 1 + PERSONS
    assert len(read_json(folder / "coco.json")) == PERSONS


def test_version_and_help(command):
    assert command("--version").out == f"vitruvian {__version__}\n"
    done = command("predict", "--help")
    assert done.code == 0
    for option in ("--output", "--json", "--csv", "--coco", "--track", "--img-size", "--overwrite", "--runtime"):
        assert option in done.out


def wait_for(condition, what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.05)


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen]:
    """A process, ended and released whatever happens."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        try:
            yield run
        finally:
            run.kill()


def interrupted(process: subprocess.Popen) -> tuple[str, str]:
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    return out.decode(), err.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_an_endless_stream_with_whole_files(models, folder, endless):
    options = ("-o", "live.mp4", "--json", "live.json", "--csv", "live.csv", "--track", "--threads", 1)
    command = program("predict", f"{endless}/live", "--pose", models.pose, "--detector", models.detector, *options)
    with running(command) as run:
        data = folder / "live.json"
        wait_for(lambda: run.poll() is not None or (data.exists() and data.stat().st_size > 20_000), "output")
        out, err = interrupted(run)
    assert (run.returncode, err) == (130, "")
    said = re.match(r"interrupted: (\d+) frames, 2 persons \((\d+) poses\), ", out)
    assert said, out
    count = int(said[1])
    assert count > 5
    assert int(said[2]) == PERSONS * count
    frames = json.loads(data.read_text())["frames"]
    assert [frame["index"] for frame in frames] == list(range(count))
    assert all(as_expected(frame["persons"]) for frame in frames)
    assert len((folder / "live.csv").read_text().splitlines()) == 1 + PERSONS * count
    times = frame_times(folder / "live.mp4")
    assert len(times) == count
    assert np.diff(times) == pytest.approx(1 / 50, abs=1e-3)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_in_a_folder(models, folder):
    first = make_picture(folder / "in/0.png")
    for index in range(1, 4000):
        (folder / f"in/{index}.png").hardlink_to(first)
    options = ("-o", "out", "--json", "a.json", "--threads", 1)
    command = program("predict", "in", "--pose", models.pose, "--detector", models.detector, *options)
    with running(command) as run:
        wait_for(lambda: run.poll() is not None or (folder / "out/9.png").exists(), "the tenth picture")
        out, err = interrupted(run)
    assert (run.returncode, err) == (130, "")
    said = re.match(r"interrupted: (\d+) pictures, ", out)
    assert said, out
    count = int(said[1])
    assert 10 <= count < 4000
    assert len(read_json(folder / "a.json")["frames"]) == count
    names = sorted(int(path.stem) for path in (folder / "out").iterdir())
    assert names == list(range(count))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_on_a_stream_that_has_fallen_silent(models, folder, endless):
    options = ("-o", "live.mp4", "--json", "live.json", "--threads", 1)
    command = program("predict", f"{endless}/stalls", "--pose", models.pose, "--detector", models.detector, *options)
    with running(command) as run:
        data = folder / "live.json"
        wait_for(lambda: run.poll() is not None or (data.exists() and data.stat().st_size > 20_000), "output")
        time.sleep(1.5)
        out, err = interrupted(run)
    assert (run.returncode, err) == (130, "")
    count = len(json.loads(data.read_text())["frames"])
    assert out.startswith(f"interrupted: {count} frames, ")
    assert len(frame_times(folder / "live.mp4")) == count


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_while_a_server_does_not_answer(models, folder, endless):
    command = program("predict", f"{endless}/silent", "--pose", models.pose, "--detector", models.detector)
    with running(command) as run:
        time.sleep(1.5)
        assert run.poll() is None
        start = time.monotonic()
        _, err = interrupted(run)
    assert run.returncode == 130
    assert "Traceback" not in err
    assert time.monotonic() - start < 5


def test_coco_says_where_ids_are_places(predict, folder):
    for name in ("COCO_val2014_000000000139.jpg", "COCO_val2014_000000000785.jpg"):
        make_picture(folder / "in" / name)
    done = predict("in", "--coco", "a.json", "--no-draw")
    assert (done.code, "image_id" in done.out) == (0, False)
    assert {record["image_id"] for record in read_json(folder / "a.json")} == {139, 785}
    make_picture(folder / "in/other.jpg")
    done = predict("in", "--coco", "c.json", "--no-draw")
    assert (done.code, "COCO's image_id counts the pictures from 0" in done.out) == (0, True)
    assert {record["image_id"] for record in read_json(folder / "c.json")} == {0, 1, 2}
    # A dataset has the names beside the numbers.
    done = predict("in", "--coco", "b.json", "--no-draw", "--coco-mode", "dataset")
    assert (done.code, "image_id" in done.out) == (0, False)
    data = read_json(folder / "b.json")
    assert [image["id"] for image in data["images"]] == [0, 1, 2]
    assert data["images"][2]["file_name"] == "other.jpg"


def test_parquet_needs_its_package(predict, folder):
    make_picture(folder / "a.png")
    done = predict("a.png", "--parquet", "a.parquet")
    if done.code:
        assert (done.code, "pip install 'vitruvian[parquet]'" in done.err) == (2, True)
    else:
        assert (folder / "a.parquet").read_bytes()[:4] == b"PAR1"
