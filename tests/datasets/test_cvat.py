"""CVAT's XML, written by hand as CVAT exports it, and round trips between all formats."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image as PIL

from vitruvian import InputError
from vitruvian.datasets import read_annotations
from vitruvian.datasets.conversion import convert

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><labels>
    <label><name>person</name><color>#c06060</color><type>skeleton</type><attributes></attributes>
      <svg>&lt;line x1="1" y1="2" x2="3" y2="4" data-type="edge" data-node-from="1" data-node-to="2"/&gt;
        &lt;circle r="1" cx="1" cy="2" data-type="element node" data-node-id="1" data-label-name="nose"/&gt;
        &lt;circle r="1" cx="3" cy="4" data-type="element node" data-node-id="2" data-label-name="left_eye"/&gt;</svg>
    </label>
    <label><name>nose</name><type>points</type><attributes></attributes><parent>person</parent></label>
    <label><name>left_eye</name><type>points</type><attributes></attributes><parent>person</parent></label>
    <label><name>right_eye</name><type>points</type><attributes></attributes><parent>person</parent></label>
    <label><name>dog</name><type>rectangle</type><attributes></attributes></label>
  </labels></task></meta>
  <image id="0" name="deep/a.png" width="64" height="48">
    <skeleton label="person" source="manual" z_order="0">
      <points label="left_eye" source="manual" outside="0" occluded="1" points="20.50,10.25"></points>
      <points label="nose" source="manual" outside="0" occluded="0" points="10.00,30.00"></points>
      <points label="right_eye" source="manual" outside="1" occluded="0" points="1.00,1.00"></points>
    </skeleton>
    <box label="dog" source="manual" occluded="0" xtl="1" ytl="2" xbr="3" ybr="4" z_order="0"></box>
  </image>
  <image id="1" name="b.png" width="64" height="48"></image>
</annotations>
"""


def test_a_person_by_hand(tmp_path):
    (tmp_path / "cvat.xml").write_text(CVAT)
    found = read_annotations(tmp_path / "cvat.xml")
    assert [record["file_name"] for record in found.images.values()] == ["deep/a.png", "b.png"]
    assert found.skeleton.keypoints == ("nose", "left_eye", "right_eye")
    assert found.skeleton.limbs == ((0, 1),)
    assert found.keypoints.tolist() == [[[10, 30, 2], [20.5, 10.25, 1], [0, 0, 0]]]
    assert found.boxes.tolist() == [[10, 10.25, 10.5, 19.75]]
    assert any("no box of their own" in note for note in found.notes)


