"""Identification of checkpoints by the names and shapes of their tensors, and conversion of foreign layouts.

Foreign layouts are those of sithu31296/pose-estimation (the authors' names, with ``backbone.`` before all but the
layers that return keypoints), of MMPose 0.x and 1.x (``backbone.`` and a head called ``keypoint_head`` or ``head``),
and those that an architecture declares. MMPose's were written after its published source; its published files could not
be reached, so that no file of theirs has been compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from ..errors import InputError, ModelError
from ..io import parse_json
from . import ARCHITECTURES, architecture
from .base import Architecture, Converted, Identity, Parts, Shapes, Spec, Tensors, strip
from .hrnet import HRNetSpec
from .person_csp import PersonSpec
from .psa import PSASpec
from .pyramid import PyramidSpec
from .rle import RLESpec
from .simdr import SimDRSpec
from .simple_baselines import SimpleBaselinesSpec

if TYPE_CHECKING:
    from torch import Tensor

_BACKBONE = "backbone."
_HEADS = ("keypoint_head.", "head.")
# How MMPose 1.x normalises pictures stands beside the weights.
_UNUSED = "data_preprocessor."
# So many tensors may stand beside a backbone: pose-estimation's layers for the keypoints are six.
_HEAD_TENSORS = 16


def identify(shapes: Shapes) -> Identity:
    """The network that tensors belong to.

    Args:
        shapes: by name, in the layout of `vitruvian.networks`, which is that of the authors' releases; `convert` turns
            others into it.

    Raises:
        ModelError: no known network; the message says what the tensors look like instead.
    """
    nearly: ModelError | None = None
    for item in ARCHITECTURES:
        try:
            if found := item.identify(shapes):
                return found
        except ModelError as error:
            nearly = nearly or error
    if nearly is not None:
        raise nearly
    some = ", ".join(list(shapes)[:4])
    known = ", ".join(item.title for item in ARCHITECTURES if item.identify is not Architecture.identify)
    raise ModelError(
        f"the weights are of no network that Vitruvian knows ({len(shapes)} tensors: {some}, ...). Known are "
        f"{known}, under the names of their authors, of pose-estimation, or of MMPose"
    )


def with_size(identity: Identity, size: tuple[int, int] | None, stem: str) -> Identity:
    """The identity at the input size (height, width) that is wanted, or that the file's name tells, or a usual one.

    Raises:
        ModelError: the weights don't fit that size.
    """
    family = architecture(identity.spec)
    found = family.resize(identity, size, stem)
    if found.spec == identity.spec:
        return found
    return replace(found, name=next((name for name, spec in family.specs.items() if spec == found.spec), None))


def convert(tensors: Tensors) -> Converted:
    """Tensors of a foreign layout under the names of `vitruvian.networks`; others come back as they are.

    Raises:
        ModelError: an MMPose network that Vitruvian doesn't have; the message says which.
    """
    for item in ARCHITECTURES:
        for layout in item.layouts:
            if found := layout(tensors):
                return found
    if not any(name.startswith(_BACKBONE) for name in tensors):
        return Converted(tensors)
    prefix = next((head for head in _HEADS if any(name.startswith(head) for name in tensors)), None)
    return _from_pose_estimation(tensors) if prefix is None else _from_mmpose(tensors, prefix)


def _from_mmpose(tensors: Tensors, prefix: str) -> Converted:
    used = (_BACKBONE, prefix, _UNUSED)
    others = {name: tensor for name, tensor in tensors.items() if not name.startswith(used)}
    strangers = [name for name, tensor in others.items() if not is_stray(tensor)]
    if strangers:
        raise ModelError(f"an MMPose network with parts that Vitruvian doesn't have: {', '.join(strangers[:4])}")
    parts = Parts(strip(tensors, _BACKBONE), strip(tensors, prefix))
    for item in ARCHITECTURES:
        if found := item.mmpose(parts):
            return replace(found, tensors={**others, **found.tensors})
    some = ", ".join(list(parts.head)[:4])
    raise ModelError(f"an MMPose network that Vitruvian doesn't have; its head is {some}, ...")


def is_stray(tensor: Tensor) -> bool:
    """Whether a tensor may be a count or a loss's weights, which no network needs: a number or a row, no matrix."""
    return tensor.numel() == max(tensor.shape, default=1)


def _from_pose_estimation(tensors: Tensors) -> Converted:
    """A backbone beside the layers that return keypoints, or beside nothing."""
    others = [name for name in tensors if not name.startswith(_BACKBONE)]
    renamed = {name.removeprefix(_BACKBONE): tensor for name, tensor in tensors.items()}
    if len(others) > _HEAD_TENSORS or len(renamed) < len(tensors):
        return Converted(tensors)
    return Converted(renamed, notes=(f"{_BACKBONE!r} is taken off the names, as pose-estimation has them",))


def spec_to_json(spec: Spec) -> str:
    """A spec as one JSON object; `spec_from_json` reads it back."""
    return json.dumps({"architecture": architecture(spec).name, **asdict(spec)})


# The largest numbers that a file's spec may have: networks of that size are built before their tensors are compared.
_LARGEST = 16_384
_MOST = {"depth": 200, "split": 64}


def spec_from_json(text: str) -> Spec:
    """The spec in a model file, also one of before specs named their architecture.

    Raises:
        ModelError: it can't be read.
    """
    try:
        values: dict[str, Any] = parse_json(text, "it")
        values["input_size"] = tuple(values["input_size"])
        if max(values["input_size"]) > _LARGEST:
            raise ValueError(f"input_size is {values['input_size']}; {_LARGEST:,} is the most")
        if "architecture" in values:
            name = values.pop("architecture")
            kind = next(item.spec for item in ARCHITECTURES if item.name == name)
            assert kind is not None
        else:
            kind = _kind_of_version_1(values)
            values = {name: value for name, value in values.items() if name in kind.__dataclass_fields__}
        for item in fields(kind):
            if item.type in ("int", int) and type(values.get(item.name, 0)) is not int:
                raise ValueError(f"{item.name} is {values[item.name]!r}, no whole number")
            most = _MOST.get(item.name, _LARGEST)
            if isinstance(value := values.get(item.name), (int, float)) and not value <= most:
                raise ValueError(f"{item.name} is {value!r}; {most} is the most")
        return kind(**values)
    except (TypeError, ValueError, KeyError, AttributeError, StopIteration, AssertionError, InputError) as error:
        raise ModelError(f"the network's spec in the file can't be read ({type(error).__name__}: {error})") from None


def _kind_of_version_1(fields: Mapping[str, Any]) -> type[Spec]:
    """The class of a spec that says its backbone and head instead of its architecture."""
    if "head" not in fields:
        return PersonSpec
    if fields["head"] != "heatmap":
        return {"simdr": SimDRSpec, "regression": RLESpec}[fields["head"]]
    if fields["backbone"] == "hrnet":
        return HRNetSpec if fields.get("attention", "none") == "none" else PSASpec
    return {"pyramid": PyramidSpec, "resnet50": SimpleBaselinesSpec}[fields["backbone"]]
