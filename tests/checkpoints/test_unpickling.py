"""Files that would run a program: nothing of it may happen, whatever opcode calls it and wherever it hides."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import vitruvian as vt
from published import legacy, zipped
from vitruvian.checkpoints.unpickling import Record, unpickle


class Harm:
    """Creates a file when it is unpickled.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """The file that must not come into being."""
    return tmp_path / "harmed"


def text(path: Path) -> bytes:
    command = f"touch {path}".encode()
    return b"X" + len(command).to_bytes(4, "little") + command


SYSTEM = b"cos\nsystem\n"
MODEL = b"cmodels.yolo\nModel\n"

# By the opcode that calls; {} is the command.
STREAMS: dict[str, Callable[[bytes], bytes]] = {
    "reduce": lambda command: b"\x80\x02" + SYSTEM + command + b"\x85R.",
    "inst": lambda command: b"\x80\x02(" + command + b"ios\nsystem\n.",
    "obj": lambda command: b"\x80\x02(" + SYSTEM + command + b"o.",
    "stack_global": lambda command: b"\x80\x04\x8c\x02os\x8c\x06system\x93" + command + b"\x85R.",
    "dictionary": lambda command: b"\x80\x02}X\x01\x00\x00\x00a" + SYSTEM + command + b"\x85Rs.",
    "posix": lambda command: b"\x80\x02cposix\nsystem\n" + command + b"\x85R.",
    "class_argument": lambda command: b"\x80\x02" + MODEL + SYSTEM + command + b"\x85R\x85R.",
    "class_argument_of_inst": lambda command: b"\x80\x02(" + SYSTEM + command + b"\x85Rimodels.yolo\nModel\n.",
    "class_state": lambda command: b"\x80\x02" + MODEL + b")\x81}X\x01\x00\x00\x00a" + SYSTEM + command + b"\x85Rsb.",
    "setstate": lambda command: (
        b"\x80\x02" + MODEL + b")\x81}X\x0c\x00\x00\x00__setstate__" + SYSTEM + b"sb" + command + b"b."
    ),
    "ordered_dict": lambda command: b"\x80\x02ccollections\nOrderedDict\n" + SYSTEM + command + b"\x85R\x85R.",
    "rebuild": lambda command: b"\x80\x02ctorch._utils\n_rebuild_parameter\n" + SYSTEM + command + b"\x85R\x85R.",
    "persistent": lambda command: b"\x80\x02" + SYSTEM + command + b"\x85RQ.",
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("wrap", [zipped, legacy])
def test_no_opcode_runs_anything(tmp_path: Path, marker: Path, wrap: Callable[[bytes, Path], Path], name: str) -> None:
    path = wrap(STREAMS[name](text(marker)), tmp_path / "harm.pt")
    for read in (vt.zoo.read_checkpoint, unpickle):
        with pytest.raises(vt.ModelError, match=r"harm\.pt: refused: the file would call (os|posix)\.system"):
            read(path)
    assert not marker.exists()


def test_the_streams_would_do_harm(tmp_path: Path) -> None:
    """The proof that the test above proves something."""
    for name in ("reduce", "inst", "obj", "stack_global", "dictionary", "posix"):
        marker = tmp_path / name
        pickle.loads(STREAMS[name](text(marker)))
        assert marker.exists()


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize(
    "hide",
    [
        lambda harm: harm,
        lambda harm: {"state_dict": {"conv1.weight": torch.ones(2)}, "meta": [({"a": harm},)]},
        lambda harm: OrderedDict([("conv1.weight", torch.ones(2)), ("b", harm)]),
        lambda harm: _module(harm),
    ],
)
def test_saved_by_pytorch_itself(tmp_path: Path, marker: Path, new: bool, hide: Callable[[Harm], Any]) -> None:
    path = tmp_path / "harm.pth"
    torch.save(hide(Harm(marker)), path, _use_new_zipfile_serialization=new)
    for call in (
        lambda: vt.zoo.read_checkpoint(path),
        lambda: vt.zoo.load_network(checkpoint=path),
        lambda: vt.zoo.load_network("pose_hrnet_w32_256x192", checkpoint=path),
    ):
        with pytest.raises(vt.ModelError, match=r"harm\.pth: refused: the file would call (os|posix)\.system"):
            call()
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()


def _module(harm: Harm) -> torch.nn.Module:
    """A module of an allowed class that carries the harm among its attributes."""
    module = torch.nn.Linear(2, 2)
    module.harm = harm  # type: ignore[assignment]
    return module


@pytest.mark.parametrize(
    "name",
    [
        "builtins eval",
        "builtins getattr",
        "builtins exec",
        "subprocess Popen",
        "torch load",
        "torch.hub load",
        "torch._utils _rebuild_tensor_v3",
        "modelsx.yolo Model",
        "torch.nn.modulesx Model",
        "vitruvian.checkpoints.unpickling unpickle",
        "functools partial",
        "collections Counter",
        "numpy.lib.npyio load",
    ],
)
def test_names_off_the_list(tmp_path: Path, name: str) -> None:
    module, attribute = name.split()
    path = zipped(f"\x80\x02c{module}\n{attribute}\n.".encode("latin1"), tmp_path / "a.pt")
    with pytest.raises(vt.ModelError, match=rf"a\.pt: refused: the file would call {module}\.{attribute},"):
        unpickle(path)


def test_names_on_the_list_are_inert(tmp_path: Path, marker: Path) -> None:
    # A dotted name of protocol 4 would reach os.system through a module that imports os.
    dotted = b"\x80\x04\x8c\x17torch.nn.modules.module\x8c\x09os.system\x93" + text(marker) + b"\x85R."
    record = unpickle(zipped(dotted, tmp_path / "a.pt"))
    assert isinstance(record, Record)
    assert record.origin == "torch.nn.modules.module.os.system"
    assert not marker.exists()


def test_state_never_replaces_what_a_record_is(tmp_path: Path) -> None:
    state = b"}(X\x06\x00\x00\x00originX\x01\x00\x00\x00xX\x0a\x00\x00\x00attributesNu"
    record = unpickle(zipped(b"\x80\x02" + MODEL + b")\x81" + state + b"b.", tmp_path / "a.pt"))
    assert record.origin == "models.yolo.Model"
    assert record.attributes == {"origin": "x", "attributes": None}


def test_an_ordered_dicts_attributes_are_dropped(tmp_path: Path) -> None:
    stream = b"\x80\x02ccollections\nOrderedDict\n)R}X\x05\x00\x00\x00itemsK\x01sb."
    assert unpickle(zipped(stream, tmp_path / "a.pt")).items() == {}.items()
