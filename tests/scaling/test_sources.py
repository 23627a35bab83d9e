"""What sources list: folders, globs, manifests, shards, videos, addresses."""

from __future__ import annotations

import csv
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from vitruvian.errors import InputError
from vitruvian.scaling.options import BatchOptions
from vitruvian.scaling.plan import Plan, divided, read_partition, write_partition
from vitruvian.scaling.sources import Item, list_items
from vitruvian.stores import Store

fsspec = pytest.importorskip("fsspec", reason="the extra ray is not installed")
pa = pytest.importorskip("pyarrow", reason="the extra ray is not installed")
parquet = pytest.importorskip("pyarrow.parquet")
MemoryFileSystem = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem


def listed(*sources: object, **options: object) -> list[str]:
    return [item.path for item in list_items(map(str, sources), BatchOptions(**options))]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("img10.jpg", "img2.jpg", "notes.md", ".hidden.jpg", "deep/a.png", "deep/b.tar", "clip.mp4"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "tree"


def test_a_folder_in_natural_order_without_hidden_files_and_others(tree):
    assert listed(tree) == [str(tree / name) for name in ("clip.mp4", "img2.jpg", "img10.jpg")]


def test_folders_below_it_with_recursive(tree):
    assert [Path(path).name for path in listed(tree, recursive=True)] == [
        *("clip.mp4", "a.png", "b.tar", "img2.jpg", "img10.jpg")
    ]


def test_globs_and_ranges_of_shards(tree):
    assert listed(tree / "*.jpg") == [str(tree / "img2.jpg"), str(tree / "img10.jpg")]
    for number in (8, 9, 10):
        (tree / f"s-{number:03d}.tar").write_bytes(b"")
    items = list(list_items([str(tree / "s-{008..010}.tar")], BatchOptions()))
    assert [Path(item.path).name for item in items] == ["s-008.tar", "s-009.tar", "s-010.tar"]
    assert {item.kind for item in items} == {"shard"}


@pytest.mark.parametrize("kind", ["txt", "csv", "parquet"])
def test_manifests_of_paths_relative_to_their_folder(tmp_path, kind):
    names = ["a.jpg", "sub dir/b,c.jpg", "/whole/d.jpg", "s3://bucket/e.jpg"]
    manifest = tmp_path / f"list.{kind}"
    if kind == "txt":
        manifest.write_text("\n".join(names) + "\n\n")
    elif kind == "csv":
        with manifest.open("w", newline="") as file:
            csv.writer(file).writerows([["label", "path"], *([1, name] for name in names)])
    else:
        parquet.write_table(pa.table({"label": [1] * 4, "path": names}), manifest)
    expected = [str(tmp_path / "a.jpg"), str(tmp_path / "sub dir/b,c.jpg"), *names[2:]]
    assert listed(manifest) == expected


def test_a_column_of_bytes_is_listed_by_row_groups(tmp_path):
    parquet.write_table(pa.table({"image": [b"1", b"2", b"3"]}), tmp_path / "a.parquet", row_group_size=2)
    items = list(list_items([str(tmp_path / "a.parquet")], BatchOptions()))
    assert [(item.kind, item.first, item.weight, item.column) for item in items] == [
        *(("rows", 0, 2, "image"), ("rows", 1, 1, "image"))
    ]


def test_addresses_of_a_store(tmp_path):
    memory = fsspec.filesystem("memory")
    for name in ("b10.jpg", "b9.jpg", "x/c.png", "note.txt"):
        memory.pipe_file(f"/listing/{name}", b"x")
    assert listed("memory://listing") == ["memory:///listing/b9.jpg", "memory:///listing/b10.jpg"]
    assert listed("memory://listing/*/*.png") == ["memory:///listing/x/c.png"]
    assert len(listed("memory://listing", recursive=True)) == 3


class Hosted(MemoryFileSystem):
    """A store whose addresses have a user and a host, which its paths have not, as those of ftp://."""

    protocol = "hosted"
    store: dict = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012

    def __init__(self, host=None, username=None, **more):
        super().__init__(**more)
        assert (host, username) == ("place", "me")

    @classmethod
    def _strip_protocol(cls, path):
        return urlsplit(path).path.rstrip("/") if "://" in path else MemoryFileSystem._strip_protocol(path)

    @staticmethod
    def _get_kwargs_from_urls(path):
        return {"host": urlsplit(path).hostname, "username": urlsplit(path).username}


@pytest.mark.parametrize("source", ["hosted://me@place/a", "hosted://me@place/a/", "hosted://me@place/a/*.jpg"])
def test_addresses_keep_their_user_and_host(source):
    fsspec.register_implementation("hosted", Hosted, clobber=True)
    fsspec.filesystem("hosted", host="place", username="me").pipe_file("/a/b.jpg", b"x")
    assert listed(source) == ["hosted://me@place/a/b.jpg"]


def test_a_video_is_divided_by_frames(shared):
    video = str(shared / "videos/hug.mp4")
    items = list(list_items([video], BatchOptions(segment=30)))
    assert len(items) > 1
    assert [item.first for item in items[1:]] == [item.last for item in items[:-1]]
    assert (items[0].first, items[-1].last) == (0, None)
    assert len(list(list_items([video], BatchOptions(segment=30, track=True)))) == 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.jpg", None, "no such file or folder"),
        ("empty", "folder", "no pictures"),
        ("a.csv", "label,kind\n1,2\n", "no column 'path'"),
        ("a.csv", "label,path\n1\n", "line 2 has 1 fields"),
        ("a.parquet", "nothing", "can't be read as Parquet"),
    ],
)
def test_what_cannot_be_listed_is_named(tmp_path, name, content, words):
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=words) as caught:
        listed(path)
    assert name in str(caught.value)


