"""Partitions: each picture once, equal to the model's answer, failures as rows, in all formats."""

from __future__ import annotations

import errno
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

import vitruvian as vt
from vitruvian import stores
from vitruvian.scaling.decoding import LOSSES
from vitruvian.scaling.partition import InputsMissing, StoreDown

pa = pytest.importorskip("pyarrow", reason="the extra ray is not installed")
parquet = pytest.importorskip("pyarrow.parquet")


def same(found: vt.Poses, expected: vt.Poses) -> None:
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-4)
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=1e-3)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)


def test_every_picture_is_a_row_and_its_persons_are_those_of_the_model(do, pictures, networks):
    results = do([str(pictures)])
    found = list(results)
    assert [Path(one.source).name for one in found] == [f"{number:02d}.jpg" for number in range(8)]
    model = vt.load(**networks, threads=1)
    for one in found:
        if one.source.endswith("04.jpg"):
            assert one.poses is None
            assert "04.jpg is damaged" in one.error
        else:
            assert (one.width, one.height) == (90, 60 + 8 * int(Path(one.source).stem))
            same(one.poses, model(one.source))
    assert len({one.picture for one in found}) == 8


def test_tables_have_the_columns_of_predict_and_the_models_cards(do, pictures, tmp_path):
    results = do([str(pictures)])
    persons, rows = results.to_arrow(), results.to_arrow("pictures")
    assert rows.num_rows == 8
    assert rows.column("persons").to_pylist() == [2, 2, 2, 2, 0, 2, 2, 2]
    assert persons.num_rows == 14
    wanted = ["picture", "source", "frame", "time", "person", "track_id", "score", "x1", "y1", "x2", "y2"]
    assert persons.column_names[:14] == [*wanted, "nose_x", "nose_y", "nose_score"]
    file = next((tmp_path / "out/persons").iterdir())
    metadata = json.loads(parquet.read_schema(file).metadata[b"vitruvian"])
    assert len(metadata["skeleton"]["keypoints"]) == 17
    assert metadata["pose"]["task"] == "pose"
    assert results.to_pandas().groupby("picture").size().tolist() == [2] * 7


@pytest.mark.parametrize("kind", ["jsonl", "webdataset"])
def test_the_other_formats_hold_the_same_rows(do, pictures, tmp_path, kind):
    expected = list(do([str(pictures)]))
    found = list(do([str(pictures)], str(tmp_path / kind), format=kind))
    assert [one.picture for one in found] == [one.picture for one in expected]
    assert [one.error for one in found] == [one.error for one in expected]
    for one, other in zip(found, expected, strict=True):
        if other.poses is not None:
            np.testing.assert_allclose(one.poses.keypoints, other.poses.keypoints, atol=0.00501)
    if kind == "webdataset":
        with tarfile.open(next((tmp_path / "webdataset/shards").glob("part-000000-*.tar"))) as archive:
            names = archive.getnames()
            picture = archive.extractfile(names[1]).read()
        assert names[0].removesuffix(".json") == names[1].removesuffix(".jpg")
        assert picture == (pictures / "00.jpg").read_bytes()


def test_shards_and_columns_of_bytes_give_what_their_files_give(do, pictures, tmp_path):
    expected = list(do([str(pictures)]))
    shard, table = tmp_path / "s.tar", tmp_path / "p.parquet"
    with tarfile.open(shard, "w") as archive:
        for path in sorted(pictures.iterdir()):
            archive.add(path, path.name)
            info = tarfile.TarInfo(f"{path.stem}.cls")
            archive.addfile(info, io.BytesIO())
    contents = [path.read_bytes() for path in sorted(pictures.iterdir())]
    names = [path.name for path in sorted(pictures.iterdir())]
    parquet.write_table(pa.table({"key": names, "jpg": contents}), table, row_group_size=5)
    for source in (shard, table):
        found = list(do([str(source)], str(tmp_path / f"out-{source.suffix}")))
        assert [one.source for one in found] == [f"{source}#{name}" for name in names]
        for one, other in zip(found, expected, strict=True):
            assert (one.poses is None) == (other.poses is None)
            if other.poses is not None:
                same(one.poses, other.poses)


def test_a_shard_that_is_cut_off_keeps_what_came_before(do, pictures, tmp_path):
    shard = tmp_path / "s.tar"
    with tarfile.open(shard, "w") as archive:
        for path in sorted(pictures.glob("0[0-3].jpg")):
            archive.add(path, path.name)
    data = shard.read_bytes()
    shard.write_bytes(data[: data.index(b"03.jpg") + 1500])
    found = list(do([str(shard)]))
    assert [one.poses is not None for one in found] == [True, True, True, False]
    assert "damaged or no tar file" in found[-1].error


