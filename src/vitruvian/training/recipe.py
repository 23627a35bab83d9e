"""Recipes: settings that all training shares, read from the package, YAML files and the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from ..datasets.json_records import listed
from ..errors import InputError, ModelError, did_you_mean
from ..io import read_yaml
from ..models import Spec, architecture
from ..models import spec as spec_of
from ..networks import changed
from .settings import current_names, split, typed

_MOST_WORKERS = 1024
STAGES = 5
OPTIMIZERS = ("adam", "adamw", "sgd", "muon")
PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", "64-true")


@dataclass(frozen=True)
class BaseRecipe:
    """Settings that the training of all networks shares.

    Args:
        model: one of `vitruvian.networks.SPECS`.
        init: where the weights start: "none" for random ones, a name or a checkpoint; for the backbone of pose nets
            also "imagenet".
        epochs: number of passes over the data.
        batch: batch size of each process.
        accumulate_grad_batches: number of batches whose gradients make one step.
        optimizer: "adam", "adamw", "sgd" or "muon" (Muon for convolutions before norms, AdamW for the rest).
        lr: learning rate.
        lr_decay: "steps" for `milestones`, or "cosine" for half a cosine from `lr` to `lr` times `gamma`.
        milestones: epochs after which the learning rate is multiplied by `gamma`.
        gamma: factor of the learning rate, see `lr_decay` and `milestones`.
        warmup_steps: steps of a linear warm-up of the learning rate.
        weight_decay: weight decay of weights, not of biases and norms.
        gradient_clip_val: largest norm of the gradient; 0 for no limit.
        backbone_lr_mult: factor of the backbone's learning rate.
        freeze: number of frozen parts of the backbone, batch norms included: the stem, then its stages.
        freeze_norm: freeze weights and statistics of all batch norms.
        sync_batchnorm: share batch norm statistics among all processes (GPUs only).
        ema_decay: decay of the exponential moving average of the weights, which is then evaluated and saved; 0 for
            none. After n steps the decay is (1 + n) / (10 + n) at most.
        precision: "32-true", "16-mixed", "bf16-mixed" or "64-true".
        val_interval: epochs from one evaluation to the next.
        patience: number of evaluations without a better AP after which the run stops; 0 for no limit.
        save_every: steps from one saved state to the next, in addition to the end of each epoch; 0 for none.
        workers: number of data loader processes.
        compile: compile the network first (torch.compile), which takes a minute and a C++ compiler.
        reduced_decoding: decode JPEGs at 1/2, 1/4 or 1/8 of their size where samples are that much smaller.

    Raises:
        InputError: a setting is out of range, or the model can't have it.
    """

    TASK: ClassVar[Literal["pose", "detection"]]

    model: str
    init: str = "none"
    epochs: int = 210
    batch: int = 32
    accumulate_grad_batches: int = 1
    optimizer: str = "adam"
    lr: float = 1e-3
    lr_decay: str = "steps"
    milestones: tuple[int, ...] = (170, 200)
    gamma: float = 0.1
    warmup_steps: int = 0
    weight_decay: float = 0.0
    gradient_clip_val: float = 0.0
    backbone_lr_mult: float = 1.0
    freeze: int = 0
    freeze_norm: bool = False
    sync_batchnorm: bool = False
    ema_decay: float = 0.0
    precision: str = "32-true"
    val_interval: int = 10
    patience: int = 0
    save_every: int = 1000
    workers: int = 4
    compile: bool = False
    reduced_decoding: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "accumulate_grad_batches", "val_interval"):
            check(name, getattr(self, name), getattr(self, name) >= 1, "1 or more")
        for name in ("lr", "gamma"):
            check(name, getattr(self, name), getattr(self, name) > 0, "above 0")
        check("freeze", self.freeze, 0 <= self.freeze <= STAGES, f"0 to {STAGES}")
        for name in (
            "backbone_lr_mult",
            "warmup_steps",
            "weight_decay",
            "gradient_clip_val",
            "patience",
            "save_every",
            "workers",
        ):
            check(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")
        check("workers", self.workers, self.workers <= _MOST_WORKERS, f"{_MOST_WORKERS} or less: each is a process")
        check("ema_decay", self.ema_decay, 0 <= self.ema_decay < 1, "0 or more, and below 1")
        check("optimizer", self.optimizer, self.optimizer in OPTIMIZERS, f"one of {', '.join(OPTIMIZERS)}")
        check("lr_decay", self.lr_decay, self.lr_decay in ("steps", "cosine"), "steps or cosine")
        check("precision", self.precision, self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}")
        self.spec  # noqa: B018, it raises what is wrong with it

    @property
    def spec(self) -> Spec:
        """The network's spec. Raises InputError for an impossible one."""
        raise NotImplementedError

    def _spec(self, *names: str) -> Spec:
        """The model's spec, with the settings of these names in place of its own where they are given."""
        if not _trains(type(self), self.model):
            what = "a pose net" if architecture(spec_of(self.model)).task == "pose" else "a detector"
            raise InputError(
                f"{self.model} is {what}, and not trained like this; there are {listed(recipe_names(type(self)))}"
            )
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        try:
            return changed(self.model, given)
        except ModelError as error:
            raise InputError(f"{self.model}: {error}") from None

    def to_yaml(self) -> str:
        """YAML that `read_settings` reads, one setting a line."""
        return "".join(f"{name}: {json.dumps(value)}\n" for name, value in asdict(self).items())


Kind = TypeVar("Kind", bound=BaseRecipe)


def recipe_names(kind: type[BaseRecipe]) -> list[str]:
    """The names of the package's recipes of this kind."""
    folder = resources.files(__package__).joinpath("recipes")
    names = sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))
    return [name for name in names if _trains(kind, name)]


def _trains(kind: type[BaseRecipe], model: str) -> bool:
    """Whether a recipe of this kind is for a model."""
    found = architecture(spec_of(model))
    return found.task == kind.TASK and found.trainable


def read_settings(kind: type[Kind], name: str | os.PathLike[str], settings: Sequence[str] = ()) -> Kind:
    """Read a recipe of this kind by its name or from a YAML file, with settings ``key=value`` on top.

    Raises:
        InputError: no such recipe or file, an unknown setting, or an invalid value.
    """
    if Path(name).suffix in (".yaml", ".yml"):
        source: Any = Path(name)
    else:
        known = recipe_names(kind)
        if str(name) not in known:
            hint = did_you_mean(str(name), known, f"there are {', '.join(known)}")
            raise InputError(f"no recipe is called {name}, and it is no YAML file; {hint}")
        source = resources.files(__package__).joinpath("recipes").joinpath(f"{name}.yaml")
    content = read_yaml(source) or {}
    if not isinstance(content, Mapping):
        raise InputError(f"{name} is no recipe: one 'setting: value' a line is wanted")
    content = current_names(content.items(), str(name))
    given = current_names((split(kind, setting) for setting in settings), "--set")
    values = {**typed(kind, content, str(name)), **typed(kind, given, "--set")}
    if "model" not in values:
        raise InputError(f"{name} says no model; give one, such as model: {recipe_names(kind)[0]}")
    return kind(**values)


def check(name: str, value: object, right: bool, what: str) -> None:
    """Raise InputError unless a setting is right."""
    if not right:
        raise InputError(f"{name} is {value}; it must be {what}")
