"""JSON, CSV and COCO results: their content, and that they are whole whatever happens."""

from __future__ import annotations

import contextlib
import csv
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from vitruvian import COCO17, InputError, OutputError, Poses, Skeleton, __version__
from vitruvian.datasets import read_annotations
from vitruvian.media import (
    CocoDataset,
    CocoFile,
    CsvFile,
    Frame,
    ImageBytes,
    ImageFiles,
    JsonFile,
    ParquetFile,
    image_ids,
    numbered_by_place,
)
from vitruvian.process import ProcessOptions

SKELETON = Skeleton("two", ("left_a", "right,b"), ((0, 1),))
IMAGE = np.zeros((48, 64, 3), np.uint8)


def poses(count: int, track: bool = False) -> Poses:
    number = np.arange(count, dtype=np.float32)[:, None]
    return Poses(
        number + np.float32([1, 2, 11.5, 22.25]),
        np.full(count, 0.9, np.float32),
        number[:, None] + np.float32([[3.127, 4], [-5, 6]]),
        np.tile(np.float32([0.75, 0.1]), (count, 1)),
        SKELETON,
        np.arange(count) + 7 if track else None,
    )


FRAMES = [
    (Frame(IMAGE, "ü/1.png", 0), poses(2)),
    (Frame(IMAGE[:, :32], "2.png", 1, 0.0400001234, 3), poses(0)),
    (Frame(IMAGE, 'a "b", c.png', 2, 2.0, 6), poses(1, track=True)),
]


def written(sink, frames=FRAMES) -> Path:
    with contextlib.closing(sink):
        for frame, found in frames:
            sink.write(frame, found)
    assert sink.problems == []
    return sink.path


def test_json(tmp_path):
    path = written(JsonFile(tmp_path / "new/folder/a.json", "ü", SKELETON))
    data = json.loads(path.read_text(encoding="utf-8"))
    assert {key: data[key] for key in data if key != "frames"} == {
        "version": 1,
        "generator": f"vitruvian {__version__}",
        "source": "ü",
        "skeleton": {"name": "two", "keypoints": ["left_a", "right,b"], "limbs": [[0, 1]]},
    }
    first, second, third = data["frames"]
    assert (first["source"], first["index"], first["time"], first["width"], first["height"]) == (
        "ü/1.png", 0, None, 64, 48
    )  # fmt: skip
    assert first["persons"] == [
        {
            "track_id": None,
            "box": [1 + i, 2 + i, 11.5 + i, 22.25 + i],
            "score": 0.9,
            "keypoints": [[3.13 + i, 4 + i], [-5 + i, 6 + i]],
            "keypoint_scores": [0.75, 0.1],
        }
        for i in range(2)
    ]
    assert second == {"source": "2.png", "index": 1, "time": 0.04, "width": 32, "height": 48, "persons": []}
    assert (third["source"], third["time"], third["persons"][0]["track_id"]) == ('a "b", c.png', 2.0, 7)


def test_json_has_a_line_a_frame(tmp_path):
    lines = written(JsonFile(tmp_path / "a.json", "s", SKELETON)).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line.rstrip(","))["index"] for line in lines[1:-1]] == [0, 1, 2]


def test_csv(tmp_path):
    path = written(CsvFile(tmp_path / "new/a.csv", SKELETON))
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    columns = ["source", "frame", "time", "person", "track_id", "score", "x1", "y1", "x2", "y2"]
    assert header == [*columns, "left_a_x", "left_a_y", "left_a_score", "right,b_x", "right,b_y", "right,b_score"]
    assert [row[:5] for row in rows] == [
        ["ü/1.png", "0", "", "0", ""],
        ["ü/1.png", "0", "", "1", ""],
        ['a "b", c.png', "2", "2.0", "0", "7"],
    ]
    for row, shift in zip(rows, (0, 1, 0), strict=True):
        expected = [0.9, 1 + shift, 2 + shift, 11.5 + shift, 22.25 + shift]
        expected += [3.13 + shift, 4 + shift, 0.75, -5 + shift, 6 + shift, 0.1]
        assert [float(text) for text in row[5:]] == pytest.approx(expected)


