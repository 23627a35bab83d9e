"""Results read back: evaluated, trained on, queried, and damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import vitruvian as vt
from vitruvian.datasets import read_annotations


def annotated(results: vt.scaling.BatchResults, file: Path, shift: float = 0.0) -> Path:
    """Annotations whose persons are those of results, moved to the right."""
    images, persons = [], []
    for number, one in enumerate(results, 1):
        images.append({"id": number, "file_name": Path(one.source).name, "width": one.width, "height": one.height})
        if one.poses is None:
            continue
        for poses in one.poses:
            x1, y1, x2, y2 = (float(value) for value in poses.boxes[0])
            points = np.column_stack([poses.keypoints[0] + [shift, 0], np.full(17, 2)])
            record = {"id": len(persons) + 1, "image_id": number, "category_id": 1, "iscrowd": 0}
            size = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1) * 0.53}
            persons.append(record | size | {"keypoints": points.reshape(-1).tolist(), "num_keypoints": 17})
    names = list(results.skeleton.keypoints)
    category = {"id": 1, "name": "person", "keypoints": names, "skeleton": []}
    file.write_text(json.dumps({"images": images, "annotations": persons, "categories": [category]}))
    return file


def test_evaluation_of_results(do, pictures, tmp_path, command):
    results = do([str(pictures)])
    truth = annotated(results, tmp_path / "truth.json")
    metrics = vt.evaluation.evaluate_batch(tmp_path / "out", truth)
    assert metrics.keypoints["AP"] == pytest.approx(1.0)
    assert metrics.boxes["AP"] == pytest.approx(1.0)
    assert any("could not be read" in note for note in metrics.notes)
    far = annotated(results, tmp_path / "far.json", shift=500)
    assert vt.evaluation.evaluate_batch(tmp_path / "out", far).keypoints["AP"] == 0
    done = command("evaluate", "--annotations", truth, "--predictions", tmp_path / "out", "-o", tmp_path / "measured")
    assert (done.code, "1.0000" in done.out) == (0, True), done.err
    assert json.loads((tmp_path / "measured/metrics.json").read_text())["keypoints"]["AP"] == pytest.approx(1.0)
    refused = command("evaluate", "--annotations", truth, "--predictions", tmp_path / "out", "--flip")
    assert (refused.code, "flip" in refused.err) == (2, True)


def test_evaluation_equals_that_of_the_model(do, pictures, tmp_path, networks):
    results = do([str(pictures)])
    truth = annotated(results, tmp_path / "truth.json", shift=2)
    model = vt.load(**networks)
    direct = vt.evaluation.evaluate_coco(model, truth, pictures, model.detector)
    found = vt.evaluation.evaluate_batch(tmp_path / "out", truth)
    assert found.keypoints == pytest.approx(direct.keypoints, abs=1e-6)
    assert found.procedure == direct.procedure
    assert {name: own.name for name, own in found.models.items()} == {
        name: own.name for name, own in direct.models.items()
    }
    assert 0 < found.keypoints["AP"] < 1


def test_results_are_a_teachers_annotations(do, pictures, tmp_path, command):
    results = do([str(pictures)])
    truth = read_annotations(tmp_path / "out")
    assert len(truth) == 14
    assert sorted(record["file_name"] for record in truth.images.values()) == [
        f"{number:02d}.jpg" for number in range(8) if number != 4
    ]
    poses = next(iter(results)).poses
    np.testing.assert_allclose(truth.keypoints[:2, :, :2], poses.keypoints, atol=0.00501)
    checked = command("check-data", "--data", tmp_path / "out", "--images", pictures)
    assert checked.code == 0, checked.err


def test_sql_and_data_frames(do, pictures, tmp_path):
    do([str(pictures)])
    counts = {2: 7}
    frame = vt.scaling.read(tmp_path / "out").to_pandas("pictures")
    assert frame[frame.error.isna()].persons.value_counts().to_dict() == counts
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    query = f"select persons, count(*) from '{tmp_path}/out/pictures/*.parquet' where error is null group by 1"
    assert dict(duckdb.sql(query).fetchall()) == counts


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("job.json", b"{", "no valid JSON"),
        ("job.json", b'{"version": 99}', "update it"),
        ("job.json", b'{"version": 1}', "no skeleton"),
        ("done/part-000000.json", b"[]", "no JSON object"),
        ("persons/part-000000-*.parquet", b"PAR1", "damaged"),
        ("persons/part-000000-*.parquet", None, "missing"),
    ],
)
def test_damaged_results_name_their_file(do, pictures, tmp_path, name, content, words):
    do([str(pictures)])
    (path,) = (tmp_path / "out").glob(name)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(vt.InputError, match=words) as caught:
        vt.scaling.read(tmp_path / "out").to_arrow()
    assert path.name in str(caught.value)


def test_a_folder_without_a_job(tmp_path):
    pytest.importorskip("pyarrow", reason="the extra ray is not installed")
    with pytest.raises(vt.InputError, match=r"has no job\.json"):
        vt.scaling.read(tmp_path)
