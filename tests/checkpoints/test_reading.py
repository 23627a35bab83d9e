"""Checkpoints in every wrapping, damaged ones, and what whole models say of themselves."""

from __future__ import annotations

import json
import pickle
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

import vitruvian as vt
from published import legacy, random_network, save_whole_yolov5, zipped
from vitruvian.models.yolov5 import YOLOv5Spec
from vitruvian.zoo import read_checkpoint

WEIGHTS = OrderedDict(
    (("conv1.weight", torch.linspace(-2, 2, 24).view(2, 3, 2, 2)), ("bn1.num_batches_tracked", torch.tensor(7)))
)


def assert_is(tensors: Any, expected: Any) -> None:
    assert list(tensors) == list(expected)
    for name, tensor in expected.items():
        torch.testing.assert_close(tensors[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("new", [True, False])
def test_plain_state_dict(tmp_path: Path, new: bool) -> None:
    torch.save(WEIGHTS, tmp_path / "a.pth", _use_new_zipfile_serialization=new)
    read = read_checkpoint(tmp_path / "a.pth")
    assert_is(read.tensors, WEIGHTS)
    assert (read.kind, read.notes) == ("state_dict", ())
    assert read.shapes == {"conv1.weight": (2, 3, 2, 2), "bn1.num_batches_tracked": ()}


def test_safetensors_in_the_files_order_whatever_its_suffix(tmp_path: Path) -> None:
    tensors = {"z": torch.arange(6.0).view(2, 3), "a": torch.tensor([1, 2])}
    safetensors.torch.save_file(tensors, tmp_path / "a.safetensors", metadata={"format": "pt"})
    head = (tmp_path / "a.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", head[:8])
    order = [name for name in json.loads(head[8 : 8 + length]) if name != "__metadata__"]
    (tmp_path / "a.safetensors").rename(tmp_path / "a.pth")
    assert_is(read_checkpoint(tmp_path / "a.pth").tensors, {name: tensors[name] for name in order})


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: {"epoch": 3, "state_dict": weights, "optimizer": {"state": {0: torch.ones(9)}}},
        lambda weights: {"model": weights, "best": torch.tensor(0.5)},
        lambda weights: {"net": {"state_dict": weights}},
        lambda weights: {"model": {"other": torch.zeros(3)}, "ema": weights},
        lambda weights: {"ema": None, "network": weights},
        lambda weights: {"ema": {"decay": 0.9}, "params": weights},
        lambda weights: {"module." + name: tensor for name, tensor in weights.items()},
        lambda weights: {"state_dict": {"model.module." + name: tensor for name, tensor in weights.items()}},
        lambda weights: {"_orig_mod." + name: tensor for name, tensor in weights.items()},
        lambda weights: {**weights, "epoch": 3},
    ],
)
def test_wrapped_state_dicts(tmp_path: Path, wrap: Callable[[Any], Any]) -> None:
    torch.save(wrap(WEIGHTS), tmp_path / "a.pt")
    assert_is(read_checkpoint(tmp_path / "a.pt").tensors, WEIGHTS)


def test_names_that_only_some_share_stay(tmp_path: Path) -> None:
    weights = {"module.a": torch.ones(1), "b": torch.ones(1)}
    torch.save(weights, tmp_path / "a.pt")
    assert_is(read_checkpoint(tmp_path / "a.pt").tensors, weights)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_every_precision_becomes_float32(tmp_path: Path, dtype: torch.dtype, kind: str) -> None:
    weights = {"a": torch.tensor([0.5, -3.0, 1024.0], dtype=dtype), "n": torch.tensor([2**40])}
    if kind == "safetensors":
        safetensors.torch.save_file(weights, tmp_path / "a")
    else:
        torch.save(weights, tmp_path / "a", _use_new_zipfile_serialization=kind == "zip")
    read = read_checkpoint(tmp_path / "a").tensors
    assert_is({"a": read["a"], "n": read["n"]}, {"a": torch.tensor([0.5, -3.0, 1024.0]), "n": torch.tensor([2**40])})


