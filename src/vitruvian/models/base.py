"""Record of an architecture: everything that the rest of the library asks about one family of models."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..cards import ModelCard, Published, Weights
from ..errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from ..runtimes import Runtime

Shapes = Mapping[str, tuple[int, ...]]
Tensors = Mapping[str, "Tensor"]
OnnxShape = tuple[int | None, ...]

# Networks without another rule halve their input five times.
SIZE_MULTIPLE = 32
# The fewest channels that a network's width may give.
LEAST_WIDTH = 8

_SIZE_IN_NAME = re.compile(r"(?<!\d)(\d{2,4})x(\d{2,4})(?!\d)")
_SIZE_NOTE = "the weights fit any input size; {0}x{1} is {2}"


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Options that a network is built with; each architecture has its own subclass.

    Args:
        input_size: (height, width) in pixels, multiples of 32.

    Raises:
        ModelError: an option that the network can't have.
    """

    input_size: tuple[int, int]

    def __post_init__(self) -> None:
        size = self.input_size
        if len(size) != 2 or any(side <= 0 or side % SIZE_MULTIPLE for side in size):
            raise ModelError(f"input_size is {size}; it is (height, width) in multiples of {SIZE_MULTIPLE}")

    def counted(self, num_keypoints: int) -> str:
        """The number of results, in words: "17 keypoints"."""
        return f"{num_keypoints} keypoints"


