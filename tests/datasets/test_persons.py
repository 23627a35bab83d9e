"""From annotation files to persons."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vitruvian import InputError
from vitruvian.datasets import Source, completed, read_persons, read_skeleton


def changed(source: Source, change) -> Source:
    content = json.loads(Path(source.annotations).read_text())
    change(content)
    Path(source.annotations).write_text(json.dumps(content))
    return source


def test_persons_as_they_are_written(draw):
    source = draw(3)
    persons = read_persons([source])
    first = json.loads(Path(source.annotations).read_text())["annotations"][0]
    assert len(persons) == 3
    assert persons.keypoints[0].reshape(-1).tolist() == np.reshape(first["keypoints"], (-1, 3))[:, :2].ravel().tolist()
    x, y, width, height = first["bbox"]
    assert persons.boxes[0] == pytest.approx([x, y, x + width, y + height])
    assert persons.skeleton.limbs == ((0, 2), (1, 2))
    assert persons.name(0).endswith("1.png")
    assert len(persons[persons.ids > 1]) == 2


def test_boxes_as_hrnet_s_loader_clips_them(draw):
    """x1 = max(0, x), x2 = min(width - 1, x1 + w - 1), and y likewise."""
    width, height = 200, 300

    def change(content):
        for image in content["images"]:
            image |= {"width": width, "height": height}
        boxes = [[10.5, 20, 30, 40], [-6, 250, 50, 80], [150, -3, 90, 20], [30, 40, 1, 1]]
        for record, box in zip(content["annotations"], boxes, strict=True):
            record["bbox"] = box

    source = changed(draw(4), change)
    clipped = read_persons([source], clip_boxes=True)
    assert clipped.boxes.tolist() == [[10.5, 20, 39.5, 59], [0, 250, 49, 299], [150, 0, 199, 19]]
    assert any("without area" in note for note in clipped.notes)  # the last one, of a single pixel
    assert read_persons([source]).boxes[0].tolist() == [10.5, 20, 40.5, 60]


def test_crowds_and_the_unlabelled_and_the_flat_are_left_out(draw):
    def change(content):
        crowd, empty, flat, partly = content["annotations"]
        crowd["iscrowd"] = 1
        empty["keypoints"], empty["num_keypoints"] = [0] * 15, 0
        flat["bbox"][2] = 0
        partly["keypoints"][2] = 0
        partly["num_keypoints"] = 4

    persons = read_persons([changed(draw(4), change)])
    assert persons.ids.tolist() == [4]
    assert persons.confidences.tolist() == [[0, 1, 1, 1, 1]]
    assert any("without area" in note for note in persons.notes)


def test_missing_pictures_are_told(draw):
    source = draw(3)
    Path(source.images, "2.png").unlink()
    persons = read_persons([source])
    assert persons.ids.tolist() == [1, 3]
    assert any("lacks 1 pictures" in note and "2.png" in note for note in persons.notes)


def test_several_sets_with_weights(draw):
    first, second = draw(2, "first"), draw(3, "second")
    persons = read_persons([first, Source(second.annotations, second.images, 0.5)])
    assert len(persons) == 5
    assert persons.copies.tolist() == [1, 1, 0.5, 0.5, 0.5]
    assert persons.files[persons.pictures[2]] == str(Path(second.images, "1.png"))
    other = draw(1, "third", names=("a", "b"), skeleton=[])
    with pytest.raises(InputError, match="has the keypoints a, b, but"):
        read_persons([first, other])
    with pytest.raises(InputError, match="weight is 0"):
        Source("a", "b", 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["annotations"].clear(), "none of its 0 persons"),
        (lambda c: [a.update(num_keypoints=0, keypoints=[0] * 15) for a in c["annotations"]], "none of its 2 persons"),
        (lambda c: c["annotations"][0].update(keypoints=[1, 2, 2]), "annotation 1"),
        (lambda c: c["categories"][0].pop("keypoints"), "no category names its keypoints"),
        (lambda c: c.pop("images"), "no list 'images'"),
    ],
)
def test_what_cannot_be_learned_from(draw, change, words):
    with pytest.raises(InputError, match=words):
        read_persons([changed(draw(2), change)])


def test_no_folder_and_the_wrong_one(draw, tmp_path):
    source = draw(1)
    with pytest.raises(InputError, match="no such folder"):
        read_persons([Source(source.annotations, tmp_path / "nowhere")])
    with pytest.raises(InputError, match="is this their folder"):
        read_persons([Source(source.annotations, tmp_path)])
    with pytest.raises(InputError, match="no data"):
        read_persons([])


def test_what_is_inferred_is_said(draw):
    persons = read_persons([draw(1)])
    assert persons.skeleton.flip_pairs == ((0, 1), (3, 4))
    assert len(persons.skeleton.sigmas) == 5
    assert any("left_eye / right_eye, left_hip / right_hip" in note for note in persons.notes)
    # The hips and the eyes are COCO's, and so is the nose.
    assert persons.skeleton.sigmas == (0.025, 0.025, 0.026, 0.107, 0.107)
    given = read_persons([draw(1, "other", sigmas=[0.1] * 5)])
    assert given.skeleton.sigmas == (0.1,) * 5
    assert not any("sigmas" in note for note in given.notes)


def test_a_skeleton_file(draw, tmp_path):
    path = tmp_path / "skeleton.yaml"
    path.write_text(
        "flip_pairs: [[left_eye, nose]]\nsigmas: {left_eye: 1, right_eye: 2, nose: 3, left_hip: 4, right_hip: 5}"
    )
    skeleton = read_persons([draw(1)], path).skeleton
    assert skeleton.flip_pairs == ((0, 2),)
    assert skeleton.sigmas == (1, 2, 3, 4, 5)
    assert skeleton.limbs == ((0, 2), (1, 2))
    path.write_text("keypoints: [a, b]\nlimbs: [[a, b]]\nname: two")
    alone = read_skeleton(path)
    assert (alone.name, alone.keypoints, alone.limbs) == ("two", ("a", "b"), ((0, 1),))
    assert completed(alone)[0].sigmas == (0.079, 0.079)
    with pytest.raises(InputError, match="names 2 keypoints, the annotations have 5"):
        read_persons([draw(1, "more")], path)


@pytest.mark.parametrize(
    "text",
    ["joints: [a]", "keypoints: [a, a]", "keypoints: [a, b]\nlimbs: [[a, c]]", "keypoints: [a]\nsigmas: [0]", "{"],
)
def test_skeleton_files_that_are_none(tmp_path, text):
    path = tmp_path / "skeleton.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"skeleton\.yaml"):
        read_skeleton(path)