BOMB = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<annotations><image name="&b;" width="1" height="1"/></annotations>"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "a DOCTYPE isn't read"),
        ("<annotations>", "can't be read as XML"),
        ("<a>" * 100 + "</a>" * 100, "nested deeper"),
        ("<annotations><track/></annotations>", "CVAT for images 1.1"),
        ("<annotations><image name='a' width='x' height='1'/></annotations>", "can't be read"),
        (CVAT.replace("20.50,10.25", "nan,10"), "isn't finite"),
        (CVAT.replace("20.50,10.25", "20"), "can't be read"),
        (CVAT.replace('name="deep/a.png"', ""), "'name'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    (tmp_path / "cvat.xml").write_text(text)
    with pytest.raises(InputError, match=message) as raised:
        read_annotations(tmp_path / "cvat.xml", boxes_alone=True)
    assert "cvat.xml" in str(raised.value)


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Two pictures with three persons, one of them without keypoints."""
    rng = np.random.default_rng(1)
    names = ["nose", "left_eye", "right_eye", "left_ear"]
    for number in (3, 8):
        path = tmp_path / "photos" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        PIL.new("RGB", (640, 480)).save(path)
    images = [{"id": number, "file_name": f"{number}.png", "width": 640, "height": 480} for number in (3, 8)]
    persons = []
    for number in range(1, 4):
        points = np.column_stack([rng.uniform(100, 300, (4, 2)).round(2), rng.integers(0, 3, 4)])
        points[points[:, 2] == 0] = 0
        points *= number != 2
        box = [*rng.uniform(50, 100, 2).round(2).tolist(), *rng.uniform(100, 200, 2).round(2).tolist()]
        person = {"id": number, "image_id": 3 if number < 3 else 8, "category_id": 1, "bbox": box, "iscrowd": 0}
        persons.append(person | {"keypoints": points.ravel().tolist(), "area": box[2] * box[3] * 0.53})
    category = {"id": 1, "name": "person", "keypoints": names, "skeleton": [[1, 2], [1, 3]]}
    path = tmp_path / "coco.json"
    path.write_text(json.dumps({"images": images, "categories": [category], "annotations": persons}))
    return path


TARGETS = {"coco": "x.json", "yolo": "yolo", "cvat": "x.xml", "poses": "poses.json"}


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(TARGETS, 2)))
def test_round_trips(tmp_path, coco, first, second):
    """COCO to one format, to another, and back to COCO: the same persons."""
    before = read_annotations(coco)
    middle, after = tmp_path / "1" / TARGETS[first], tmp_path / "2" / TARGETS[second]
    convert(coco, middle, first, tmp_path / "photos")
    convert(middle, after, second, tmp_path / "photos")
    convert(after, tmp_path / "back.json", "coco")
    found = read_annotations(tmp_path / "back.json")
    assert sorted(Path(record["file_name"]).name for record in found.images.values()) == ["3.png", "8.png"]
    assert found.skeleton.keypoints == before.skeleton.keypoints
    assert found.skeleton.flip_pairs == before.skeleton.flip_pairs
    # CVAT has its persons without keypoints last.
    order = np.lexsort((before.boxes[:, 0], before.image_ids))
    other = np.lexsort((found.boxes[:, 0], found.image_ids))
    assert found.boxes[other] == pytest.approx(before.boxes[order], abs=0.02)
    visible = before.keypoints[order]
    if "poses" in (first, second):
        # They have scores alone: hidden and visible are the same.
        visible[..., 2] = np.where(visible[..., 2] > 0, 2, 0)
    labelled = visible[..., 2:] > 0
    assert found.keypoints[other] * labelled == pytest.approx(visible * labelled, abs=0.02)
    assert (found.keypoints[other][..., 2] == visible[..., 2]).all()
    if "yolo" not in (first, second):
        assert found.skeleton.limbs == before.skeleton.limbs


@pytest.mark.parametrize("category", ["hammer", "box", " claw & <face> ", "bounds"])
@pytest.mark.parametrize("kind", ["coco", "yolo", "cvat"])
def test_the_category_s_name_is_kept(tmp_path, coco, kind, category):
    content = json.loads(coco.read_text())
    content["categories"][0]["name"] = category
    coco.write_text(json.dumps(content))
    convert(coco, tmp_path / "1" / TARGETS[kind], kind, tmp_path / "photos")
    convert(tmp_path / "1" / TARGETS[kind], tmp_path / "back.json", "coco")
    found = json.loads((tmp_path / "back.json").read_text())
    assert [record["name"].strip() for record in found["categories"]] == [category.strip()]
    assert len(found["annotations"]) == 3
    if kind == "cvat":
        root = ElementTree.parse(tmp_path / "1/x.xml").getroot()
        names = [label.findtext("name") for label in root.iter("label")]
        assert len(set(names)) == len(names)
        assert {box.get("label") for box in root.iter("box")} <= set(names)


def test_cvat_s_labels_are_declared(tmp_path, coco):
    convert(coco, tmp_path / "x.xml")
    root = ElementTree.parse(tmp_path / "x.xml").getroot()
    labels = {label.findtext("name"): label.findtext("type") for label in root.iter("label")}
    assert labels["person"] == "skeleton"
    assert labels["left_eye"] == "points"
    assert {box.get("label") for box in root.iter("box")} == {"box"}
    assert labels["box"] == "rectangle"
    assert [image.get("name") for image in root.iter("image")] == ["3.png", "8.png"]


def test_pictures_are_copied_for_yolo(tmp_path, coco):
    _, notes = convert(coco, tmp_path / "yolo", images=tmp_path / "photos")
    assert (tmp_path / "yolo/images/train/3.png").read_bytes() == (tmp_path / "photos/3.png").read_bytes()
    assert not any("copied" in note for note in notes)
    _, notes = convert(coco, tmp_path / "labels alone")
    assert any("no pictures were copied" in note for note in notes)


def test_a_format_that_is_not_told(tmp_path, coco):
    with pytest.raises(InputError, match="say which format"):
        convert(coco, tmp_path / "x.csv")
