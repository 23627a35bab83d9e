"""`vitruvian predict` on several sources, parts of videos, one person, and persons from a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from known import BOXES, HEIGHT, WIDTH, keypoints_in, make_picture, read_json
from made import RATE, frame_times, make_video, numbered_frames, pitch, sound_of, tone
from PIL import Image as PIL


def drawn(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def clip(path: Path, count: int = 3, **more) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return make_video(path, numbered_frames(count, HEIGHT, WIDTH), **more)


def test_files_a_folder_a_glob_and_a_video_in_one_command(predict, folder):
    for name in ("a.png", "b.png", "photos/1.png", "x/c.png"):
        make_picture(folder / name)
    clip(folder / "clip.mp4")
    clip(folder / "photos/d.mp4", 2)
    done = predict("a.png", "b.png", "clip.mp4", "photos/", "x/*.png", "-o", "out", "--json", "p.json")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("4 pictures, 8 persons, 5 frames, 10 poses, ")
    assert done.out.endswith(" -> out, p.json, p\n")
    wanted = ["a.png", "b.png", "clip.mp4", "photos/1.png", "photos/d.mp4", "x/c.png"]
    assert drawn(folder / "out") == wanted
    assert drawn(folder / "p") == ["clip.json", "photos/d.json"]
    frames = read_json(folder / "p.json")["frames"]
    assert [(frame["source"], frame["index"]) for frame in frames] == [
        ("a.png", 0),
        ("b.png", 1),
        ("photos/1.png", 2),
        ("x/c.png", 3),
    ]


def test_a_folder_of_videos(predict, folder):
    clip(folder / "in/a.mp4", 2)
    clip(folder / "in/b.mov", 3)
    done = predict("in", "--csv", "p.csv")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("5 frames, 10 poses, ")
    assert drawn(folder / "runs") == ["predict/a.mp4", "predict/b.mp4"]
    assert drawn(folder / "p") == ["a.csv", "b.csv"]


def test_what_cannot_be_read_among_several_is_named_and_the_rest_is_done(process, folder):
    make_picture(folder / "a.png")
    (folder / "bad.png").write_text("words")
    (folder / "bad.mp4").write_text("words")
    clip(folder / "clip.mp4", 2)
    done = process("gone.jpg", "a.png", "bad.png", "bad.mp4", "clip.mp4")
    assert done.code == 2
    assert done.out.startswith("1 picture, 2 persons, 2 frames, 4 poses, ")
    assert sorted(line.split()[1].strip("':") for line in done.err.splitlines()) == ["bad.mp4", "bad.png", "gone.jpg"]
    assert drawn(folder / "runs/predict") == ["a.png", "clip.mp4"]


def test_several_sources_need_a_folder(predict, folder):
    make_picture(folder / "a.png")
    make_picture(folder / "b.png")
    done = predict("a.png", "b.png", "-o", "out.png")
    assert (done.code, done.out) == (2, "")
    assert "out.png is one file, but there are several sources: give a folder" in done.err


def test_the_same_command_a_second_time(predict, folder):
    make_picture(folder / "a.png")
    for name in ("predict", "predict2", "predict3"):
        done = predict("a.png")
        assert (done.code, done.err) == (0, "")
        assert done.out.endswith(f"-> runs/{name}/a.png\n")
    assert predict("a.png", "-o", "runs/predict").code == 2
    assert predict("a.png", "--overwrite").out.endswith("-> runs/predict/a.png\n")


def test_persons_from_a_file_need_no_detector(command, models, folder, monkeypatch):
    """Nor is one looked for: that of this preset would be downloaded."""
    monkeypatch.setenv("VITRUVIAN_OFFLINE", "1")
    make_picture(folder / "a.png")
    rows = "".join(f"a.png,{','.join(map(str, box))}\n" for box in BOXES.tolist())
    (folder / "boxes.csv").write_text(f"source,x1,y1,x2,y2\n{rows}")
    options = ["--preset", "accurate", "--pose", models.pose, "--no-draw", "--json", "p.json"]
    done = command("predict", "a.png", "--boxes", "boxes.csv", *options)
    assert (done.code, done.err) == (0, "")
    (frame,) = read_json(folder / "p.json")["frames"]
    assert [person["score"] for person in frame["persons"]] == [1, 1]
    for person, box in zip(frame["persons"], BOXES, strict=True):
        assert person["box"] == box.tolist()
        assert np.array(person["keypoints"]) == pytest.approx(keypoints_in(box), abs=0.011)


def test_limits_are_those_of_the_file_s_boxes(command, models, folder):
    make_picture(folder / "7.png")
    boxes = [{"image_id": 7, "bbox": [5, 5, 40, 50], "score": score} for score in (0.2, 0.9, 0.5, 0.7)]
    (folder / "boxes.json").write_text(json.dumps(boxes))
    for options, scores in (([], [0.9, 0.7, 0.5]), (["--score", "0.1", "--max-persons", "2"], [0.9, 0.7])):
        line = ["7.png", "--boxes", "boxes.json", "--pose", models.pose, "--no-draw", "--json", "p.json", "--overwrite"]
        assert command("predict", *line, *options).code == 0
        (frame,) = read_json(folder / "p.json")["frames"]
        assert [person["score"] for person in frame["persons"]] == scores


def test_boxes_and_a_detector_are_too_much(predict, folder):
    make_picture(folder / "a.png")
    done = predict("a.png", "--boxes", "b.csv")
    assert (done.code, "--boxes brings the persons, --detector finds them" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--start", "1"], range(30, 60)),
        (["--start", "0:01", "--end", "1.5"], range(30, 45)),
        (["--end", "0:00:01", "--stride", "10"], [0, 10, 20]),
        (["--stride", "25"], [0, 25, 50]),
    ],
)
def test_a_part_of_a_video(predict, folder, options, wanted):
    clip(folder / "clip.mp4", 60)
    done = predict("clip.mp4", "-o", "out.mp4", "--json", "p.json", *options)
    assert (done.code, done.err) == (0, "")
    assert [frame["index"] for frame in read_json(folder / "p.json")["frames"]] == list(wanted)
    step = wanted[1] - wanted[0]
    assert frame_times(folder / "out.mp4") == pytest.approx([n * step / 30 for n in range(len(wanted))], abs=1e-3)


def test_the_sound_of_a_part_is_that_part_s(predict, folder):
    sound = np.concatenate([tone(440, 1.0), tone(880, 1.0)])
    clip(folder / "clip.mp4", 60, audio="aac", sound=sound)
    assert predict("clip.mp4", "-o", "out.mp4", "--start", "1").code == 0
    samples, _ = sound_of(folder / "out.mp4")
    assert len(samples) / RATE == pytest.approx(1.0, abs=0.1)
    assert pitch(samples[RATE // 4 : RATE * 3 // 4]) == pytest.approx(880, rel=0.02)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "soon"], "--start soon: give seconds, or M:SS"),
        (["--end", "1:2:3:4"], "--end 1:2:3:4: give seconds"),
        (["--start", "2", "--end", "1"], "later than the start"),
        (["--start", "-3"], "--start -3: give seconds"),
        (["--select", "tallest"], "largest, central, a number from 1 on, or a point X,Y"),
        (["--colours", "red"], "give auto, side, person, or colours such as #ff8800"),
        (["--line-width", "0"], "line_width is 0"),
        (["--boxes", "gone.csv"], "--boxes brings"),
    ],
)
def test_options_that_are_none(predict, folder, options, words):
    clip(folder / "clip.mp4")
    done = predict("clip.mp4", *options)
    assert (done.code, done.out) == (2, "")
    assert words in done.err


def test_parts_are_of_videos(predict, folder):
    make_picture(folder / "a.png")
    done = predict("a.png", "--start", "1")
    assert (done.code, "are for videos: there is none here" in done.err) == (2, True)


@pytest.mark.parametrize(("select", "place"), [("largest", 0), ("2", 1), ("100,50", 1)])
def test_one_person(predict, folder, select, place):
    make_picture(folder / "a.png")
    assert predict("a.png", "--no-draw", "--json", "p.json", "--select", select).code == 0
    (frame,) = read_json(folder / "p.json")["frames"]
    (person,) = frame["persons"]
    assert person["box"] == pytest.approx(BOXES[place].tolist(), abs=0.011)


def test_looks(predict, folder):
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    PIL.fromarray(noise).save(folder / "a.png")
    looks = ([], ["--colors", "side"], ["--colours", "#ff00ff"], ["--line-width", "9"], ["--blur-faces"])
    pictures = set()
    for place, options in enumerate(looks):
        assert predict("a.png", "-o", f"{place}.png", *options).code == 0
        with PIL.open(folder / f"{place}.png") as picture:
            pictures.add(picture.convert("RGB").tobytes())
    assert len(pictures) == len(looks)
