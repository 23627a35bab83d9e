"""Tensors of checkpoint files, with any wrapper and prefix. No code of a file is run."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ..errors import ModelError
from .onnx_weights import ONNX_START, exported_tensors
from .unpickling import ZIP_START, Record, module_tensors, unpickle

# What training programs call the weights inside of their files; an average over training comes before its last step.
WRAPPERS = ("ema", "state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model", "network", "net", "params")

# Parts of a network that may hold nearly all of its weights: no wrappers, though most names start with one.
_PARTS = ("backbone", "preact")
# So many tensors may stand beside a wrapped network: a count, a loss's weights.
STRAYS = 8

# Wrappers in wrappers, and prefixes behind prefixes, are opened so deep.
_NESTING = 8

# What a damaged header makes Python raise.
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, RuntimeError, RecursionError)

Triples = tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Args:
        path: the file.
        tensors: by name, in the file's order, on the CPU; numbers with a point are float32, whatever the file has.
        kind: "state_dict", or "module" for a file that pickles a whole model, as YOLOv5's do.
        notes: what had to be done to read it, one sentence each.
        names: what a detector's classes are called, () where the file doesn't say.
        num_classes: how many classes a detector has, None where the file doesn't say.
        strides: pixels of the picture for a cell of each of a detector's levels, () where the file doesn't say.
        anchors: (width, height) in pixels of each level's anchors, () where the file doesn't say.
        metadata: texts that a .safetensors file has beside its tensors; training leaves the model's card there.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    kind: Literal["state_dict", "module"]
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    num_classes: int | None = None
    strides: tuple[float, ...] = ()
    anchors: Triples = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The tensors' shapes by name."""
        return {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """The tensors of a .pth, .pt, .safetensors or .onnx file; the content decides which, not the suffix.

    Plain state dicts, dictionaries that hold one under a name of `WRAPPERS`, and YOLOv5's pickled models are read. A
    prefix that the names share, such as DataParallel's ``module.``, is taken off; a few tensors beside it, such as an
    averaged model's ``n_averaged``, keep their names. ONNX files have names that mean something only if `vitruvian
    export` made them.

    Raises:
        ModelError: no such file, no checkpoint, damaged, without tensors, or with code that it would run.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror or error}") from None
    if not start:
        raise ModelError(f"{path} is empty; get it again")
    if len(start) == 9 and start[8:] == b"{":
        tensors, metadata = _safetensors(path)
        return replace(_checkpoint(path, tensors), metadata=metadata)
    if start.startswith(ONNX_START):
        tensors, metadata = exported_tensors(path)
        return replace(_checkpoint(path, tensors), metadata=metadata)
    if start.startswith(ZIP_START):
        _check_archive(path)
    elif not start.startswith(b"\x80"):
        raise ModelError(f"{path} is no checkpoint: neither PyTorch's (.pth, .pt) nor .safetensors nor .onnx")
    return _checkpoint(path, unpickle(path))


def _safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > path.stat().st_size:
                raise ModelError(f"{path} is cut short; get it again")
            # The package gives names in alphabetical order; the file has its own.
            header = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        tensors = safetensors.torch.load_file(path)
        return {name: tensors[name] for name in header}, {str(key): str(text) for key, text in metadata.items()}
    except (safetensors.SafetensorError, *_DAMAGE) as error:
        raise ModelError(f"{path} is no whole .safetensors file ({error})") from None


def _check_archive(path: Path) -> None:
    """Refuses archives that are cut short, and those that would grow when they are read."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise ModelError(f"{path} is cut short or damaged ({error}); get it again") from None
    # Before the rest: the code in such archives is compressed.
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise ModelError(
            f"{path} is a TorchScript program (torch.jit.save), not a checkpoint. If you trust it, take its "
            f'weights: torch.save(torch.jit.load("{path.name}").state_dict(), "{path.stem}_weights.pth")'
        )
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if packed or sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise ModelError(f"{path} is no checkpoint: PyTorch's archives aren't compressed, this one is")


def _checkpoint(path: Path, content: Any) -> Checkpoint:
    try:
        holder, notes = _unwrapped(content, _NESTING)
        found = module_tensors(holder) if isinstance(holder, Record) else _own_tensors(holder)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    if not found:
        keys = ", ".join(str(key) for key in list(content)[:8]) if isinstance(content, Mapping) else ""
        has = f"it has {keys}" if keys else f"it is a {getattr(content, 'origin', '') or type(content).__name__}"
        raise ModelError(f"{path} holds no weights that Vitruvian finds; {has}")
    _check_tensors(path, found)
    names, prefixes = _without_prefixes(list(found))
    tensors = {name: _plain(tensor) for name, tensor in zip(names, found.values(), strict=True)}
    notes += [f"{prefix!r} is taken off the names" for prefix in prefixes]
    if any(tensor.dtype in (torch.float16, torch.bfloat16) for tensor in found.values()):
        notes.append("half precision becomes float32")
    if isinstance(holder, Record):
        return Checkpoint(path, tensors, "module", tuple(notes), **_detector(holder, tensors))
    return Checkpoint(path, tensors, "state_dict", tuple(notes))


def _unwrapped(content: Any, depth: int) -> tuple[Any, list[str]]:
    """The innermost object that has the weights, and what was opened on the way."""
    if isinstance(content, Mapping) and depth:
        for key in WRAPPERS:
            inner = content.get(key)
            if isinstance(inner, Mapping | Record):
                holder, notes = _unwrapped(inner, depth - 1)
                if isinstance(holder, Record) or _own_tensors(holder):
                    return holder, [f"the weights are those under {key!r}", *notes]
    return content, []


def _own_tensors(holder: Any) -> dict[str, Tensor]:
    if not isinstance(holder, Mapping):
        return {}
    return {name: value for name, value in holder.items() if isinstance(name, str) and isinstance(value, Tensor)}


def _check_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuses what can't become a plain tensor, and sizes that the file can't fill."""
    claimed = 0
    for name, tensor in tensors.items():
        plain = tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_complex()
        if not plain or tensor.device.type != "cpu":
            raise ModelError(f"{path}: {name} is sparse, quantised, complex or without values; save plain tensors")
        claimed += tensor.numel() * tensor.element_size()
    # Twice, since weights may be shared: such a tensor is in the file once.
    if claimed > 2 * path.stat().st_size:
        raise ModelError(f"{path}: its tensors claim {claimed} bytes, far more than the file holds")


def _without_prefixes(names: list[str]) -> tuple[list[str], list[str]]:
    """Names without the prefixes that all of them share, but for a few; and those prefixes, the outermost first."""
    taken: list[str] = []
    while len(taken) < _NESTING and (prefix := _prefix(names)):
        names = [name.removeprefix(prefix) for name in names]
        taken.append(prefix)
    return names, taken


def _prefix(names: list[str]) -> str:
    """What a wrapper put before the names of a network's modules, "" for nothing."""
    ((word, _),) = Counter(name.partition(".")[0] for name in names).most_common(1)
    prefix = f"{word}."
    few = min(STRAYS, len(names) // 20)
    inside = {name[len(prefix) :] for name in names if name.startswith(prefix)}
    strays = [name for name in names if not name.startswith(prefix)]
    if word in _PARTS or len(strays) > few or not inside.isdisjoint(strays):
        return ""
    # A wrapper holds named modules; what holds parameters, or modules by number as YOLOv5's model, is a part itself.
    part = sum("." not in name for name in inside) > few or any(name[:1].isdigit() for name in inside)
    return "" if part else prefix


def check_finite(path: str | os.PathLike[str], tensors: Mapping[str, Tensor]) -> None:
    """Raises ModelError, naming the first, for weights that are not all finite numbers."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ModelError(
                f"{path}: {name} has values that are NaN or infinite; the file is damaged or badly trained"
            )


def _plain(tensor: Tensor) -> Tensor:
    wanted = torch.float32 if tensor.is_floating_point() else tensor.dtype
    return tensor.detach().to(wanted).contiguous()


def _detector(model: Record, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """What YOLOv5's model says of itself beside its weights."""
    attributes = model.attributes
    names = attributes.get("names")
    names = list(names.values()) if isinstance(names, Mapping) else names
    stride = attributes.get("stride")
    strides = tuple(stride.flatten().tolist()) if isinstance(stride, Tensor) and stride.numel() < 9 else ()
    cells = next((tensor for name, tensor in tensors.items() if name.endswith(".anchors")), None)
    anchors: Triples = ()
    if cells is not None and cells.dim() == 3 and len(cells) == len(strides) and cells.shape[2] == 2:
        pixels = cells * torch.tensor(strides).view(-1, 1, 1)
        anchors = tuple(tuple((float(w), float(h)) for w, h in level) for level in pixels.tolist())
    count = attributes.get("nc")
    texts = tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()
    return {
        "names": texts,
        "num_classes": count if isinstance(count, int) else len(texts) or None,
        "strides": strides,
        "anchors": anchors,
    }
