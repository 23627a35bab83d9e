"""Stores: whole writes, retries, and pictures from stores that fail."""

from __future__ import annotations

import http.server
import io
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

import vitruvian as vt
from vitruvian import stores
from vitruvian.scaling.decoding import decode
from vitruvian.scaling.entries import Entry, entries_of
from vitruvian.scaling.options import BatchOptions
from vitruvian.scaling.sources import list_items
from vitruvian.stores import Store, StoreError, retried

fsspec = pytest.importorskip("fsspec", reason="the extra ray is not installed")
MemoryFileSystem = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(stores, "FIRST_WAIT", 0.001)


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path) -> Store:
    return Store(tmp_path / "store" if request.param == "local" else f"memory://{tmp_path.name}")


def test_files_are_written_read_listed_and_removed(store):
    assert store.read("a/x.json") is None
    assert store.names("a") == []
    store.write("a/y.json", b"1")
    store.write("a/x.json", b"2")
    store.write("a/x.json", b"3")
    assert store.names("a") == ["x.json", "y.json"]
    assert store.read("a/x.json") == b"3"
    store.remove("a/x.json")
    store.remove("a/x.json")
    assert store.names("a") == ["y.json"]


def test_a_file_address_is_a_local_folder(tmp_path):
    store = Store(f"file://{tmp_path}/new/")
    store.write("done/x.json", b"1")
    assert (store.local, store.root) == (True, str(tmp_path / "new"))
    assert (tmp_path / "new/done/x.json").read_bytes() == b"1"


def test_half_written_files_are_not_listed_and_swept(tmp_path):
    store = Store(tmp_path)
    store.write("a/x.json", b"1")
    (tmp_path / "a/.0123abcd.y.json.part").write_bytes(b"half")
    assert store.names("a") == ["x.json"]
    store.sweep("a")
    store.sweep("missing")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x.json"]


def test_errors_that_pass_are_tried_again_and_others_are_not():
    failures = [ConnectionError("reset"), TimeoutError(), "done"]

    def action():
        outcome = failures.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert retried("s3://b/x", action) == "done"
    failures += [PermissionError("denied"), "never"]
    with pytest.raises(PermissionError):
        retried("s3://b/x", action)
    assert failures == ["never"]


def test_missing_credentials_are_told_at_once():
    calls = []

    class NoCredentialsError(Exception):
        pass

    def action():
        calls.append(1)
        raise NoCredentialsError("Unable to locate credentials")

    with pytest.raises(StoreError, match="needs credentials"):
        retried("s3://b/x", action)
    assert len(calls) == 1


class Flaky(MemoryFileSystem):
    """A store whose first answers are wrong: an error, or half of the file."""

    protocol = "flaky"
    store: dict = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012
    outcomes: list[str] = []  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path):
        return MemoryFileSystem._strip_protocol(path.replace("flaky://", "memory://"))

    def cat_file(self, path, start=None, end=None, **more):
        data = super().cat_file(path, start, end, **more)
        outcome = self.outcomes.pop(0) if self.outcomes else ""
        if outcome == "error":
            raise ConnectionError("503 slow down")
        return data[: len(data) // 2] if outcome == "half" else data


@pytest.fixture
def flaky(pictures) -> Entry:
    fsspec.register_implementation("flaky", Flaky, clobber=True)
    Flaky.store.clear()
    fsspec.filesystem("flaky").pipe_file("/b/00.jpg", (pictures / "00.jpg").read_bytes())
    return Entry(0, 0, "flaky://b/00.jpg", "flaky://b/00.jpg")


@pytest.mark.parametrize("outcomes", [[], ["error", "error"], ["half"], ["half", "error", "half"]])
def test_a_picture_of_a_store_that_fails_for_a_while(flaky, pictures, outcomes):
    Flaky.outcomes[:] = outcomes
    (done,) = decode([flaky])
    assert done.error is None
    np.testing.assert_array_equal(done.image, vt.media.read_image(pictures / "00.jpg"))


def test_a_damaged_picture_of_a_store_is_read_once(flaky):
    data = fsspec.filesystem("flaky").cat_file("/b/00.jpg")
    fsspec.filesystem("flaky").pipe_file("/b/00.jpg", data[:3000])
    Flaky.outcomes[:] = ["", "error"]
    (done,) = decode([flaky])
    assert "damaged" in done.error
    assert not done.passing
    assert Flaky.outcomes == ["error"]


def test_a_store_that_never_answers_is_told_as_such(flaky):
    Flaky.outcomes[:] = ["error"] * 99
    (done,) = decode([flaky])
    assert done.passing
    assert "503 slow down" in done.error


def test_the_few_that_a_store_fails_on_are_tried_again_before_they_are_written(do, pictures, monkeypatch):
    from vitruvian.scaling import partition

    monkeypatch.setattr(partition, "WAITS", (0.0, 0.0, 0.0))
    fsspec.register_implementation("flaky", Flaky, clobber=True)
    Flaky.store.clear()
    for path in sorted(pictures.iterdir()):
        fsspec.filesystem("flaky").pipe_file(f"/again/{path.name}", path.read_bytes())
    # More errors than the tries of one round, and fewer than those of all rounds.
    Flaky.outcomes[:] = ["error"] * 2 * stores.TRIES
    found = list(do(["flaky://again"], partition=8))
    assert not Flaky.outcomes
    assert [Path(one.source).name for one in found] == [f"{number:02d}.jpg" for number in range(8)]
    assert [Path(one.source).stem for one in found if one.error] == ["04"]
    assert [len(one.poses) for one in found if not one.error] == [2] * 7


class Cut(MemoryFileSystem):
    """A store whose files can be opened and then, for so many openings, not be read, by an error of its own."""

    protocol = "cut"
    store: dict = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012
    failing = 0
    refusing = False

    class HttpError(Exception):
        """As that of gcsfs, of no other class."""

    @classmethod
    def _strip_protocol(cls, path):
        return MemoryFileSystem._strip_protocol(path.replace("cut://", "memory://"))

    def pipe_file(self, path, value, **more):
        if self.refusing:
            raise Cut.HttpError("503 backend error")
        super().pipe_file(path, value, **more)

    def _open(self, path, mode="rb", **more):
        stream = super()._open(path, mode, **more)
        if mode != "rb":
            return stream
        return _CutFile(stream.getvalue())


class _CutFile(io.BytesIO):
    def __init__(self, data):
        super().__init__(data)
        Cut.failing -= 1
        self.fails = Cut.failing >= 0

    def read(self, *arguments):
        data = super().read(*arguments)
        if self.fails and self.tell() > 20_000:
            raise Cut.HttpError("503 backend error")
        return data

    read1 = read

    def readinto(self, buffer):
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


@pytest.fixture
def cut(pictures) -> dict[str, str]:
    """Addresses of a shard, a table and a list, each of seven good pictures, whose transfers are cut off."""
    fsspec.register_implementation("cut", Cut, clobber=True)
    Cut.store.clear()
    Cut.failing = 0
    pa = pytest.importorskip("pyarrow")
    files = [path for path in sorted(pictures.iterdir()) if path.stem != "04"]
    shard, table = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=shard, mode="w") as archive:
        for path in files:
            archive.add(path, path.name)
    pytest.importorskip("pyarrow.parquet").write_table(pa.table({"jpg": [path.read_bytes() for path in files]}), table)
    names = "".join(f"{path}\n" for path in files) + "\n" * 100_000
    store = fsspec.filesystem("cut")
    contents = {"s.tar": shard.getvalue(), "t.parquet": table.getvalue(), "l.txt": names.encode()}
    for name, data in contents.items():
        store.pipe_file(f"/b/{name}", data)
    return {name.partition(".")[2]: f"cut://b/{name}" for name in contents}


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_a_transfer_that_is_cut_off_is_the_stores_error(cut, kind):
    (item,) = list_items([cut[kind]], BatchOptions())
    Cut.failing = 1
    with pytest.raises(StoreError, match=f"{kind} can't be reached: HttpError: 503"):
        list(entries_of(0, item, ""))
    assert len(list(entries_of(0, item, ""))) == 7


