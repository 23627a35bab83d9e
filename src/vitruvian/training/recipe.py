"""How a network is trained, as data: the recipes that come with the package, YAML files, and single settings."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ..errors import InputError, ModelError
from ..evaluation.reading import listed
from ..networks import PoseSpec, Spec
from ..networks import spec as spec_of
from ..networks.specs import Attention
from ..skeletons.reading import read_yaml
from .augmentation import Augmentation
from .values import split, typed

STAGES = 5
_MOST_WORKERS = 1024
OPTIMIZERS = ("adam", "adamw", "sgd", "muon")
PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", "64-true")


@dataclass(frozen=True)
class Settings:
    """What the training of all networks has in common.

    Args:
        model: one of `vitruvian.networks.SPECS`.
        init: where the weights start: "none" for random ones, a name or a checkpoint; for the backbone of pose nets
            also "imagenet".
        epochs: how often everything comes.
        batch: samples a step, of each process.
        accumulate: so many batches make a step.
        optimizer: "adam", "adamw", "sgd" or "muon", which is adamw but for the convolutions before norms.
        rate: learning rate.
        decay: "steps" for `rate_steps`, or "cosine" for half a cosine down to `rate_factor` at the end.
        rate_steps: epochs after which the rate is multiplied by `rate_factor`.
        warmup: steps over which the rate grows from a thousandth of itself.
        weight_decay: of the weights.
        clip: largest norm of the gradient; 0: any.
        sync_norm: batch norms take their statistics over all processes (GPUs only).
        ema: decay of the average of the weights that is evaluated and saved beside the last ones; 0: none. After n
            steps it is (1 + n) / (10 + n) at most.
        precision: "32-true", "16-mixed", "bf16-mixed" or "64-true".
        evaluate_every: epochs from one evaluation to the next.
        patience: stop after so many evaluations without a better AP; 0: never.
        save_every: steps after which what a broken run goes on from is saved, beside the end of each epoch; 0: never.
        workers: processes that make samples.
        compile: make faster code of the network first (torch.compile), which takes a minute and a C++ compiler.
        reduced: decode JPEGs at a half, a quarter or an eighth where samples are that much smaller.

    Raises:
        InputError: a setting that is out of range, or that the model can't have.
    """

    SPEC: ClassVar[type[Spec]]

    model: str
    init: str = "none"
    epochs: int = 210
    batch: int = 32
    accumulate: int = 1
    optimizer: str = "adam"
    rate: float = 1e-3
    decay: str = "steps"
    rate_steps: tuple[int, ...] = (170, 200)
    rate_factor: float = 0.1
    warmup: int = 0
    weight_decay: float = 0.0
    clip: float = 0.0
    sync_norm: bool = False
    ema: float = 0.0
    precision: str = "32-true"
    evaluate_every: int = 10
    patience: int = 0
    save_every: int = 1000
    workers: int = 4
    compile: bool = False
    reduced: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "accumulate", "evaluate_every"):
            check(name, getattr(self, name), getattr(self, name) >= 1, "1 or more")
        for name in ("rate", "rate_factor"):
            check(name, getattr(self, name), getattr(self, name) > 0, "above 0")
        for name in ("warmup", "weight_decay", "clip", "patience", "save_every", "workers"):
            check(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")
        check("workers", self.workers, self.workers <= _MOST_WORKERS, f"{_MOST_WORKERS} or less: each is a process")
        check("ema", self.ema, 0 <= self.ema < 1, "0 or more, and below 1")
        check("optimizer", self.optimizer, self.optimizer in OPTIMIZERS, f"one of {', '.join(OPTIMIZERS)}")
        check("decay", self.decay, self.decay in ("steps", "cosine"), "steps or cosine")
        check("precision", self.precision, self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}")
        self.spec  # noqa: B018, it raises what is wrong with it

    @property
    def spec(self) -> Spec:
        """The network. Raises InputError for one that can't be."""
        raise NotImplementedError

    def _spec(self, *names: str) -> Spec:
        """The model's spec with the settings of these names in place of its own, where they are given."""
        found = spec_of(self.model)
        if not isinstance(found, self.SPEC):
            what = "a pose net" if isinstance(found, PoseSpec) else "a detector"
            raise InputError(
                f"{self.model} is {what}, and not trained like this; there are {listed(recipes(type(self)))}"
            )
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        try:
            return replace(found, **given)
        except ModelError as error:
            raise InputError(f"{self.model} can't be made like this: {error}") from None

    def to_yaml(self) -> str:
        """What `read_recipe` reads back, one setting a line."""
        return "".join(f"{name}: {json.dumps(value)}\n" for name, value in asdict(self).items())


