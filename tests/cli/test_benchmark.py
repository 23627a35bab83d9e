"""`vitruvian benchmark` times what predict does, and says so in a table and as JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import vitruvian as vt
from vitruvian.benchmark import BATCHES, NETWORKS, STAGES, measure
from vitruvian.cli import app
from vitruvian.media import open_source

PHOTO = Path(__file__).parents[2] / "docs/images/astronaut.jpg"


def run(*arguments: object) -> None:
    app(["benchmark", *map(str, arguments), "--seconds", "0.01"], standalone_mode=False)


def test_stages_and_settings_as_json(tmp_path, capsys):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        shutil.copy(PHOTO, tmp_path / name)
    run(tmp_path, "--frames", 2, "--json", tmp_path / "out.json", "--threads", 2)
    stages, networks = json.loads((tmp_path / "out.json").read_text()).values()
    assert stages["frames"] == 2
    assert stages["persons"] == 2 * len(vt.load()(PHOTO))
    assert tuple(stages["stages"]) == STAGES
    assert min(stages["stages"].values()) >= 0
    assert all(stages["stages"][name] > 0 for name in NETWORKS)
    assert stages["stages"][stages["bottleneck"]] == max(stages["stages"].values())
    assert 0 < stages["networks"] <= stages["whole"]
    assert {one["network"] for one in networks} == set(NETWORKS)
    assert {one["runtime"] for one in networks} == {"openvino", "onnxruntime"}
    assert {one["batch"] for one in networks} == set(BATCHES)
    assert all(one["samples_per_second"] > 0 for one in networks)
    assert "frames/s" in capsys.readouterr().out


def test_the_model_is_as_before(tmp_path):
    model = vt.load()
    runtimes = model.detector.runtime, model.pose.runtime
    measure(model, open_source(PHOTO), 1)
    assert (model.detector.runtime, model.pose.runtime) == runtimes


def test_without_a_source_the_networks_alone(capsys):
    run()
    printed = capsys.readouterr().out
    assert "one after the other" not in printed
    assert all(f"Fastest {name}" in printed for name in NETWORKS)


def test_bad_input(tmp_path):
    (tmp_path / "out.json").write_text("mine")
    with pytest.raises(vt.InputError, match=r"out\.json exists"):
        run(PHOTO, "--json", tmp_path / "out.json")
    with pytest.raises(vt.InputError, match=r"--json writes JSON; call it .*out\.json"):
        run(PHOTO, "--json", tmp_path / "out.csv")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(vt.InputError, match=r"broken\.jpg"):
        run(tmp_path / "broken.jpg")
    assert (tmp_path / "out.json").read_text() == "mine"