def test_coco(tmp_path):
    path = written(CocoFile(tmp_path / "new/a.json", lambda frame: 100 + frame.index))
    records = json.loads(path.read_text(encoding="utf-8"))
    assert [record["image_id"] for record in records] == [100, 100, 102]
    for record, shift in zip(records, (0, 1, 0), strict=True):
        assert record["category_id"] == 1
        assert record["bbox"] == [1 + shift, 2 + shift, 10.5, 20.25]
        assert record["keypoints"] == pytest.approx([3.127 + shift, 4 + shift, 0.75, -5 + shift, 6 + shift, 0.1])
        # Only keypoints above 0.2 count.
        assert record["score"] == pytest.approx(0.9 * 0.75)


def test_frames_without_persons_are_no_coco_records(tmp_path):
    path = written(CocoFile(tmp_path / "a.json", lambda frame: frame.index), [FRAMES[1], FRAMES[1]])
    assert json.loads(path.read_text()) == []


def test_closing_twice_is_harmless(tmp_path):
    sink = JsonFile(tmp_path / "a.json", "s", SKELETON)
    sink.write(*FRAMES[0])
    sink.close()
    before = (tmp_path / "a.json").read_text()
    sink.close()
    assert (tmp_path / "a.json").read_text() == before
    assert len(json.loads(before)["frames"]) == 1


def dataset(path: Path) -> CocoDataset:
    return CocoDataset(path, lambda frame: frame.index + 1, ImageFiles(["v/deep/1.png", "v/2.png"], "v"), SKELETON)


def test_coco_s_own_reader_takes_the_dataset(tmp_path):
    frames = [(Frame(IMAGE, "v/deep/1.png", 0), poses(2)), (Frame(IMAGE[:, :32], "v/2.png", 1), poses(0))]
    path = written(dataset(tmp_path / "a.json"), frames)
    with contextlib.redirect_stdout(None):
        read = COCO(str(path))
    assert read.loadImgs([1, 2]) == [
        {"id": 1, "file_name": "deep/1.png", "width": 64, "height": 48},
        {"id": 2, "file_name": "2.png", "width": 32, "height": 48},
    ]
    (category,) = read.loadCats([1])
    assert (category["name"], category["keypoints"], category["skeleton"]) == (
        "person",
        ["left_a", "right,b"],
        [[1, 2]],
    )
    first, second = read.loadAnns(read.getAnnIds(imgIds=[1]))
    assert (first["id"], second["id"], first["num_keypoints"]) == (1, 2, 1)
    # The second keypoint scores 0.1, so it isn't labelled.
    assert first["keypoints"] == pytest.approx([3.127, 4, 2, 0, 0, 0])
    assert first["keypoint_scores"] == pytest.approx([0.75, 0.1])
    assert (first["bbox"], first["area"], first["iscrowd"]) == ([1, 2, 10.5, 20.25], 212.62, 0)
    assert read_annotations(path, boxes_alone=True).boxes[0].tolist() == [1, 2, 10.5, 20.25]


