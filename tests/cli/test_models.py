"""The command `vitruvian models`."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from known import Command, program, read_json

import vitruvian as vt
from vitruvian.loading import DEFAULT_DETECTOR, DEFAULT_POSE


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where downloads go; nothing here may use the network."""
    monkeypatch.setenv("VITRUVIAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VITRUVIAN_OFFLINE", "1")
    return tmp_path / "home/models"


@pytest.fixture
def downloaded(home: Path) -> Path:
    """A file in the cache under the name of a model that has no published checksum."""
    home.mkdir(parents=True)
    path = home / "simdr_hrnet_w32_256x192.pth"
    path.write_bytes(b"weights")
    return path


def test_the_list_has_every_model_on_a_line(command: Command, downloaded: Path) -> None:
    done = command("models")
    assert (done.code, done.err) == (0, "")
    table, presets = done.out.split("\n\n")
    head, *lines = table.splitlines()
    assert head.split()[:3] == ["name", "input", "AP"]
    rows = {line.split()[0]: line.split() for line in lines}
    assert list(rows) == [card.name for card in vt.zoo.cards()]
    assert " ".join(rows["simdr_hrnet_w32_256x192"][1:]) == (
        "256x192 75.3 31.3 7.2 yes val2017 56.4 pose not stated github.com/sithu31296/pose-estimation"
    )
    assert " ".join(rows["pose_hrnet_w32_256x192"][1:-1]) == "256x192 74.4 28.5 7.1 no val2017 56.4 pose MIT"
    assert " ".join(rows["psa_p_hrnet_w48_256x192"][1:]) == (
        "256x192 78.9 70.0 15.7 no test-dev2017 60.9 pose - no weights published"
    )
    assert " ".join(rows["rtmdet_nano"][1:-1]) == ("320x320 40.3 1.0 0.3 no val2017 persons - detection Apache-2.0")
    assert [line.split() for line in presets.splitlines()] == [
        ["preset", "detector", "pose"],
        ["fast", "person_mobilenet_384x384", "pose_mobilenet_256x192"],
        ["balanced", "rtmdet_nano", "rtmpose_m_256x192"],
        ["accurate", "rtmdet_m", "rtmpose_x_384x288"],
    ]


def test_a_pipe_has_no_width(home: Path) -> None:
    environment = {"COLUMNS": "40", "VITRUVIAN_HOME": str(home), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(program("models"), capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    assert "github.com/leoxiaobin/deep-high-resolution-net.pytorch" in done.stdout.splitlines()[1]
    assert "…" not in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_a_narrow_terminal_leaves_columns_out_and_says_so(home: Path) -> None:
    import os
    import pty

    ours, theirs = pty.openpty()
    environment = {"COLUMNS": "60", "VITRUVIAN_HOME": str(home), "PYTHONPATH": ":".join(sys.path)}
    with subprocess.Popen(program("models"), stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        text = b""
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:
                break
            if not chunk:
                break
            text += chunk
    os.close(ours)
    assert process.returncode == 0
    lines = text.decode().splitlines()
    assert lines[-4].split() == ["preset", "detector", "pose"]
    assert max(map(len, lines[-4:])) <= 60
    *lines, _, said = lines[:-5]
    assert max(map(len, lines)) <= 60
    assert lines[1].split() == ["pose_hrnet_w32_256x192", "256x192", "74.4", "28.5", "7.1"]
    assert said.startswith("No room for here, split, det AP, task, licence, source")


def test_one_in_full(command: Command, downloaded: Path) -> None:
    done = command("models", "simdr_hrnet_w32_256x192")
    shown = {line[:12].strip(): line[12:] for line in done.out.splitlines()}
    assert shown["AP"] == "75.3 on COCO val2017, persons from a detector of AP 56.4"
    assert shown["parameters"] == "31.3 M"
    assert "1Bd8h2H30tCN8WuLIhuSRF9ViN6zghj29" in shown["address"]
    assert shown["source"] == "https://github.com/sithu31296/pose-estimation"
    assert shown["layout"] == "pose-estimation's names"
    assert shown["sha256"].startswith("none published")
    assert shown["downloaded"] == str(downloaded)
    for card in vt.zoo.cards():
        assert command("models", card.name).code == 0


def test_json_for_machines(command: Command, folder: Path, downloaded: Path) -> None:
    done = command("models", "--json", "-")
    models = json.loads(done.out)["models"]
    assert [model["name"] for model in models] == [card.name for card in vt.zoo.cards()]
    here = {model["name"]: model["downloaded"] for model in models if model["downloaded"]}
    packaged = {name: here.pop(name) for name in (DEFAULT_POSE, DEFAULT_DETECTOR)}
    assert all(Path(file).is_file() for file in packaged.values())
    assert here == {"simdr_hrnet_w32_256x192": str(downloaded)}
    assert models[0]["published"]["ap"] == 74.4
    presets = json.loads(done.out)["presets"]
    assert presets["balanced"] == {"detector": "rtmdet_nano", "pose": "rtmpose_m_256x192"}
    assert {model["name"] for model in models} > {name for pair in presets.values() for name in pair.values()}
    assert models[0]["input_size"] == [256, 192]
    assert command("models", "yolov5n", "--json", "one.json").code == 0
    (one,) = read_json(folder / "one.json")["models"]
    assert one["weights"]["size"] == 4062133
    refused = command("models", "--json", "one.json")
    assert (refused.code, len(read_json(folder / "one.json")["models"])) == (2, 1)
    assert "one.json exists" in refused.err
    assert command("models", "--json", "one.json", "--overwrite").code == 0
    assert read_json(folder / "one.json")["models"] == models
    assert command("models", "--json", "new/folder/all.json").code == 0
    assert read_json(folder / "new/folder/all.json")["models"] == models
    done = command("models", "--json", "one.json/all.json")
    words = "one.json/all.json can't be written: a file stands where its folder should be"
    assert (done.code, words in done.err) == (1, True)


def test_fetch_prints_the_path_of_a_whole_file(command: Command, downloaded: Path) -> None:
    done = command("models", "--fetch", "simdr_hrnet_w32_256x192")
    assert (done.code, done.out) == (0, f"{downloaded}\n")
    recorded = (downloaded.parent / "simdr_hrnet_w32_256x192.pth.sha256").read_text()
    assert recorded == f"{hashlib.sha256(b'weights').hexdigest()}  simdr_hrnet_w32_256x192.pth\n"
    downloaded.write_bytes(b"tampered")
    done = command("models", "simdr_hrnet_w32_256x192", "--fetch", "--offline")
    assert (done.code, done.out) == (2, "")
    assert "changed or damaged" in done.err


def test_fetch_without_a_network(command: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VITRUVIAN_OFFLINE")
    done = command("models", "--fetch", "--offline", "yolov5n")
    assert (done.code, done.out) == (2, "")
    assert "https://github.com/ultralytics/yolov5/releases/download/v7.0/yolov5n.pt" in done.err
    assert str(home / "yolov5n.pt") in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("yolv5",), "did you mean yolov5"),
        (("--fetch",), "needs the NAME"),
        (("--fetch", "psa_p_hrnet_w48_256x192"), "no weights of psa_p_hrnet_w48_256x192 have been published"),
        (("--fetch", "pose_hrnet_w32_384x288"), "get it from https://drive.google.com/drive/folders/"),
    ],
)
def test_bad_usage(command: Command, arguments: tuple[str, ...], said: str) -> None:
    done = command("models", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
