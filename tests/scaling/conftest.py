"""Networks with constant answers, pictures, and partitions done in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vitruvian as vt

for room in ("cli", "media"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / room))


@pytest.fixture
def networks(make_onnx) -> dict[str, str]:
    """A detector that finds two persons, and a pose net with one answer; see tests/cli/known.py."""
    from known import DETECTIONS, LABELS, heatmaps

    detector = make_onnx({"dets": DETECTIONS, "labels": LABELS}, input_shape=("N", 3, 64, 64), name="detector.onnx")
    pose = make_onnx({"heatmaps": heatmaps()}, input_shape=("N", 3, 64, 48), name="pose.onnx")
    return {"detector": str(detector), "pose": str(pose)}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of seven pictures of different sizes and one that is none, ``04.jpg``."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(8):
        size = (60 + 8 * number, 90, 3)
        Image.fromarray(rng.integers(0, 255, size, np.uint8)).save(folder / f"{number:02d}.jpg")
    (folder / "04.jpg").write_bytes((folder / "04.jpg").read_bytes()[:3000])
    return folder


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs the console command in this process, as the fixture of tests/cli."""
    from known import Result

    from vitruvian.cli import main

    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["vitruvian", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Result(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one."""
    path = tmp_path / "work"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


class Here:
    """Decoding in this process; a picture whose name is in `deadly` loses its task, as often as its number says."""

    at_once = 2

    def __init__(self, keep: bool = False) -> None:
        self.keep = keep
        self.deadly: dict[str, int] = {}
        self.submitted: list[list[str]] = []

    def submit(self, entries: Sequence[Any]) -> Sequence[Any]:
        self.submitted.append([Path(entry.name).name for entry in entries])
        return entries

    def result(self, handle: Sequence[Any]) -> Any:
        from vitruvian.scaling.decoding import TaskLost, decode

        for entry in handle:
            name = Path(entry.name).name
            if self.deadly.get(name, 0):
                self.deadly[name] -= 1
                raise TaskLost
        return decode(handle, self.keep)


@pytest.fixture
def here() -> Here:
    return Here()


@pytest.fixture
def do(tmp_path: Path, networks: dict[str, str], here: Here) -> Callable[..., vt.scaling.BatchResults]:
    """Does all partitions of sources in this process, anew or `retry`, and reads them back."""
    import json

    pytest.importorskip("pyarrow", reason="the extra ray is not installed")
    from vitruvian.datasets.batch_results import JOB, VERSION
    from vitruvian.scaling.options import BatchOptions
    from vitruvian.scaling.partition import Attempt, PartitionWork
    from vitruvian.scaling.plan import PLAN, divided, manifest_name, write_partition
    from vitruvian.scaling.sources import list_items
    from vitruvian.scaling.worker import metadata_of
    from vitruvian.stores import Store

    model = vt.load(**networks, threads=1)

    def run(sources: list[str], output: str | None = None, begin: Any = None, **settings: Any) -> Any:
        attempt = {
            name: settings.pop(name)
            for name in ("careful", "set_aside", "lenient", "retry", "elsewhere")
            if name in settings
        }
        options = BatchOptions(**{"partition": 3, **settings})
        here.keep = options.format == "webdataset"
        store = Store(output or tmp_path / "out")
        metadata = metadata_of(model)
        work = PartitionWork(model, options, store, here, 2**24, str(tmp_path), metadata)
        if not attempt.get("retry"):
            store.write(JOB, json.dumps({"version": VERSION, "sources": sources, **metadata}).encode())
            for number, items in enumerate(divided(list_items(sources, options), options.partition)):
                write_partition(store, number, items)
                store.remove(manifest_name(number))
        for number in range(len(store.names(PLAN))):
            work.run(Attempt(number, **attempt), begin)
        return vt.scaling.read(store.root)

    return run