def test_segments_of_a_video_are_the_frames_of_the_whole(do, networks, tmp_path):
    from made import make_video, numbered_frames

    video = make_video(tmp_path / "clip.mp4", numbered_frames(25))
    whole = list(do([str(video)], str(tmp_path / "whole")))
    parts = do([str(video)], str(tmp_path / "parts"), segment=10, partition=10)
    assert len(parts) == 3
    assert [(one.frame, one.time) for one in parts] == [(one.frame, one.time) for one in whole]
    assert [one.frame for one in whole] == list(range(25))
    strided = list(do([str(video)], str(tmp_path / "strided"), segment=10, partition=10, stride=4))
    assert [one.frame for one in strided] == [0, 4, 8, 12, 16, 20, 24]
    tracked = list(do([str(video)], str(tmp_path / "tracked"), track=True, segment=10))
    streamed = [poses for _, poses in vt.load(**networks).stream(str(video), track=True)]
    assert [one.poses.track_ids.tolist() for one in tracked] == [poses.track_ids.tolist() for poses in streamed]


def test_a_picture_that_ends_its_process_is_set_aside_alone(do, pictures, here):
    here.deadly = {"02.jpg": 99}
    found = list(do([str(pictures)], partition=8))
    assert [Path(one.source).stem for one in found if one.error] == ["02", "04"]
    assert "set aside" in next(one.error for one in found if one.source.endswith("02.jpg"))
    assert 99 - here.deadly["02.jpg"] <= LOSSES + 4
    # A task lost for another reason costs nothing.
    here.deadly = {"02.jpg": 1}
    assert [Path(one.source).stem for one in do([str(pictures)], partition=8) if one.error] == ["04"]


def test_a_careful_attempt_tells_each_picture_and_sets_aside(do, pictures):
    told = []
    reason = {(1, 0): "it ended the process"}
    found = list(do([str(pictures / "0[0-2].jpg")], begin=lambda *at: told.append(at), careful=True, set_aside=reason))
    assert told == [(0, 0), (2, 0)]
    assert found[1].error.endswith("it ended the process")


def test_failed_pictures_are_tried_again_and_the_others_kept(do, pictures, here):
    before = list(do([str(pictures)]))
    (pictures / "04.jpg").write_bytes((pictures / "05.jpg").read_bytes())
    here.submitted.clear()
    after = list(do([str(pictures)], retry=True))
    assert [one.picture for one in after] == [one.picture for one in before]
    assert all(one.error is None for one in after)
    # Only the failed one of its partition; the others have none.
    assert here.submitted == [["04.jpg"]]


def rows_of(results: vt.scaling.BatchResults) -> list[tuple]:
    return [(one.picture, one.error, None if one.poses is None else one.poses.to_dict()) for one in results]


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "webdataset"])
def test_good_rows_stay_when_their_file_is_gone_at_the_next_try(do, pictures, tmp_path, kind):
    shard = tmp_path / "s.tar"
    with tarfile.open(shard, "w") as archive:
        for path in sorted(pictures.glob("0[0-3].jpg")):
            archive.add(path, path.name)
    data = shard.read_bytes()
    shard.write_bytes(data[: data.index(b"03.jpg") + 1500])
    sources = [str(pictures / "04.jpg"), str(pictures / "06.jpg"), str(shard)]
    before = rows_of(do(sources, format=kind, partition=8))
    assert [error is None for _, error, _ in before] == [False, True, True, True, True, False]
    shard.unlink()
    (pictures / "06.jpg").unlink()
    (pictures / "04.jpg").write_bytes((pictures / "05.jpg").read_bytes())
    results = do(sources, format=kind, partition=8, retry=True)
    after = rows_of(results)
    assert after[1:] == before[1:]
    assert (after[0][0], after[0][1], len(after[0][2]["persons"])) == (before[0][0], None, 2)
    # One try's files, and for WebDataset the pictures' own bytes.
    (manifest,) = (results.manifest(number) for number in results.partitions)
    assert set(manifest["files"]) == {
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").glob("*/part-*-*")
    }
    if kind == "webdataset":
        with tarfile.open(tmp_path / "out" / next(iter(manifest["files"]))) as archive:
            found = [archive.extractfile(name).read() for name in archive.getnames() if name.endswith(".jpg")]
        expected = [(pictures / f"{name}.jpg").read_bytes() for name in ("05", "00", "01", "02")]
        assert [found[0], *found[2:]] == expected
        assert len(found) == 5


def test_a_committed_partition_outlives_a_full_disk(do, pictures, tmp_path, monkeypatch):
    before = rows_of(do([str(pictures)]))
    monkeypatch.setattr(stores, "_flushed", full)
    with pytest.raises(vt.OutputError, match="No space left"):
        do([], retry=True)
    assert rows_of(vt.scaling.read(tmp_path / "out")) == before


