"""Where annotated pictures are found, and where not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from vitruvian import InputError, Poses
from vitruvian.datasets import DataSource, read_persons
from vitruvian.datasets.locations import picture_paths
from vitruvian.evaluation.inputs import annotated, gather
from vitruvian.media import Frame, JsonFile
from vitruvian.skeletons import COCO17


def files(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def found(folder: Path, *names: str, **options: bool) -> list[str]:
    paths = picture_paths([{"file_name": name} for name in names], folder, "a.json", **options)
    return [os.path.relpath(path, folder) for path in paths]


def predicted(file: Path, given: str, *pictures: str) -> Path:
    poses = Poses(
        np.float32([[10, 20, 60, 120]]), np.float32([0.9]), np.full((1, 17, 2), 30, np.float32), np.full((1, 17), 0.9)
    )
    sink = JsonFile(file, given, COCO17)
    for number, picture in enumerate(pictures):
        sink.write(Frame(np.zeros((130, 100, 3), np.uint8), picture, number), poses)
    sink.close()
    return file


@pytest.mark.parametrize("given", ["people", "people/", "people/images", "people/images/", "."])
@pytest.mark.parametrize("images", ["people", "people/images", "people/images/", "."])
def test_poses_find_their_pictures_however_the_folder_was_given(tmp_path, monkeypatch, given, images):
    monkeypatch.chdir(files(tmp_path, "people/images/a.jpg", "people/images/b.jpg"))
    path = predicted(tmp_path / "poses.json", given, "people/images/a.jpg", "people/images/b.jpg")
    persons = read_persons([DataSource(path, images)])
    assert [Path(file).resolve() for file in persons.files] == [
        tmp_path.resolve() / "people/images" / name for name in ("a.jpg", "b.jpg")
    ]


def test_poses_of_a_glob_or_of_several_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(files(tmp_path, "in/x/1.jpg", "in/y/1.jpg"))
    path = predicted(tmp_path / "poses.json", "in/*/1.jpg", "in/x/1.jpg", "in/y/1.jpg")
    assert len(set(read_persons([DataSource(path, "in")]).files)) == 2


def test_backslashes_are_slashes_where_no_file_has_them(tmp_path):
    files(tmp_path, "train/a.jpg", "b\\c.jpg")
    assert found(tmp_path, "train\\a.jpg") == ["train/a.jpg"]
    assert found(tmp_path, "b\\c.jpg") == ["b\\c.jpg"]
    assert found(tmp_path, "C:\\data\\train\\a.jpg") == ["train/a.jpg"]


def test_folders_in_front_are_left_out_of_all_names_alike(tmp_path):
    files(tmp_path, "val/1.jpg", "1.jpg")
    assert found(tmp_path, "data/val/1.jpg", "data/val/2.jpg") == ["val/1.jpg", "val/2.jpg"]
    # Two pictures must not become one.
    assert found(tmp_path, "x/1.jpg", "y/1.jpg") == ["x/1.jpg", "y/1.jpg"]


@pytest.mark.parametrize(
    "name", ["../secret.jpg", "sub/../../secret.jpg", "{folder}/secret.jpg", "..\\secret.jpg", ".."]
)
def test_names_that_lead_out_are_refused_unless_allowed(tmp_path, name):
    files(tmp_path, "secret.jpg", "in/a.jpg")
    name = name.format(folder=tmp_path)
    with pytest.raises(InputError, match="--allow-outside"):
        found(tmp_path / "in", "a.jpg", name)
    assert len(found(tmp_path / "in", "a.jpg", name, allow_outside=True)) == 2


def test_absolute_paths_inside_are_fine(tmp_path):
    files(tmp_path, "in/a.jpg")
    assert found(tmp_path / "in", str(tmp_path / "in/a.jpg"), "x/../a.jpg") == ["a.jpg", "a.jpg"]


def test_training_and_evaluation_refuse_alike(draw, tmp_path):
    source = draw(2)
    data = json.loads(Path(source.annotations).read_text())
    outside = files(tmp_path, "secret.png") / "secret.png"
    data["images"][0]["file_name"] = os.path.relpath(outside, source.images)
    Path(source.annotations).write_text(json.dumps(data))
    with pytest.raises(InputError, match="secret"):
        read_persons([source])
    assert len(read_persons([DataSource(source.annotations, source.images, allow_outside=True)])) == 2
    from vitruvian.datasets import read_annotations

    truth = read_annotations(source.annotations)
    with pytest.raises(InputError, match="secret"):
        gather(truth, source.images, annotated(truth, False))
    assert len(gather(truth, source.images, annotated(truth, False), allow_outside=True)[0]) == 2