@pytest.mark.parametrize("wrong", ["typo", "empty", "memory://nowhere/at/all"])
def test_a_wrong_source_is_told_before_the_first_is_listed(tree, wrong):
    (tree.parent / "empty").mkdir()
    source = wrong if "://" in wrong else str(tree.parent / wrong)
    with pytest.raises(InputError, match=Path(wrong).name):
        next(list_items([str(tree), source], BatchOptions()))


def test_a_name_with_spaces_without_quotes(tmp_path):
    (tmp_path / "My photo.jpg").touch()
    with pytest.raises(InputError, match=r"check the path; a name with spaces needs quotes: \".*/My photo.jpg\""):
        list(list_items([str(tmp_path / "My"), "photo.jpg"], BatchOptions()))


def test_a_store_that_is_not_known_or_whose_package_is_missing():
    with pytest.raises(InputError, match=r"nowhere://"):
        listed("nowhere://bucket/x")
    if "s3fs" not in fsspec.available_protocols():
        with pytest.raises(InputError, match="needs a package more"):
            listed("abfs://bucket/x")


def test_items_survive_their_file(tmp_path):
    items = [Item("picture", "ä\n b.jpg"), Item("shard", "s.tar", weight=9), Item("video", "v.mp4", 3, None, "", 2)]
    store = Store(tmp_path)
    write_partition(store, 0, items)
    assert read_partition(store, 0) == items


def test_partitions_keep_order_and_size():
    items = [Item("picture", str(number)) for number in range(7)] + [Item("shard", "s", weight=100)]
    parts = list(divided(items, 3))
    assert [item for part in parts for item in part] == items
    assert [len(part) for part in parts] == [3, 3, 1, 1]


def test_a_plan_goes_on_where_its_listing_was_interrupted(tmp_path):
    store = Store(tmp_path)
    items = [Item("picture", f"{number}.jpg") for number in range(10)]
    write_partition(store, 0, items[:3])
    plan = Plan(store, iter(items), 3)
    plan.start()
    taken = []
    while not plan.complete or plan.left:
        number = plan.take()
        if number is not None:
            taken.append(number)
            plan.mark(number)
    assert taken == [0, 1, 2, 3]
    assert [item for number in taken for item in read_partition(store, number)] == items
    # Complete, it is read back, and nothing is listed.
    again = Plan(store, iter(()), 3)
    assert (again.complete, again.partitions, again.pictures) == (True, 4, 10)


def test_a_listing_that_changed_while_interrupted_is_refused(tmp_path):
    store = Store(tmp_path)
    write_partition(store, 0, [Item("picture", "old.jpg")])
    plan = Plan(store, iter([Item("picture", "new.jpg")]), 3)
    plan.start()
    with pytest.raises(InputError, match="have changed"):
        plan.wait()


def test_what_was_listed_before_an_error_is_done_first(tmp_path):
    def items():
        yield from (Item("picture", f"{number}.jpg") for number in range(4))
        raise InputError("no more")

    store = Store(tmp_path)
    # Of a run before, which had listed more.
    store.write("done/part-000001.json", b"{}")
    plan = Plan(store, items(), 3)
    plan.start()
    plan.wait()
    plan._thread.join()
    assert plan.left == 1
    plan.check()
    assert plan.take() == 0
    plan.mark(0)
    with pytest.raises(InputError, match="no more"):
        plan.check()
