"""How a network is trained, as data: the recipes that come with the package, YAML files, and single settings."""

from __future__ import annotations

import json
import os
import types
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from ..datasets.skeletons import read_yaml
from ..errors import InputError, ModelError
from ..networks import PoseSpec
from ..networks import spec as spec_of
from ..networks.specs import Attention
from .augmentation import Augmentation

STAGES = 5
PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", "64-true")


@dataclass(frozen=True)
class Recipe:
    """A way to train a network. The settings from `flip` on are those of `Augmentation`.

    Args:
        model: one of `vitruvian.networks.SPECS`.
        width, input_size, attention, split, target_sigma: of the network instead of the model's own, see `PoseSpec`;
            input_size is (height, width).
        sigma: of heatmap targets, in heatmap pixels.
        smoothing: of SimDR's targets, 0..1.
        init: where the weights start: "imagenet" for the backbone, "none" for random ones, a name or a checkpoint.
        epochs: how often every person comes.
        batch: persons a step, of each process.
        accumulate: so many batches make a step.
        optimizer: "adam", "adamw" or "sgd".
        rate: learning rate.
        rate_steps: epochs after which the rate is multiplied by `rate_factor`.
        warmup: steps over which the rate grows from a thousandth of itself.
        weight_decay: of the weights.
        clip: largest norm of the gradient; 0: any.
        backbone_rate: the backbone's rate in parts of the head's.
        freeze: so many stages of the backbone stay as they are, its batch norms too: 1 the stem, 2 to 5 a stage each.
        freeze_norm: batch norms keep their statistics and weights.
        sync_norm: batch norms take their statistics over all processes (GPUs only).
        hardest: train on the so many keypoints of a person with the highest loss (heatmaps, OHKM); 0: on all.
        match: weight of the loss against a teacher's outputs, where there is a teacher.
        ema: decay of the average of the weights that is evaluated and saved beside the last ones; 0: none. After n
            steps it is (1 + n) / (10 + n) at most.
        precision: "32-true", "16-mixed", "bf16-mixed" or "64-true".
        evaluate_every: epochs from one evaluation to the next.
        patience: stop after so many evaluations without a better AP; 0: never.
        save_every: steps after which what a broken run goes on from is saved, beside the end of each epoch; 0: never.
        workers: processes that make crops.
        reduced: decode JPEGs at a half, a quarter or an eighth where crops are that much smaller.

    Raises:
        InputError: a setting that is out of range, or that the model can't have.
    """

    model: str
    width: int | None = None
    input_size: tuple[int, int] | None = None
    attention: Attention | None = None
    split: float | None = None
    target_sigma: float | None = None
    sigma: float = 2.0
    smoothing: float = 0.1
    init: str = "imagenet"
    epochs: int = 210
    batch: int = 32
    accumulate: int = 1
    optimizer: str = "adam"
    rate: float = 1e-3
    rate_steps: tuple[int, ...] = (170, 200)
    rate_factor: float = 0.1
    warmup: int = 0
    weight_decay: float = 0.0
    clip: float = 0.0
    backbone_rate: float = 1.0
    freeze: int = 0
    freeze_norm: bool = False
    sync_norm: bool = False
    hardest: int = 0
    match: float = 1.0
    ema: float = 0.0
    precision: str = "32-true"
    evaluate_every: int = 10
    patience: int = 0
    save_every: int = 1000
    workers: int = 4
    reduced: bool = True
    flip: float = 0.5
    rotation: float = 45.0
    rotation_probability: float = 0.6
    scale: float = 0.35
    half_body: float = 0.3
    half_body_keypoints: int = 8
    colour: float = 0.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "accumulate", "evaluate_every"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "1 or more")
        for name in ("rate", "sigma", "rate_factor", "match"):
            _check(name, getattr(self, name), getattr(self, name) > 0, "above 0")
        least = ("warmup", "weight_decay", "clip", "backbone_rate", "hardest", "patience", "save_every", "workers")
        for name in least:
            _check(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")
        _check("ema", self.ema, 0 <= self.ema < 1, "0 or more, and below 1")
        _check("smoothing", self.smoothing, 0 <= self.smoothing < 1, "0 or more, and below 1")
        _check("freeze", self.freeze, 0 <= self.freeze <= STAGES, f"0 to {STAGES}")
        _check("optimizer", self.optimizer, self.optimizer in ("adam", "adamw", "sgd"), "adam, adamw or sgd")
        _check("precision", self.precision, self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}")
        head = self.spec.head
        if self.hardest and (head != "heatmap" or self.spec.backbone == "pyramid"):
            raise InputError(f"hardest is for heatmaps with squared errors; {self.model} learns otherwise")
        self.augmentation  # noqa: B018, it raises what is wrong with it

    @property
    def spec(self) -> PoseSpec:
        """The network. Raises InputError for one that can't be."""
        found = spec_of(self.model)
        if not isinstance(found, PoseSpec):
            raise InputError(f"{self.model} is a detector; training is for pose nets")
        names = ("width", "input_size", "attention", "split", "target_sigma")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        try:
            return replace(found, **given)
        except ModelError as error:
            raise InputError(f"{self.model} can't be made like this: {error}") from None

    @property
    def augmentation(self) -> Augmentation:
        """How crops vary."""
        return Augmentation(**{field.name: getattr(self, field.name) for field in fields(Augmentation)})

    def changed(self, settings: Mapping[str, Any]) -> Recipe:
        """The recipe with other settings, as YAML or text has them. Raises InputError."""
        return replace(self, **_typed(settings, "--set"))

    def to_yaml(self) -> str:
        """What `read_recipe` reads back, one setting a line."""
        return "".join(f"{name}: {json.dumps(value)}\n" for name, value in asdict(self).items())


def recipes() -> list[str]:
    """The names of the recipes that come with the package, one for each pose net."""
    folder = resources.files(__package__).joinpath("recipes")
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def read_recipe(name: str | os.PathLike[str], settings: Sequence[str] = ()) -> Recipe:
    """A recipe by its name or from a YAML file, with settings ``key=value`` on top.

    Raises:
        InputError: no such recipe or file, an unknown setting, or a value that is none for it.
    """
    if Path(name).suffix in (".yaml", ".yml"):
        source: Any = Path(name)
    else:
        known = recipes()
        if str(name) not in known:
            begun = [item for item in known if item.startswith(str(name))]
            close = begun or get_close_matches(str(name), known, n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(known)}"
            raise InputError(f"no recipe is called {name}, and it is no YAML file; {hint}")
        source = resources.files(__package__).joinpath("recipes").joinpath(f"{name}.yaml")
    content = read_yaml(source) or {}
    if not isinstance(content, Mapping):
        raise InputError(f"{name} is no recipe: one 'setting: value' a line is wanted")
    values = {**_typed(content, str(name)), **_typed(dict(map(_split, settings)), "--set")}
    if "model" not in values:
        raise InputError(f"{name} says no model; give one, such as model: pose_hrnet_w32_256x192")
    return Recipe(**values)


def _check(name: str, value: object, right: bool, what: str) -> None:
    if not right:
        raise InputError(f"{name} is {value}; it must be {what}")


def _split(setting: str) -> tuple[str, Any]:
    import yaml

    key, equals, value = setting.partition("=")
    if not equals:
        raise InputError(f"--set {setting}: give key=value, such as rate=0.0005")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        return key.strip(), value


def _typed(settings: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """Settings with the types of their fields. Raises InputError, with names that come close."""
    hints = get_type_hints(Recipe)
    typed = {}
    for key, value in settings.items():
        if key not in hints:
            close = get_close_matches(str(key), hints, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(hints)}"
            raise InputError(f"{where}: no setting is called {key}; {hint}")
        try:
            typed[key] = _value(value, hints[key])
        except (TypeError, ValueError):
            raise InputError(f"{where}: {key} is {value!r}; it must be {_words(hints[key])}") from None
    return typed


def _value(value: Any, kind: Any) -> Any:
    """A YAML value as a field's type. Raises TypeError or ValueError for one that isn't of that type."""
    if get_origin(kind) in (Union, types.UnionType):
        return None if value is None else _value(value, get_args(kind)[0])
    if get_origin(kind) is tuple:
        wanted = get_args(kind)
        # On the command line: 256x192, or 170,200.
        parts = value.lower().replace("x", ",").split(",") if isinstance(value, str) else value
        parts = [parts] if isinstance(parts, int) else list(parts)
        if wanted[-1] is not Ellipsis and len(parts) != len(wanted):
            raise ValueError
        return tuple(int(part) for part in parts)
    if kind is bool:
        if not isinstance(value, bool):
            raise TypeError
        return value
    if isinstance(value, bool) or value is None:
        raise TypeError
    if kind is int:
        if float(value) != int(float(value)):
            raise ValueError
        return int(float(value))
    if kind is float:
        # YAML takes 1e-3 for text.
        return float(value)
    if not isinstance(value, str):
        raise TypeError
    return value


def _words(kind: Any) -> str:
    kind = get_args(kind)[0] if get_origin(kind) in (Union, types.UnionType) else kind
    if get_origin(kind) is tuple:
        return "whole numbers, such as 170,200"
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "text")