def check_choice(field: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises ModelError for a value that is none of the choices."""
    if value not in choices:
        raise ModelError(f"{field} is {value!r}; it can be {', '.join(choices)}")


def check_width(width: int) -> None:
    """Raises ModelError for less than 8 channels."""
    if width < LEAST_WIDTH:
        raise ModelError(f"width is {width}; it is a number of channels, {LEAST_WIDTH} or more")


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file without a card.

    Args:
        network: the opened file.
        size: (height, width) of its input in pixels.
        shapes: of its outputs in order, without guesses: None is a length that may vary.
    """

    network: Runtime
    size: tuple[int, int]
    shapes: tuple[OnnxShape, ...]

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self.network.path.stem

    def first_operators(self) -> set[str]:
        """The operators that read the input, under OpenVINO's names, such as "Convolution" and "StridedSlice".

        None of a graph that OpenVINO can't read, whichever engine runs it.
        """
        from openvino import Core

        try:
            model = Core().read_model(self.network.path)
        except RuntimeError:
            return set()
        return {reader.get_node().get_type_name() for reader in model.inputs[0].get_target_inputs()}

    def outputs(self) -> tuple[NDArray[np.float32], ...]:
        """The outputs (1, ...) for a black picture."""
        return self.network(np.zeros((1, 3, *self.size), np.float32))


@dataclass(frozen=True)
class Identity:
    """The network that a checkpoint belongs to.

    Args:
        spec: the network's options.
        name: the name in `SPECS` of exactly this network, None for a variant (another width or input size).
        num_keypoints: K, 0 for a detector.
        notes: decisions that the file left open, one sentence each.
        assumption: the one decision that changes the result, "" for none.
    """

    spec: Spec
    name: str | None
    num_keypoints: int
    notes: tuple[str, ...] = ()
    assumption: str = ""

    def __str__(self) -> str:
        return f"{self.name or self.spec} with {self.spec.counted(self.num_keypoints)}"


@dataclass(frozen=True)
class Converted:
    """Tensors under the names of `vitruvian.networks`.

    Args:
        tensors: by name.
        changes: fields of the network's spec that names and shapes don't show.
        notes: the conversions, one sentence each.
    """

    tensors: Tensors
    changes: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parts:
    """A checkpoint of MMPose, taken apart.

    Args:
        backbone: tensors of the backbone, by name without ``backbone.``.
        head: tensors of the head, by name without ``keypoint_head.`` (0.x) or ``head.`` (1.x).
    """

    backbone: dict[str, Tensor]
    head: dict[str, Tensor]


def any_size(identity: Identity, size: tuple[int, int] | None, stem: str) -> Identity:
    """The identity at the wanted input size (height, width), or the one in the file's name, or the spec's own."""
    spec = identity.spec
    if size is None:
        told = _SIZE_IN_NAME.search(stem)
        size = (int(told[1]), int(told[2])) if told else spec.input_size
        told_well = bool(told) and not any(length % SIZE_MULTIPLE for length in size)
        size = size if told_well else spec.input_size
        note = _SIZE_NOTE.format(*size, "taken from the file's name" if told_well else "assumed")
        identity = replace(identity, assumption=note)
    return replace(identity, spec=replace(spec, input_size=size))


def own_size(identity: Identity, size: tuple[int, int] | None, stem: str) -> Identity:
    """The identity at the wanted input size (height, width), or the spec's own."""
    return replace(identity, spec=replace(identity.spec, input_size=size or identity.spec.input_size))


def any_classes(wanted: Any, found: Any, names: tuple[str, ...]) -> tuple[Any, str]:
    """The spec as it is: the network has no classes."""
    return wanted, ""


def no_imagenet(spec: Any) -> str:
    """Raises ModelError: the architecture has no weights from ImageNet."""
    raise ModelError(f"there are no ImageNet weights of {spec}")


@dataclass(frozen=True)
class Architecture:
    """One family of models. `vitruvian.models.ARCHITECTURES` lists them all.

    Everything here needs no torch. Hooks of ONNX-only architectures that concern checkpoints stay at their defaults.

    Args:
        name: the module's name in `vitruvian.models`.
        title: the name for people.
        task: what the models find.
        cards: the models with a name: how they are fed and read, their published figures, their files.
        recognise: the card of an ONNX file without one; None if its outputs are not this architecture's.
        outputs: what `recognise` takes, in words; "" for nothing.
        spec: the class of the specs.
        specs: the networks by name.
        variants: further names, with their specs, that `vitruvian.networks.create` takes, such as MMPose's.
        builder: "module:function" in `vitruvian.networks`; the function takes a spec and the number of keypoints.
        describe: from a spec, a name and the number of keypoints to the card of the network.
        identify: from the names and shapes of tensors to the identity; None if they are not this architecture's.
            Raises ModelError for tensors that almost match.
        resize: the identity at another input size, from (height, width) or None and the stem of the file's name.
            Raises ModelError for a size that the weights don't fit.
        fit_classes: the spec with the file's classes and their person class, and a note on what was assumed; from the
            wanted spec, the identified one (or None), and the file's class names. Raises ModelError if there is no
            person among them.
        layouts: each turns tensors of a foreign layout into this architecture's, or returns None.
        mmpose: turns the parts of an MMPose checkpoint into this architecture's tensors, or returns None. Raises
            ModelError for a network of MMPose that almost matches.
        head: prefixes of the layers that depend on the keypoints, for training.
        prefix: prefix of the backbone's tensors.
        stages: prefixes of the backbone's stages from the picture up, without `prefix`; from a spec.
        imagenet: the name of the backbone's ImageNet weights in `BACKBONES`, from a spec. Raises ModelError.
        trainable: whether `vitruvian.training` has what it takes to train it.
    """

    name: str
    title: str
    task: Literal["pose", "detection"]
    cards: tuple[ModelCard, ...]
    recognise: Callable[[OnnxFile], ModelCard | None] = lambda file: None
    outputs: str = ""
    spec: type[Spec] | None = None
    specs: Mapping[str, Any] = field(default_factory=dict)
    variants: Mapping[str, Any] = field(default_factory=dict)
    builder: str = ""
    describe: Callable[[Any, str, int], ModelCard] | None = None
    identify: Callable[[Shapes], Identity | None] = lambda shapes: None
    resize: Callable[[Identity, tuple[int, int] | None, str], Identity] = own_size
    fit_classes: Callable[[Any, Any, tuple[str, ...]], tuple[Any, str]] = any_classes
    layouts: tuple[Callable[[Tensors], Converted | None], ...] = ()
    mmpose: Callable[[Parts], Converted | None] = lambda parts: None
    head: tuple[str, ...] = ()
    prefix: str = ""
    stages: Callable[[Any], tuple[tuple[str, ...], ...]] = lambda spec: ()
    imagenet: Callable[[Any], str] = no_imagenet
    trainable: bool = True


def entry(card: ModelCard, published: Published, weights: Weights | None = None) -> ModelCard:
    """A card with what was published of the model, and where its file lies."""
    return replace(card, published=published, weights=weights)


def first_published(specs: Mapping[str, Any], spec: Spec, **same: Any) -> tuple[str | None, Any]:
    """Name and spec of the first entry that equals `spec` but for the fields in `same`; or None and `spec`.

    Args:
        specs: by name.
        spec: the one looked for.
        same: fields that don't count, with the value that `spec` has there.
    """
    found = ((name, item) for name, item in specs.items() if replace(item, **same) == spec)
    return next(found, (None, spec))


def rows(shapes: Shapes, name: str) -> int:
    """The number of rows of a weight: the channels that come out. Raises ModelError if there are none."""
    shape = shapes.get(name, ())
    if not shape or 0 in shape:
        raise ModelError(f"{name} is {shape or 'missing'}; it should be a weight with at least one row")
    return shape[0]


def strip(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