@pytest.mark.parametrize("new", [True, False])
def test_objects_beside_the_weights_do_not_get_in_the_way(tmp_path: Path, new: bool) -> None:
    # PyTorch's own safe reader refuses arrays of numpy's; MMPose's files have them in their meta data.
    torch.save(
        {"meta": {"sigmas": np.arange(3.0), "last": np.float64(0.5), "path": Path("x")}, "state_dict": WEIGHTS},
        tmp_path / "a.pth",
        _use_new_zipfile_serialization=new,
    )
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "a.pth", weights_only=True)
    assert_is(read_checkpoint(tmp_path / "a.pth").tensors, WEIGHTS)


@pytest.mark.parametrize("new", [True, False])
def test_whole_modules_of_pytorch(tmp_path: Path, new: bool) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Sequential(nn.Linear(4, 2)))
    module.register_buffer("passing", torch.ones(2), persistent=False)
    shared = torch.arange(12.0)
    module.register_buffer("view", shared[2:8].view(2, 3).t())
    torch.save(module, tmp_path / "a.pt", _use_new_zipfile_serialization=new)
    read = read_checkpoint(tmp_path / "a.pt")
    assert read.kind == "module"
    assert_is(read.tensors, module.state_dict())


def test_yolov5_of_the_shared_folder(shared: Path) -> None:
    read = read_checkpoint(shared / "models" / "yolov5n.pt")
    assert len(read.tensors) == 349
    assert {tensor.dtype for tensor in read.tensors.values()} == {torch.float32, torch.int64}
    assert (read.kind, read.num_classes, len(read.names), read.strides) == ("module", 80, 80, (8.0, 16.0, 32.0))
    assert read.names[:2] == ("person", "bicycle")
    # As the paper's table of anchors has them.
    assert read.anchors[0] == ((10.0, 13.0), (16.0, 30.0), (33.0, 23.0))
    assert read.anchors[2][2] == (373.0, 326.0)


def test_yolov5_as_released_in_the_older_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_network("yolov5n", layout="v5", num_classes=2)
    path = tmp_path / "crowd.pt"
    extra = {"names": {0: "head", 1: "person"}, "nc": 2, "stride": torch.tensor([8.0, 16.0, 32.0])}
    save_whole_yolov5(monkeypatch, network, path, **extra)
    with pytest.raises(ModuleNotFoundError, match="models"):
        torch.load(path, weights_only=False)
    read = read_checkpoint(path)
    assert list(read.tensors) == list(network.state_dict())
    assert (read.names, read.num_classes) == (("head", "person"), 2)
    loaded = vt.zoo.load_checkpoint(None, path)
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(loaded.network(picture), network(picture), rtol=1e-3, atol=1e-3)
    spec = loaded.identity.spec
    assert isinstance(spec, YOLOv5Spec)
    assert (spec.layout, spec.num_classes, spec.person) == ("v5", 2, 1)


