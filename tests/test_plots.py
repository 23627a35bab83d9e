"""Plots of prediction files: what is read of them, and that a picture comes out."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PIL

from vitruvian import COCO17, InputError, Poses
from vitruvian.cli import app
from vitruvian.media import Frame, JsonFile
from vitruvian.plots import Movement, plot, read_movements

KNEE = [COCO17.keypoints.index(f"left_{name}") for name in ("hip", "knee", "ankle")]
TIMES = np.arange(0, 8, 0.04)
DEGREES = 125 + 45 * np.cos(np.pi * TIMES)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Number 1 squats four times, number 2 is there for the first second; one frame has nobody."""
    target = JsonFile(tmp_path / "poses.json", "clip.mp4", COCO17)
    for index, (time, degrees) in enumerate(zip(TIMES, np.radians(DEGREES), strict=True)):
        points = np.zeros((2, 17, 2), np.float32)
        points[:, KNEE] = [(100, 0), (100, 200), (100 + 200 * np.sin(degrees), 200 - 200 * np.cos(degrees))]
        poses = Poses(np.tile([0, 0, 300, 400], (2, 1)), np.ones(2), points, np.ones((2, 17)), COCO17, np.array([1, 2]))
        poses = poses[: 0 if index == 7 else 2 if time < 1 else 1]
        target.write(Frame(np.zeros((4, 4, 3), np.uint8), "clip.mp4", index, float(time)), poses)
    target.close()
    return target.path


def test_movements_are_those_of_the_file(file):
    movements = read_movements(str(file))
    assert list(movements) == [1, 2]
    expected = np.delete(TIMES, 7)
    assert movements[1].times == pytest.approx(expected)
    assert movements[2].times == pytest.approx(expected[expected < 1])
    assert movements[1].angle("left_knee") == pytest.approx(np.delete(DEGREES, 7), abs=0.01)
    assert movements[1].position("left_hip") == pytest.approx(np.tile([100, 0], (199, 1)))
    for call in (movements[1].angle, movements[1].position):
        with pytest.raises(InputError, match="left_knee"):
            call("left_wing")


def test_a_picture_and_a_drawing_come_out(file):
    movements = read_movements(file)
    png = plot(movements, ["left_knee"], ["left_ankle"])
    image = np.asarray(PIL.open(io.BytesIO(png)).convert("RGB"))
    assert image.std() > 5
    one = np.asarray(PIL.open(io.BytesIO(plot(movements, ["left_knee"]))))
    assert image.shape[0] > 2 * one.shape[0]
    svg = plot(movements, ["left_knee"], form="svg", count=True).decode()
    assert svg.lstrip().startswith("<?xml")
    # The comment that stands before each text has its words.
    assert "person 1: 4 repetitions" in svg
    with pytest.raises(InputError, match="nothing to plot"):
        plot(movements)


def test_too_many_persons_name_those_who_are_there_longest(file):
    whole = read_movements(file)[1]
    frames = {1: 3, 2: 50, 3: 7, 4: 199, 5: 50, 6: 2, 7: 9, 8: 1, 9: 120, 10: 4, 11: 8}
    parts = {number: Movement(whole.times[:count], whole.poses[:count]) for number, count in frames.items()}
    with pytest.raises(InputError, match="11 persons are too many") as caught:
        plot(parts, ["left_knee"])
    named = re.findall(r"--person (\d+) \((\d+) frames\)", str(caught.value))
    assert named == [("4", "199"), ("9", "120"), ("2", "50"), ("5", "50"), ("7", "9")]


def test_repetitions_are_printed_and_their_ends_marked(file, tmp_path, capsys):
    targets = [tmp_path / "plain.svg", tmp_path / "counted.svg"]
    for target, more in zip(targets, ([], ["--count"]), strict=True):
        assert run(file, "--angle", "left_knee", "--keypoint", "left_ankle", "-o", target, *more) == 0
    # Number 1 squats four times in 8 s, number 2 goes down within its second and doesn't come back.
    assert capsys.readouterr().out.splitlines() == [
        "person 1, left_knee: 4 repetitions",
        "person 2, left_knee: 0 repetitions",
    ]
    marks = [re.findall(r'<g id="ends-[^"]*">.*?(?=<g id="line2d|<g id="text|$)', t.read_text(), re.S) for t in targets]
    assert marks[0] == []
    (ends,) = marks[1]
    assert ends.count("<use ") == 4