@dataclass(frozen=True)
class Recipe(Settings):
    """A way to train a pose net. The settings from `flip` on are those of `Augmentation`.

    Args:
        width, input_size, attention, split, target_sigma: of the network instead of the model's own, see `PoseSpec`;
            input_size is (height, width).
        sigma: of heatmap targets, in heatmap pixels.
        smoothing: of SimDR's targets, 0..1.
        backbone_rate: the backbone's rate in parts of the head's.
        freeze: so many stages of the backbone stay as they are, its batch norms too: 1 the stem, 2 to 5 a stage each.
        freeze_norm: batch norms keep their statistics and weights.
        hardest: train on the so many keypoints of a person with the highest loss (heatmaps, OHKM); 0: on all.
        match: weight of the loss against a teacher's outputs, where there is a teacher.
        clip_boxes: annotated boxes end at the picture's edges, as in the authors' loaders; see `Annotations.clipped`.
    """

    SPEC = PoseSpec

    width: int | None = None
    input_size: tuple[int, int] | None = None
    attention: Attention | None = None
    split: float | None = None
    target_sigma: float | None = None
    init: str = "imagenet"
    sigma: float = 2.0
    smoothing: float = 0.1
    backbone_rate: float = 1.0
    freeze: int = 0
    freeze_norm: bool = False
    hardest: int = 0
    match: float = 1.0
    clip_boxes: bool = True
    flip: float = 0.5
    rotation: float = 45.0
    rotation_probability: float = 0.6
    scale: float = 0.35
    distribution: str = "normal"
    half_body: float = 0.3
    half_body_keypoints: int = 8
    colour: float = 0.0
    erase: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("sigma", "match"):
            check(name, getattr(self, name), getattr(self, name) > 0, "above 0")
        for name in ("backbone_rate", "hardest"):
            check(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")
        check("smoothing", self.smoothing, 0 <= self.smoothing < 1, "0 or more, and below 1")
        check("freeze", self.freeze, 0 <= self.freeze <= STAGES, f"0 to {STAGES}")
        for name in ("split", "target_sigma"):
            if getattr(self, name) is not None and self.spec.head != "simdr":
                raise InputError(f"{name} is for SimDR's bins; {self.model} has none")
        if self.hardest and (self.spec.head != "heatmap" or self.spec.backbone == "pyramid"):
            raise InputError(f"hardest is for heatmaps with squared errors; {self.model} learns otherwise")
        self.augmentation  # noqa: B018, it raises what is wrong with it

    @property
    def spec(self) -> PoseSpec:
        """The network. Raises InputError for one that can't be."""
        found = self._spec("width", "input_size", "attention", "split", "target_sigma")
        assert isinstance(found, PoseSpec)
        return found

    @property
    def augmentation(self) -> Augmentation:
        """How crops vary."""
        return Augmentation(**{field.name: getattr(self, field.name) for field in fields(Augmentation)})


Kind = TypeVar("Kind", bound=Settings)


def recipes(kind: type[Settings] = Recipe) -> list[str]:
    """The names of the recipes that come with the package, one for each network that this kind is for."""
    folder = resources.files(__package__).joinpath("recipes")
    names = sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))
    return [name for name in names if isinstance(spec_of(name), kind.SPEC)]


def read_recipe(name: str | os.PathLike[str], settings: Sequence[str] = ()) -> Recipe:
    """A pose net's recipe; see `read_settings`."""
    return read_settings(Recipe, name, settings)


def read_settings(kind: type[Kind], name: str | os.PathLike[str], settings: Sequence[str] = ()) -> Kind:
    """A recipe of this kind by its name or from a YAML file, with settings ``key=value`` on top.

    Raises:
        InputError: no such recipe or file, an unknown setting, or a value that is none for it.
    """
    if Path(name).suffix in (".yaml", ".yml"):
        source: Any = Path(name)
    else:
        known = recipes(kind)
        if str(name) not in known:
            begun = [item for item in known if item.startswith(str(name))]
            close = begun or get_close_matches(str(name), known, n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(known)}"
            raise InputError(f"no recipe is called {name}, and it is no YAML file; {hint}")
        source = resources.files(__package__).joinpath("recipes").joinpath(f"{name}.yaml")
    content = read_yaml(source) or {}
    if not isinstance(content, Mapping):
        raise InputError(f"{name} is no recipe: one 'setting: value' a line is wanted")
    given = dict(split(kind, setting) for setting in settings)
    values = {**typed(kind, content, str(name)), **typed(kind, given, "--set")}
    if "model" not in values:
        raise InputError(f"{name} says no model; give one, such as model: {recipes(kind)[0]}")
    return kind(**values)


def check(name: str, value: object, right: bool, what: str) -> None:
    """Raises InputError for a setting that isn't right."""
    if not right:
        raise InputError(f"{name} is {value}; it must be {what}")