def tensor_of(size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> dict[str, Any]:
    """A state dict whose only tensor claims more than its storage of four numbers has."""

    class Claim:
        def __reduce__(self) -> Any:
            storage = torch.ones(4).untyped_storage()
            typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True)
            return torch._utils._rebuild_tensor_v2, (typed, offset, size, stride, False, OrderedDict())

    return {"a.weight": Claim()}


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((1 << 44,), (1,), 0),
        ((1 << 30,), (0,), 0),
        ((4,), (1,), 1),
        ((2, 3), (3, 1), 0),
        ((1 << 40, 1 << 40), (0, 0), 0),
    ],
)
def test_tensors_larger_than_the_file(
    tmp_path: Path, new: bool, size: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> None:
    torch.save(tensor_of(size, stride, offset), tmp_path / "a.pth", _use_new_zipfile_serialization=new)
    with pytest.raises(vt.ModelError, match=r"a\.pth.*claim|a\.pth.*can't be read"):
        read_checkpoint(tmp_path / "a.pth")


def saved(new: bool) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        torch.save({"a.weight": torch.randn(500)}, path, _use_new_zipfile_serialization=new)
        return path

    return write


def saved_safely(path: Path) -> Path:
    safetensors.torch.save_file({"a.weight": torch.randn(500)}, path)
    return path


@pytest.mark.parametrize("write", [saved(True), saved(False), saved_safely])
def test_every_file_that_is_cut_short(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    content = write(tmp_path / "whole").read_bytes()
    for length in (1, 4, 9, 50, len(content) // 2, len(content) - 1):
        (tmp_path / "cut.pth").write_bytes(content[:length])
        with pytest.raises(vt.ModelError, match=r"cut\.pth"):
            read_checkpoint(tmp_path / "cut.pth")


def bomb(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02N" + b"0N" * 5_000_000 + b".")
    return path


def memo_bomb(path: Path) -> Path:
    return zipped(b"\x80\x02cmodels.yolo\nModel\n)\x81r" + struct.pack("<I", 0x7FFFFFF0) + b".", path)


def endless(path: Path) -> Path:
    """A module that is its own child."""
    return zipped(
        b"\x80\x02cmodels.yolo\nModel\n)\x81q\x01}X\x08\x00\x00\x00_modules}X\x01\x00\x00\x00ah\x01ssb.", path
    )


def written(content: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return write


def saved_object(content: Any) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        torch.save(content, path)
        return path

    return write


def program(path: Path) -> Path:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).eval()
    torch.jit.save(torch.jit.trace(module, torch.zeros(1, 3, 2, 2)), path)
    return path


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (written(b""), "empty"),
        (written(b"<html>Not found</html>"), "no checkpoint"),
        (written(b"\x89PNG\r\n\x1a\n" + bytes(90)), "no checkpoint"),
        (written(pickle.dumps({"a": 1})), "not one that PyTorch wrote"),
        (written(struct.pack("<Q", 1 << 60) + b"{}"), "cut short"),
        (written(struct.pack("<Q", 2) + b"[}"), "no checkpoint"),
        (written(struct.pack("<Q", 2) + b"{]"), "safetensors"),
        (saved_object({}), "no weights"),
        (saved_object([1, 2]), "no weights"),
        (saved_object({"epoch": 3, "lr": 0.1}), "it has epoch, lr"),
        (saved_object(torch.ones(3)), "no weights"),
        (saved_object({"a": torch.ones(3, dtype=torch.complex64)}), "complex"),
        (saved_object({"a": torch.ones(3, 3).to_sparse()}), "sparse"),
        (bomb, "compressed"),
        (memo_bomb, "counts to"),
        (endless, "without end"),
        (program, r"TorchScript program .*torch\.jit\.load\(\"weights\.pth\"\)\.state_dict\(\)"),
        (lambda path: zipped(b"\x80\x02cmodels.yolo\nModel\n)\x81.", path), "it is a models.yolo.Model"),
        (lambda path: legacy(b"\x80\x02}X\x01\x00\x00\x00a", path), "can't be read"),
    ],
)
def test_files_that_are_no_checkpoints(tmp_path: Path, write: Callable[[Path], Path], says: str) -> None:
    with pytest.raises(vt.ModelError, match=rf"weights\.pth.*({says})"):
        read_checkpoint(write(tmp_path / "weights.pth"))


def test_a_file_that_is_not_there_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(vt.ModelError, match=r"gone\.pth can't be read: No such file"):
        read_checkpoint(tmp_path / "gone.pth")
    with pytest.raises(vt.ModelError, match="can't be read"):
        read_checkpoint(tmp_path)


def test_names_and_numbers_survive_untouched(tmp_path: Path) -> None:
    weights: dict[str, Tensor] = {"b": torch.tensor([float("nan"), float("inf"), -0.0]), "a": torch.empty(0)}
    torch.save(weights, tmp_path / "a.pth")
    read = read_checkpoint(tmp_path / "a.pth").tensors
    assert list(read) == ["b", "a"]
    assert torch.equal(read["b"].view(torch.int32), weights["b"].view(torch.int32))


def test_nothing_here_imports_torch_before_it_is_needed() -> None:
    program = "import sys, vitruvian as vt; vt.zoo.identify; vt.networks.SPECS; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