def test_no_legend_covers_a_curve(file, monkeypatch):
    """All legends lie outside of the panels, and within the picture."""
    drawn = []
    monkeypatch.setattr("vitruvian.plots._saved", lambda figure, form: drawn.append(figure) or b"")
    movements = read_movements(file)
    plot(dict.fromkeys(range(1, 11), movements[1]), ["left_knee"], ["left_hip"], count=True)
    (figure,) = drawn
    figure.canvas.draw()
    for axes in figure.axes:
        legend = axes.get_legend().get_window_extent()
        assert not any(legend.overlaps(other.get_window_extent()) for other in figure.axes)
        assert figure.bbox.contains(*legend.min)
        assert figure.bbox.contains(*legend.max)


def run(*arguments: object) -> int:
    """The command's exit code, with its errors raised."""
    try:
        app(["plot", *map(str, arguments)], standalone_mode=False)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


def test_the_command(file, tmp_path):
    target = tmp_path / "new/knee.svg"
    assert run(file, "--angle", "left_knee", "--person", 1, "-o", target) == 0
    assert target.read_bytes().lstrip().startswith(b"<?xml")
    for arguments, reason in (
        ((file, "--angle", "left_knee", "-o", target), "exists"),
        ((file, "--angle", "left_knee", "-o", "knee.gif"), "png or .svg"),
        ((file, "--angle", "left_knee", "--person", 9, "-o", tmp_path / "a.png"), "no person 9"),
        ((tmp_path / "gone.json", "--angle", "left_knee", "-o", tmp_path / "a.png"), "gone.json"),
    ):
        with pytest.raises(InputError, match=reason):
            run(*arguments)
    assert not (tmp_path / "a.png").exists()


def test_without_matplotlib_it_says_what_to_install(file, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match=r"vitruvian\[evaluate\]"):
        run(file, "--angle", "left_knee", "-o", tmp_path / "a.png")


def test_what_plot_does_not_read(file, tmp_path):
    (tmp_path / "poses.csv").write_text("source,frame\n")
    (tmp_path / "coco.json").write_text("[]")
    (tmp_path / "words.txt").write_text("words")
    data = json.loads(file.read_text())
    for frame in data["frames"]:
        frame["time"] = None
    (tmp_path / "pictures.json").write_text(json.dumps(data))
    for name, words in (("poses.csv", "not CSV"), ("coco.json", "other JSON"), ("pictures.json", "have no times")):
        with pytest.raises(InputError, match=rf"{name}.*what vitruvian predict VIDEO --track --json wrote") as refused:
            run(tmp_path / name, "--angle", "left_knee", "-o", tmp_path / "a.png")
        assert words in str(refused.value)
    with pytest.raises(InputError, match=r"words\.txt is no valid JSON .*; give what vitruvian predict VIDEO"):
        run(tmp_path / "words.txt", "--angle", "left_knee", "-o", tmp_path / "a.png")


def change(data: dict, what: str) -> object:
    person = data["frames"][0]["persons"][0]
    if what == "list":
        return []
    if what == "untracked":
        for frame in data["frames"]:
            for one in frame["persons"]:
                one["track_id"] = None
    elif what == "no skeleton":
        del data["skeleton"]
    elif what == "a keypoint less":
        person["keypoints"] = person["keypoints"][:-1]
    elif what == "no time":
        data["frames"][0]["time"] = None
    elif what == "words":
        person["keypoints"] = "words"
    return data


@pytest.mark.parametrize("what", ["list", "untracked", "no skeleton", "a keypoint less", "no time", "words"])
def test_files_that_are_none(file, what):
    file.write_text(json.dumps(change(json.loads(file.read_text()), what)))
    with pytest.raises(InputError):
        read_movements(file)
