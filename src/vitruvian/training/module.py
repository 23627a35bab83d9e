"""One step of training, as Lightning wants it."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..errors import InputError
from ..io import write_beside
from ..models import architecture
from .losses import loss_of
from .muon import Muon
from .starting import freeze_norms, frozen

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..cards import ModelCard
    from .recipe import Recipe, Settings
    from .teaching import Teacher

logger = logging.getLogger("vitruvian")

# A network's forward, or another way through it.
Forward = Callable[..., Any]

_SHOWN_BATCH = 8


class Training(L.LightningModule, ABC):
    """A network and how it learns, whatever it is.

    Args:
        network: with the weights that it starts from.
        card: what it takes.
        recipe: the settings.
        folder: where a batch that breaks the run is saved.
        still: modules that stay as they are, statistics and all.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: nn.Module, card: ModelCard, recipe: Settings, folder: Path, still: Sequence[nn.Module] = ()
    ) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.folder = folder
        self.problems: dict[str, None] = {}
        self.register_buffer("mean", torch.tensor(card.mean), persistent=False)
        self.register_buffer("std", torch.tensor(card.std), persistent=False)
        self._still = still
        self.average: AveragedModel | None = None
        if recipe.ema:
            average = partial(_follow, recipe.ema)
            self.average = AveragedModel(network, multi_avg_fn=average, use_buffers=True).requires_grad_(False)
        self.train()

    @property
    def best_network(self) -> nn.Module:
        """The network whose weights are evaluated: the average, where there is one."""
        return self.network if self.average is None else self.average.module

    @abstractmethod
    def loss(self, batch: dict[str, Any]) -> Tensor:
        """The loss of a batch, a mean over it."""

    def shares(self) -> list[tuple[Callable[[str], bool], float]]:
        """Which parameters, by their names, learn at which part of the rate."""
        return [(lambda name: True, 1.0)]

    def train(self, mode: bool = True) -> Self:
        """As always, but what is frozen keeps its statistics."""
        super().train(mode)
        for module in self._still:
            module.eval()
        return self

    def compiled(self, call: Forward) -> Forward:
        """A method of the network, as faster code where the recipe wants that."""
        return torch.compile(call) if self.recipe.compile else call

    def normalised(self, images: Tensor) -> Tensor:
        """RGB uint8 (N, H, W, 3) to what the network takes, (N, 3, H, W)."""
        return ((images - self.mean) / self.std).permute(0, 3, 1, 2)

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        """The loss of a batch: ``images``, ``targets``, ``names``, ``problems``, see `KeyedSamples.collate`.

        Raises:
            InputError: it isn't finite.
        """
        loss = self.loss(batch)
        for problem in batch["problems"]:
            if problem not in self.problems:
                self.problems[problem] = None
                logger.warning("%s: left out", problem)
        if not torch.isfinite(loss):
            raise self._broken(batch, index, float(loss.detach()))
        return loss

    def _broken(self, batch: dict[str, Any], index: int, loss: float) -> InputError:
        path = self.folder / f"broken_batch_{self.global_rank}.pt"
        content = {name: batch[name] for name in ("images", "targets", "names")}
        try:
            write_beside(str(path), lambda stream: torch.save(content, stream))
            where = f"The batch is saved as {path}"
        except (OSError, RuntimeError) as error:
            # A full disk must not hide what happened.
            where = f"The batch can't be saved as {path} ({str(error).splitlines()[0]})"
        names, epoch = batch["names"], self.current_epoch
        more = f" and {len(names) - _SHOWN_BATCH} more" if len(names) > _SHOWN_BATCH else ""
        return InputError(
            f"the loss is {loss} in epoch {epoch}, batch {index}: {', '.join(names[:_SHOWN_BATCH])}{more}. "
            f"{where}; look at its annotations, or lower the rate, or clip the gradient "
            "(--set rate=..., --set clip=...)"
        )

    def on_train_batch_start(self, batch: Any, index: int) -> None:
        """The rate of this step follows from the epoch and the step alone, so that nothing of it has to be saved."""
        recipe = self.recipe
        if recipe.decay == "cosine":
            done = min(self.global_step / max(float(self.trainer.estimated_stepping_batches), 1.0), 1.0)
            factor = recipe.rate_factor + (1 - recipe.rate_factor) * (1 + math.cos(math.pi * done)) / 2
        else:
            factor = recipe.rate_factor ** sum(self.current_epoch >= step for step in recipe.rate_steps)
        if self.global_step < recipe.warmup:
            factor *= max(1e-3, self.global_step / recipe.warmup)
        for group in self.optimizers().param_groups:  # type: ignore[union-attr]
            group["lr"] = recipe.rate * group["share"] * factor

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        """A step, and then the average of the weights: before any callback saves either of them."""
        super().optimizer_step(*arguments, **options)
        if self.average is not None:
            self.average.update_parameters(self.network)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Parts of the network, each with its rate; weight decay is for weights, not for biases and norms."""
        recipe = self.recipe
        groups = [group for group in self._groups() if group["params"]]
        if not groups:
            raise InputError("everything is frozen: lower freeze, or leave the norms (--set freeze_norm=false)")
        if recipe.optimizer == "sgd":
            return torch.optim.SGD(groups, recipe.rate, momentum=0.9)
        kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "muon": Muon}
        return kinds[recipe.optimizer](groups, recipe.rate)

    def _groups(self) -> Iterator[dict[str, Any]]:
        learning = [item for item in self.network.named_parameters() if item[1].requires_grad]
        matrices = self._matrices() if self.recipe.optimizer == "muon" else set()
        for belongs, share in self.shares():
            for decayed, matrix in ((True, True), (True, False), (False, False)):
                chosen = [
                    parameter
                    for name, parameter in learning
                    if belongs(name) and (parameter.dim() > 1) == decayed and (name in matrices) == matrix
                ]
                rates = {"share": share, "lr": self.recipe.rate * share}
                yield {"params": chosen, "matrix": matrix, "weight_decay": self.recipe.weight_decay * decayed, **rates}

    def _matrices(self) -> set[str]:
        """The weights of convolutions before norms, whose scale means nothing; those with a bias have none behind."""
        modules = self.network.named_modules()
        return {f"{name}.weight" for name, module in modules if isinstance(module, nn.Conv2d) and module.bias is None}


def _follow(decay: float, averaged: Any, current: Any, count: Any) -> None:
    """A step of the average; in the first steps a faster one, so that the random start is soon forgotten."""
    step = get_ema_multi_avg_fn(min(decay, (1 + int(count)) / (10 + int(count))))  # type: ignore[no-untyped-call]
    step(averaged, current, count)


class PoseTraining(Training):
    """A pose net and how it learns.

    Args:
        network: from `starting.start`.
        card: what it takes; its family decides the loss.
        recipe: the settings.
        folder: where a batch that breaks the run is saved.
        teacher: another net whose outputs are matched too.
    """

    def __init__(
        self, network: nn.Module, card: ModelCard, recipe: Recipe, folder: Path, teacher: Teacher | None = None
    ) -> None:
        still = frozen(network, recipe.spec, recipe.freeze) + (freeze_norms(network) if recipe.freeze_norm else [])
        super().__init__(network, card, recipe, folder, still)
        self._outputs = self.compiled(network.forward)
        self._loss = loss_of(card, network, recipe.hardest)
        self._teacher, self._match = teacher, recipe.match
        self._backbone_rate = recipe.backbone_rate
        self._head = architecture(recipe.spec).head

    def shares(self) -> list[tuple[Callable[[str], bool], float]]:
        """Backbone and head, each with its rate."""

        def in_head(name: str) -> bool:
            return name.startswith(self._head)

        return [(lambda name: not in_head(name), self._backbone_rate), (in_head, 1.0)]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Crops RGB uint8 (N, H, W, 3) to what the network returns, in float32 or better."""
        results = self._outputs(self.normalised(images))
        found = results if isinstance(results, tuple) else (results,)
        return tuple(result if result.dtype == torch.float64 else result.float() for result in found)

    def loss(self, batch: dict[str, Any]) -> Tensor:
        """The family's loss of a batch, see `Samples.collate`, and that against the teacher's outputs."""
        outputs = self(batch["images"])
        loss = self._loss(outputs, [target.to(self.mean.dtype) for target in batch["targets"]])
        if self._teacher is None:
            return loss
        taught = [target.to(self.mean) for target in self._teacher(batch["images"].cpu().numpy())]
        return loss + self._match * self._loss(outputs, taught)