def test_a_manifest_whose_transfer_is_cut_off_is_named(cut):
    Cut.failing = 1
    with pytest.raises(StoreError, match=r"l\.txt can't be reached: HttpError: 503"):
        list(list_items([cut["txt"]], BatchOptions()))
    assert len(list(list_items([cut["txt"]], BatchOptions()))) == 7


def test_a_shard_whose_store_is_down_is_left_for_later(do, cut, tmp_path):
    from vitruvian.scaling.partition import StoreDown

    Cut.failing = 1
    with pytest.raises(StoreDown, match=r"s\.tar can't be reached"):
        do([cut["tar"]])
    assert not (tmp_path / "out/done").exists()
    assert [one.error for one in do([cut["tar"]])] == [None] * 7
    # Once it must, what came before it is kept.
    Cut.failing = 1
    found = [one.error for one in do([cut["tar"]], lenient=True)]
    assert found.count(None) == len(found) - 1
    assert "503" in found[-1]


def test_a_partition_whose_rows_cannot_be_written_for_a_while_is_left_for_later(do, cut, monkeypatch):
    from vitruvian.scaling.partition import StoreDown

    with pytest.raises(StoreDown, match=r"can't be written.*503"):
        do([cut["tar"]], "cut://out", begin=lambda *at: monkeypatch.setattr(Cut, "refusing", True), careful=True)


def test_an_address_without_an_extension_is_tried_again(pictures):
    data, answers = (pictures / "00.jpg").read_bytes(), [503, 503, 200, 404]

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            code = answers.pop(0)
            self.send_response(code)
            self.send_header("Content-Type", "image/jpeg" if code == 200 else "text/html")
            self.send_header("Content-Length", str(len(data) if code == 200 else 0))
            self.end_headers()
            if code == 200:
                self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/img?id=1"
        (done,) = decode([Entry(0, 0, address, address)])
        (gone,) = decode([Entry(0, 0, address, address)])
        server.shutdown()
        thread.join()
    np.testing.assert_array_equal(done.image, vt.media.read_image(pictures / "00.jpg"))
    assert not answers
    assert not gone.passing
    assert "Not Found" in gone.error or "404" in gone.error


def test_a_job_between_stores(do, pictures):
    memory = fsspec.filesystem("memory")
    for path in sorted(pictures.iterdir()):
        memory.pipe_file(f"/between/in/{path.name}", path.read_bytes())
    results = do(["memory://between/in"], "memory://between/out")
    assert [Path(one.source).name for one in results] == [f"{number:02d}.jpg" for number in range(8)]
    assert results.to_arrow().num_rows == 14
