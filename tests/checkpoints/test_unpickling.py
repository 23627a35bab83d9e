"""Files that would run a program: nothing of it may happen, whatever opcode calls it and wherever it hides."""

from __future__ import annotations

import os
import pickle
import tracemalloc
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


# Each asks for gigabytes, or for ever, in a few hundred bytes.
BOMBS = {
    "bytearray": b"\x80\x02cbuiltins\nbytearray\n\x8a\x05\x00\x00\x00\xc0\x00\x85R.",
    "python_2_bytearray": b"\x80\x02c__builtin__\nbytearray\n\x8a\x05\x00\x00\x00\xc0\x00\x85R.",
    "bytearray8": b"\x80\x05\x96\x00\x00\x00\xc0\x00\x00\x00\x00.",
    "bytes8": b"\x80\x04\x8e\x00\x00\x00\xc0\x00\x00\x00\x00.",
    "text8": b"\x80\x04\x8d\x00\x00\x00\xc0\x00\x00\x00\x00.",
    "text": b"\x80\x02X\xff\xff\xff\xfe.",
    "frame": b"\x80\x04\x95\x00\x00\x00\xc0\x00\x00\x00\x00N",
    "tensor": b"\x80\x02ctorch\nTensor\n\x8a\x05\x00\x00\x00\xc0\x00\x85R.",
    "tensor_type": b"\x80\x02ctorch\nFloatTensor\n\x8a\x05\x00\x00\x00\xc0\x00\x85R.",
    "storage": b"\x80\x02ctorch\nFloatStorage\n\x8a\x05\x00\x00\x00\xc0\x00\x85R.",
    "memo": b"\x80\x02Nr\x00\x00\x00\xc0.",
    # (x, x) of (x, x) of ...: its hash takes 2**60 steps.
    "key": b"\x80\x02}N\x85" + 60 * b"2\x86" + b"Ns.",
    "member": b"\x80\x04\x8f(N\x85" + 60 * b"2\x86" + b"\x90.",
    "set": b"\x80\x02c__builtin__\nset\n]N\x85" + 60 * b"2\x86" + b"a\x85R.",
    "ordered_dict": b"\x80\x02ccollections\nOrderedDict\n]N\x85" + 60 * b"2\x86" + b"N\x86a\x85R.",
    # All with the hash 0, so that each is compared with all others.
    "collisions": b"\x80\x02}("
    + b"".join(b"\x8a\x11" + (k * (2**61 - 1) << 61).to_bytes(17, "little") + b"N" for k in range(1, 9))
    + b"u.",
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("wrap", [zipped, legacy])
def test_no_number_in_a_stream_decides_what_is_allocated(
    tmp_path: Path, wrap: Callable[[bytes, Path], Path], name: str
) -> None:
    path = wrap(BOMBS[name], tmp_path / "bomb.pt")
    tracemalloc.start()
    try:
        with pytest.raises(vt.ModelError, match=r"bomb\.pt"):
            vt.zoo.read_checkpoint(path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_more_steps_than_any_checkpoint_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitruvian.checkpoints.opcodes.MAX_OPCODES", 1000)
    path = zipped(b"\x80\x02]" + 1000 * b"}a" + b".", tmp_path / "a.pt")
    with pytest.raises(vt.ModelError, match=r"a\.pt: its pickle has more than 1,000 steps"):
        unpickle(path)


def test_names_without_end(tmp_path: Path) -> None:
    names = b"".join(b"cmodels.a%d\nB\n0" % number for number in range(2000))
    with pytest.raises(vt.ModelError, match="more than 1000 classes"):
        unpickle(zipped(b"\x80\x02" + names + b"N.", tmp_path / "a.pt"))


def test_a_state_reaches_records_only(tmp_path: Path) -> None:
    """A state of slots would set attributes of the functions that names stand for, for every file to come."""
    slots = b"N}X\x0c\x00\x00\x00__defaults__N\x85s\x86b."
    for owner in (b"ctorch._utils\n_rebuild_tensor_v2\n", b"ccollections\nOrderedDict\n", MODEL, b"]"):
        with pytest.raises(vt.ModelError, match="gets a state"):
            unpickle(zipped(b"\x80\x02" + owner + slots, tmp_path / "a.pt"))


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_gives_what_python_gives(tmp_path: Path, protocol: int) -> None:
    content = {
        "numbers": [0, 1, -1, 255, 256, 65536, -(2**31), 2**31, 2**63, -(2**200), 0.5, 1e300, float("inf")],
        "texts": ["", "a", "é\n\\u", "x" * 300, "\U0001f600"],
        "rest": (None, True, False, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {}, {1: {2: 3}}),
        (1, "a"): [{"shared": 1}] * 2,
        **({} if protocol < 3 else {"bytes": b"\x00\xff"}),
        **({"set": {1, 2}, "frozen": frozenset({"a"})} if protocol > 3 else {}),
    }
    path = zipped(pickle.dumps(content, protocol), tmp_path / "a.pt")
    found = unpickle(path)
    assert found == content
    first, second = found[1, "a"]
    assert first is second


@pytest.mark.parametrize("new", [True, False])
def test_tensors_with_attributes(tmp_path: Path, new: bool) -> None:
    """`_rebuild_from_type_v2` and `_rebuild_parameter_with_state` are how PyTorch saves them."""
    tensor, parameter = torch.arange(6.0).view(2, 3), torch.nn.Parameter(torch.ones(2))
    tensor.note, parameter.note = "a", "b"  # type: ignore[attr-defined]
    torch.save({"a": tensor, "b": parameter}, tmp_path / "a.pt", _use_new_zipfile_serialization=new)
    found = vt.zoo.read_checkpoint(tmp_path / "a.pt").tensors
    assert torch.equal(found["a"], tensor)
    assert torch.equal(found["b"], torch.ones(2))


def test_the_case_that_claims_3_gib(shared: Path) -> None:
    with pytest.raises(vt.ModelError, match=r"bytearray3GiB\.pth: refused: the file would call \w+\.bytearray"):
        vt.zoo.read_checkpoint(shared / "cases/bytearray3GiB.pth")