def test_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow, of the extra parquet, is absent")
    written(CsvFile(tmp_path / "a.csv", SKELETON))
    path = written(ParquetFile(tmp_path / "new/a.parquet", SKELETON))
    table = parquet.read_table(path)
    with open(tmp_path / "a.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert table.column_names == list(rows[0])
    assert table.num_rows == len(rows) == 3
    for ours, theirs in zip(table.to_pylist(), rows, strict=True):
        for name, value in ours.items():
            expected = theirs[name] if name == "source" else float(theirs[name]) if theirs[name] else None
            assert value == (expected if name == "source" or expected is None else pytest.approx(expected, abs=1e-5))
    assert not ParquetFile(tmp_path / "none.parquet", SKELETON).close()
    assert not (tmp_path / "none.parquet").exists()


def test_parquet_without_its_package(monkeypatch):
    monkeypatch.setattr("vitruvian.media.parquet.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'vitruvian\[parquet\]'"):
        ProcessOptions(parquet="a.parquet")


def makers() -> list:
    return [
        pytest.param(lambda path: JsonFile(path, "s", SKELETON), id="json"),
        pytest.param(lambda path: CsvFile(path, SKELETON), id="csv"),
        pytest.param(lambda path: CocoFile(path, lambda frame: 0), id="coco"),
        pytest.param(lambda path: dataset(path), id="dataset"),
    ]


@pytest.mark.parametrize("make", makers())
def test_without_a_picture_what_was_there_stays(tmp_path, make):
    (tmp_path / "old").write_text("precious")
    make(tmp_path / "old").close()
    make(tmp_path / "new").close()
    assert (tmp_path / "old").read_text() == "precious"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("make", makers())
def test_a_folder_that_is_a_file(tmp_path, make):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(OutputError, match="file/a can't be written: "):
        make(tmp_path / "file/a").write(*FRAMES[0])
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("make", makers())
def test_a_full_disk(make):
    sink = make(Path("/dev/full"))

    def fill() -> None:
        for _ in range(1000):
            sink.write(*FRAMES[0])

    with pytest.raises(OutputError, match="/dev/full can't be written: No space left on device"):
        fill()
    # What the first error told may be told again, but nothing stays open.
    with contextlib.suppress(OutputError):
        sink.close()
    sink.close()
    assert sink._raw.closed


def frame_of(path: str, index: int) -> Frame:
    return Frame(IMAGE, path, index)


@pytest.mark.parametrize(
    ("paths", "ids"),
    [
        (["v/000000000139.jpg", "v/42.png"], [139, 42]),
        (["1.jpg", "photo.jpg"], [0, 1]),
        (["img1.jpg", "img2.jpg"], [0, 1]),
        (["²³.jpg", "4.jpg"], [0, 1]),
        (["-5.jpg", "4.jpg"], [0, 1]),
        (["v/COCO_val2014_000000000139.jpg", "v/COCO_val2014_000000000785.jpg"], [139, 785]),
        (["v/COCO_val2014_000000000139.jpg", "v/000000000139.jpg"], [0, 1]),
    ],
)
def test_image_ids(paths, ids):
    number = image_ids(ImageFiles(paths, "v"))
    assert [number(frame_of(path, index)) for index, path in enumerate(paths)] == ids


def test_places_as_image_ids_are_told():
    note = "COCO's image_id counts the pictures from 0, because not every file name is a number of its own"
    assert numbered_by_place(ImageFiles(["img1.jpg", "img2.jpg"], "v")) == note
    assert numbered_by_place(ImageFiles(["1.jpg", "COCO_val2014_000000000002.jpg"], "v")) == ""


def test_image_ids_of_pictures_that_share_a_number_are_distinct():
    paths = ["a/1.jpg", "b/1.jpg"]
    number = image_ids(ImageFiles(paths, "."))
    assert len({number(frame_of(path, index)) for index, path in enumerate(paths)}) == 2


def test_image_ids_of_other_sources_are_their_frames_numbers():
    number = image_ids(ImageBytes(b"", "stdin"))
    assert [number(Frame(IMAGE, "stdin", index)) for index in (0, 5)] == [0, 5]


def test_angles_are_fields_of_json_and_columns_of_the_tables(tmp_path):
    """A knee bent by a right angle; the other joints are unsure."""
    points, scores = np.zeros((1, 17, 2), np.float32), np.zeros((1, 17), np.float32)
    for name, point in {"hip": (100, 0), "knee": (100, 50), "ankle": (150, 50)}.items():
        index = COCO17.keypoints.index(f"right_{name}")
        points[0, index], scores[0, index] = point, 0.9
    found = Poses(np.float32([[0, 0, 200, 100]]), np.float32([0.9]), points, scores, COCO17)
    frames = [(Frame(IMAGE, "1.png", 0), found), (Frame(IMAGE, "2.png", 1), found[:0])]
    names = [f"{side}_{joint}" for joint in ("shoulder", "elbow", "hip", "knee") for side in ("left", "right")]
    expected = dict.fromkeys(names) | {"right_knee": 90.0}
    data = json.loads(written(JsonFile(tmp_path / "a.json", "s", COCO17, with_angles=True), frames).read_text())
    assert data["frames"][0]["persons"][0]["angles"] == expected
    assert data["frames"][1]["persons"] == []
    path = written(CsvFile(tmp_path / "a.csv", COCO17, with_angles=True), frames)
    with path.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert list(row)[-8:] == [f"{name}_angle" for name in names]
    assert {name: row[f"{name}_angle"] for name in names} == {name: str(expected[name] or "") for name in names}
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow, of the extra parquet, is absent")
    table = parquet.read_table(written(ParquetFile(tmp_path / "a.parquet", COCO17, with_angles=True), frames))
    assert table.column_names == list(row)
    assert {name: table[f"{name}_angle"].to_pylist() for name in names} == {name: [expected[name]] for name in names}
    assert {str(table.schema.field(f"{name}_angle").type) for name in names} == {"float"}
    plain = json.loads(written(JsonFile(tmp_path / "b.json", "s", COCO17), frames).read_text())
    assert "angles" not in plain["frames"][0]["persons"][0]
