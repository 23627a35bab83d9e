"""The check of a data set: each finding provoked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitruvian import InputError
from vitruvian.datasets import Source, check


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
        (lambda c: c["annotations"][0]["bbox"].__setitem__(0, 90), "1 persons have keypoints outside of their box"),
        (lambda c: c["annotations"][0]["keypoints"].__setitem__(0, 900), "outside of the picture: annotation 1"),
        (lambda c: c["annotations"].pop(0), "1 pictures have no person with keypoints: 1.png"),
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