def test_names_that_are_no_text(do, pictures, tmp_path):
    from vitruvian.scaling.report import Totals, html

    shard = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.tar"))
    try:
        shard.write_bytes(b"no shard")
    except OSError:
        pytest.skip("the file system has no such names")
    assert [one.poses for one in do([str(shard)])] == [None]
    with tarfile.open(shard, "w") as archive:
        archive.add(pictures / "00.jpg", "00.jpg")
    (found,) = do([], retry=True)
    assert (found.source, found.error) == (f"{tmp_path}/\\udcff.tar#00.jpg", None)
    page = html(Totals(), str(shard), {"sources": [str(shard)]}, None).decode()
    assert page.count("\\udcff.tar") == 3


def test_a_partition_that_is_not_committed_is_done_at_the_next_try(do, pictures, tmp_path):
    before = rows_of(do([str(pictures)]))
    (tmp_path / "out/done/part-000001.json").unlink()
    assert rows_of(do([], retry=True)) == before


def test_a_worker_that_counted_as_lost_leaves_what_another_committed(do, pictures, tmp_path):
    done = []

    def overtaken(*at: int) -> None:
        if not done:
            done.append(at)
            # What another worker does meanwhile.
            done.append(rows_of(do([str(pictures / "0[0-2].jpg")])))
            done.append((tmp_path / "out/done/part-000000.json").read_bytes())

    results = do([str(pictures / "0[0-2].jpg")], begin=overtaken, careful=True)
    assert rows_of(results) == done[1]
    assert (tmp_path / "out/done/part-000000.json").read_bytes() == done[2]
    assert len(list((tmp_path / "out/pictures").iterdir())) == len(list((tmp_path / "out/persons").iterdir())) == 1


def test_files_that_no_manifest_names_are_removed(do, pictures, tmp_path):
    from vitruvian.scaling.leftovers import remove_leftovers

    results = do([str(pictures)])
    files = sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    for path in (tmp_path / "out/persons").iterdir():
        (path.parent / f"{path.name[:12]}00000000.parquet").write_bytes(b"of another try")
    (tmp_path / "out/pictures/notes.txt").touch()
    remove_leftovers(results.store)
    (tmp_path / "out/pictures/notes.txt").unlink()
    assert sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file()) == files
    assert parquet.read_table(tmp_path / "out/persons").num_rows == 14


def test_a_picture_that_the_networks_fail_on_fails_alone(do, pictures, monkeypatch):
    call = vt.TopDown.__call__

    def fails(self, images, *arguments, **keywords):
        if any(image.shape[0] == 60 + 8 * 2 for image in images):
            raise RuntimeError("no such layer")
        return call(self, images, *arguments, **keywords)

    monkeypatch.setattr(vt.TopDown, "__call__", fails)
    found = list(do([str(pictures)]))
    assert [one.error is not None for one in found] == [False, False, True, False, True, False, False, False]
    assert "no such layer" in found[2].error


def full(stream, data):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_commits_nothing(do, pictures, tmp_path, monkeypatch):
    do([str(pictures / "00.jpg")], str(tmp_path / "ok"))
    (tmp_path / "ok/done/part-000000.json").unlink()
    monkeypatch.setattr(stores, "_flushed", full)
    with pytest.raises(vt.OutputError, match="No space left"):
        do([str(pictures / "00.jpg")], str(tmp_path / "ok"))
    assert not list((tmp_path / "ok/done").iterdir())


@pytest.mark.parametrize("kind", ["jpg", "tar", "mp4"])
def test_a_machine_without_the_inputs_commits_nothing_if_there_are_others(do, pictures, tmp_path, kind):
    for name in ("a", "b"):
        (tmp_path / f"{name}.{kind}").touch()
    do([str(tmp_path / f"*.{kind}")])
    for name in ("a", "b"):
        (tmp_path / f"{name}.{kind}").unlink()
    (tmp_path / "out/done/part-000000.json").unlink()
    with pytest.raises(InputsMissing):
        do([], retry=True, elsewhere=True)
    assert not list((tmp_path / "out/done").iterdir())
    assert [one.poses for one in do([], retry=True)] == [None, None]
    # One of several that is gone is its own matter.
    found = list(do([str(pictures / "00.jpg"), str(pictures / "04.jpg")], str(tmp_path / "two"), elsewhere=True))
    assert [one.error is None for one in found] == [True, False]


@pytest.mark.parametrize("count", [1, 5])
def test_a_store_that_is_down_commits_nothing_until_it_must(do, tmp_path, monkeypatch, count):
    monkeypatch.setattr(stores, "FIRST_WAIT", 0.001)
    manifest = tmp_path / "list.txt"
    # Nobody listens on this port.
    manifest.write_text("".join(f"http://127.0.0.1:9/{number}.jpg\n" for number in range(count)))
    with pytest.raises(StoreDown, match="can't be reached"):
        do([str(manifest)], partition=5)
    assert not (tmp_path / "out/done").exists()
    found = list(do([str(manifest)], partition=5, lenient=True))
    assert len(found) == count
    assert all("can't be reached" in one.error for one in found)
