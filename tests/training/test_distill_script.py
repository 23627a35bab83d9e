"""training/distill.py and its parts: the teacher as a torch module, packs, norms that are added and folded."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pytest
import torch

import vitruvian as vt
from vitruvian import networks

SCRIPTS = Path(__file__).resolve().parents[2] / "training"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """The scripts as modules, by name."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module


@pytest.fixture
def pack(tmp_path: Path, shared: Path) -> Path:
    """A pack of four annotated pictures of COCO, of which one is held out, and four others."""
    source, content = shared / "data/coco_mini/train", {}
    whole = json.loads((source / "person_keypoints.json").read_text())
    for name, images in (("known", whole["images"][:4]), ("held", whole["images"][:1])):
        ids = {record["id"] for record in images}
        persons = [item for item in whole["annotations"] if item["image_id"] in ids]
        content[name] = tmp_path / f"{name}.json"
        content[name].write_text(json.dumps({**whole, "images": images, "annotations": persons}))
    (tmp_path / "others").mkdir()
    for record in whole["images"][4:8]:
        (tmp_path / "others" / record["file_name"]).symlink_to(source / "images" / record["file_name"])
    folder, single = tmp_path / "pack", shared / "data/lspet"
    few = json.loads((single / "lspet_keypoints.json").read_text())
    few["images"] = few["images"][:2]
    ids = {record["id"] for record in few["images"]}
    few["annotations"] = [item for item in few["annotations"] if item["image_id"] in ids]
    (tmp_path / "few.json").write_text(json.dumps(few))
    run(
        *("pack.py", folder, "--detector", shared / "models/rtmdet_nano_person.onnx"),
        *("--pictures", tmp_path / "others", "--annotated", content["known"], source / "images"),
        *("--annotated", tmp_path / "few.json", single / "images", "--held", content["held"]),
    )
    return folder


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, str(SCRIPTS / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_teacher_gives_in_torch_what_it_gives_in_onnx_runtime(
    script: Callable[[str], ModuleType], shared: Path, tmp_path: Path
) -> None:
    module, path = script("onnx_network"), shared / "models/tinypose_256x192.onnx"
    module.simplified(path, tmp_path / "simple.onnx", (256, 192))
    pictures = np.random.default_rng(0).normal(size=(3, 3, 256, 192)).astype(np.float32)
    (found,) = module.OnnxNetwork(tmp_path / "simple.onnx")(torch.from_numpy(pictures))
    session = onnxruntime.InferenceSession(path)
    name = session.get_inputs()[0].name
    wanted = np.concatenate([session.run(None, {name: picture[None]})[0] for picture in pictures])
    assert found.numpy() == pytest.approx(wanted, abs=1e-5)


def test_added_norms_change_nothing_and_fold_away(script: Callable[[str], ModuleType]) -> None:
    distill = script("distill")
    network = networks.create("pose_mobilenet_256x192")
    pictures = torch.rand(4, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        before = network(pictures)
        distill._add_norms(network, ("final_layer",), lambda: pictures)
        network.eval()
        assert network(pictures).numpy() == pytest.approx(before.numpy(), abs=1e-4)
        # Other statistics are other functions, and these are folded as they are.
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean += 0.1
                module.running_var *= 1.2
        after = network(pictures)
        assert not torch.allclose(after, before, atol=1e-4)
        plain = networks.create("pose_mobilenet_256x192").eval()
        plain.load_state_dict(distill._folded(network.state_dict()))
        assert plain(pictures).numpy() == pytest.approx(after.numpy(), abs=1e-4)


def test_a_pack_has_every_picture_and_person(pack: Path) -> None:
    index = np.load(pack / "pack.npz")
    assert index["held"].tolist() == [False] * 4 + [True] + [False] * 5
    assert index["group"].tolist() == [0] * 4 + [1] * 4 + [2] * 2
    assert index["length"].sum() == (pack / "pictures0.bin").stat().st_size
    assert index["size"].max() == 384
    # The persons of lspet's pictures are annotated, with 12 keypoints each.
    single = np.isin(index["person_picture"], [8, 9]) & (index["person_keypoints"][..., 2] > 0).any(axis=1)
    assert single.sum() == 2
    assert (index["person_keypoints"][single][..., 2] > 0).sum(axis=1).max() <= 12
    inside = index["person_box"] <= np.tile(index["size"][index["person_picture"]], 2) + 2
    assert inside.all()


@pytest.mark.parametrize(
    ("task", "teacher", "name"),
    [
        ("pose", "tinypose_256x192.onnx", "pose_mobilenet_256x192"),
        ("person", "rtmdet_nano_person.onnx", "person_mobilenet_384x384"),
    ],
)
def test_what_was_distilled_is_a_model(
    pack: Path, shared: Path, tmp_path: Path, task: str, teacher: str, name: str
) -> None:
    start, output = vt.zoo.fetch(vt.zoo.card(name)), tmp_path / f"{name}.safetensors"
    teacher_file = shared / "models" / teacher
    said = run(
        *("distill.py", task, pack, output, "--teacher", teacher_file, "--init", start),
        *("--seconds", 1, "--batch", 4),
    )
    assert "samples" in said
    model = vt.load(output) if task == "pose" else vt.load(detector=output)
    assert len(model(SCRIPTS.parent / "docs/images/astronaut.jpg", boxes=[[100, 20, 400, 511]])) == 1
