"""The check of a data set: each finding provoked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image as PIL

from vitruvian import InputError
from vitruvian.datasets import Source, check, examine


def findings(source: Source, change=lambda content: None, decode: bool = True) -> str:
    content = json.loads(Path(source.annotations).read_text())
    change(content)
    Path(source.annotations).write_text(json.dumps(content))
    return "\n".join(map(str, check(source, decode)))


def test_nothing_is_wrong(draw):
    assert findings(draw(3)) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["annotations"][0]["bbox"].__setitem__(2, 500), "1 boxes reach out of their picture: annotation 1"),
        (lambda c: c["annotations"][1]["bbox"].__setitem__(3, 0), "1 boxes have no area: annotation 2"),
        (
            lambda c: c["annotations"][0]["bbox"].__setitem__(0, 90),
            "1 objects have keypoints outside of their box: annotation 1 (1.png)",
        ),
        (lambda c: c["annotations"][0]["keypoints"].__setitem__(0, 900), "outside of the picture: annotation 1"),
        (lambda c: c["annotations"].pop(0), "1 pictures have no object with keypoints: 1.png"),
        (lambda c: c["categories"][0]["keypoints"].__setitem__(1, "brow"), "no partner, and will not be exchanged"),
        (lambda c: c["categories"][0].update(keypoints=list("abcde")), "no flip pairs"),
        (lambda c: c["categories"][0].update(skeleton=[]), "no limbs"),
        (lambda c: c["images"][0].update(width=3), "1.png is 160x120, not 3x120"),
        (lambda c: c["images"][0].update(file_name="gone.png"), "1 pictures are missing: gone.png"),
        (
            lambda c: [a["keypoints"].__setitem__(2, 0) for a in c["annotations"]],
            "1 keypoints are never labelled: left_eye",
        ),
    ],
)
def test_what_is_wrong_is_told(draw, change, words):
    assert words in findings(draw(2), change)


def test_damaged_pictures(draw):
    source = draw(2)
    path = Path(source.images, "2.png")
    path.write_bytes(path.read_bytes()[:200])
    assert "1 pictures can't be read: " in findings(source)
    assert "can't be read" not in findings(source, decode=False)


def test_annotations_that_are_none(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        check(Source(tmp_path / "none.json", tmp_path))


def errors(source: Source) -> list[str]:
    return [str(finding) for finding in examine(source).findings if finding.error]


def test_pictures_that_are_not_the_annotated_ones_are_errors(draw):
    source = draw(4)
    assert errors(source) == []
    Path(source.images, "1.png").unlink()
    Path(source.images, "2.png").write_bytes(b"no picture")
    PIL.new("RGB", (7, 5)).save(Path(source.images, "3.png"))
    missing, damaged, size = errors(source)
    assert missing == "1 pictures are missing: 1.png"
    assert "2.png" in damaged
    assert size == "1 pictures have another size than the annotations state: 3.png is 7x5, not 160x120"


LINE = "0 .5 .5 .2 .6 .5 .3 2 .45 .5 2"


@pytest.fixture
def yolo(tmp_path: Path) -> Source:
    """Two tools, the second of which has a keypoint outside of its box."""
    for name, line in (("a", LINE), ("b", f"{LINE}\n{LINE.replace('.45', '.9')}")):
        for path in (tmp_path / f"images/train/{name}.png", tmp_path / f"labels/train/{name}.txt"):
            path.parent.mkdir(parents=True, exist_ok=True)
        PIL.new("RGB", (200, 100)).save(tmp_path / f"images/train/{name}.png")
        (tmp_path / f"labels/train/{name}.txt").write_text(line + "\n")
    shape = "kpt_shape: [2, 3]\nkpt_names: {0: [claw, face]}\nflip_idx: [1, 0]\n"
    (tmp_path / "data.yaml").write_text(f"train: images/train\nnames: [hammer]\n{shape}")
    return Source(tmp_path / "data.yaml")


def test_a_yolo_finding_names_the_label_file_and_its_line(yolo):
    assert "1 objects have keypoints outside of their box: labels/train/b.txt line 2" in map(str, check(yolo))


def test_yolo_pictures_that_are_missing_or_damaged(yolo, tmp_path):
    Path(tmp_path, "images/train/a.png").write_bytes(b"no picture")
    assert errors(yolo) == ["1 pictures can't be read: images/train/a.png"]
    (tmp_path / "list.txt").write_text("images/train/b.png\nimages/train/gone.png\n")
    text = (tmp_path / "data.yaml").read_text()
    (tmp_path / "data.yaml").write_text(text.replace("train: images/train", "train: list.txt"))
    assert errors(yolo) == ["1 pictures are missing: images/train/gone.png"]


def test_yolo_labels_without_a_picture(yolo, tmp_path):
    assert "no picture" not in "".join(map(str, check(yolo)))
    (tmp_path / "images/train/a.png").unlink()
    assert "1 label files have no picture: labels/train/a.txt" in map(str, check(yolo))
    # A list of pictures may leave some out.
    (tmp_path / "list.txt").write_text("images/train/b.png\n")
    text = (tmp_path / "data.yaml").read_text()
    (tmp_path / "data.yaml").write_text(text.replace("train: images/train", "train: list.txt"))
    assert "no picture" not in "".join(map(str, check(yolo)))


def test_what_a_data_set_has(yolo, tmp_path):
    report = examine(yolo)
    assert report.counts == "2 pictures, 3 objects with keypoints"
    assert report.summary == ["2 keypoints: claw, face", "flip pairs: claw / face", "sigmas: 0.079"]
    file = tmp_path / "tool.yaml"
    file.write_text("keypoints: [grip, tip]\nsigmas: {grip: 0.03, tip: 0.05}\nflip_pairs: []\n")
    report = examine(yolo, file)
    assert report.summary == ["2 keypoints: grip, tip", "flip pairs: none", "sigmas: 0.03, 0.05"]
    # The file has decided on pairs and limbs.
    assert not [finding for finding in report.findings if "skeleton file" in str(finding)]


def test_the_counts_tell_who_is_not_trained_on(draw):
    source = draw(4)
    content = json.loads(Path(source.annotations).read_text())
    content["annotations"][0] |= {"keypoints": [0] * 15, "num_keypoints": 0}
    content["annotations"][1]["iscrowd"] = 1
    Path(source.annotations).write_text(json.dumps(content))
    assert examine(source).counts == "4 pictures, 2 objects with keypoints, 1 without keypoints, 1 crowd"
