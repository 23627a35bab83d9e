"""Training step, optimizer, learning rate and moving average of any network, as a Lightning module."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
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
from .init_weights import freeze_norms, freeze_stages
from .muon import Muon

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..cards import ModelCard
    from .recipe import BaseRecipe

logger = logging.getLogger("vitruvian")

# A network's forward, or another method of it.
Forward = Callable[..., Any]

_SHOWN_BATCH = 8


class Training(L.LightningModule, ABC):
    """Training of a network.

    Args:
        network: with its initial weights.
        card: the network's card.
        recipe: the settings.
        folder: the run's folder, for a batch whose loss isn't finite.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, card: ModelCard, recipe: BaseRecipe, folder: Path) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.folder = folder
        self.problems: dict[str, None] = {}
        self.register_buffer("mean", torch.tensor(card.mean), persistent=False)
        self.register_buffer("std", torch.tensor(card.std), persistent=False)
        self._head = architecture(recipe.spec).head
        # They stay in evaluation mode.
        self._frozen = freeze_stages(network, recipe.spec, recipe.freeze)
        if recipe.freeze_norm:
            self._frozen += freeze_norms(network)
        self.average: AveragedModel | None = None
        if recipe.ema_decay:
            average = partial(update_average, recipe.ema_decay)
            self.average = AveragedModel(network, multi_avg_fn=average, use_buffers=True).requires_grad_(False)
        self.train()

    @property
    def best_network(self) -> nn.Module:
        """The evaluated network: the moving average, where there is one."""
        return self.network if self.average is None else self.average.module

    @abstractmethod
    def loss(self, batch: dict[str, Any]) -> Tensor:
        """The loss of a batch, a mean over it."""

    def train(self, mode: bool = True) -> Self:
        """Set the mode, except that frozen modules keep their statistics."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def compiled(self, call: Forward) -> Forward:
        """A method of the network, compiled if the recipe says so."""
        return torch.compile(call) if self.recipe.compile else call

    def normalised(self, images: Tensor) -> Tensor:
        """Normalise images RGB uint8 (N, H, W, 3) to the network's input (N, 3, H, W)."""
        return ((images - self.mean) / self.std).permute(0, 3, 1, 2)

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        """The loss of a batch: ``images``, ``targets``, ``names``, ``problems``, see `KeyedDataset.collate`.

        Raises:
            InputError: the loss isn't finite.
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
            # A full disk must not hide the first error.
            where = f"The batch can't be saved as {path} ({next(iter(str(error).splitlines()), type(error).__name__)})"
        names, epoch = batch["names"], self.current_epoch
        more = f" and {len(names) - _SHOWN_BATCH} more" if len(names) > _SHOWN_BATCH else ""
        return InputError(
            f"the loss is {loss} in epoch {epoch}, batch {index}: {', '.join(names[:_SHOWN_BATCH])}{more}. "
            f"{where}; check its annotations, lower the learning rate, or clip the gradient "
            "(--set lr=..., --set gradient_clip_val=...)"
        )

    def on_train_batch_start(self, batch: Any, index: int) -> None:
        """Set the learning rate, which depends on the epoch and the step alone, so that states needn't have it."""
        recipe = self.recipe
        if recipe.lr_decay == "cosine":
            done = min(self.global_step / max(float(self.trainer.estimated_stepping_batches), 1.0), 1.0)
            factor = recipe.gamma + (1 - recipe.gamma) * (1 + math.cos(math.pi * done)) / 2
        else:
            factor = recipe.gamma ** sum(self.current_epoch >= step for step in recipe.milestones)
        if self.global_step < recipe.warmup_steps:
            factor *= max(1e-3, self.global_step / recipe.warmup_steps)
        for group in self.optimizers().param_groups:  # type: ignore[union-attr]
            group["lr"] = recipe.lr * group["share"] * factor

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        """Take a step and update the moving average, before any callback saves either of them."""
        super().optimizer_step(*arguments, **options)
        if self.average is not None:
            self.average.update_parameters(self.network)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimizer, with a learning rate for each part; biases and norms have no weight decay."""
        recipe = self.recipe
        groups = [group for group in self._groups() if group["params"]]
        if not groups:
            raise InputError("everything is frozen: lower freeze, or train the norms (--set freeze_norm=false)")
        if recipe.optimizer == "sgd":
            return torch.optim.SGD(groups, recipe.lr, momentum=0.9)
        kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "muon": Muon}
        return kinds[recipe.optimizer](groups, recipe.lr)

    def _groups(self) -> Iterator[dict[str, Any]]:
        learning = [item for item in self.network.named_parameters() if item[1].requires_grad]
        matrices = self._matrices() if self.recipe.optimizer == "muon" else set()
        for in_head, share in ((False, self.recipe.backbone_lr_mult), (True, 1.0)):
            for decayed, matrix in ((True, True), (True, False), (False, False)):
                chosen = [
                    parameter
                    for name, parameter in learning
                    if name.startswith(self._head) == in_head
                    and (parameter.dim() > 1) == decayed
                    and (name in matrices) == matrix
                ]
                rates = {"share": share, "lr": self.recipe.lr * share}
                yield {"params": chosen, "matrix": matrix, "weight_decay": self.recipe.weight_decay * decayed, **rates}

    def _matrices(self) -> set[str]:
        """Names of the weights of convolutions before norms, which have no bias and whose scale has no effect."""
        modules = self.network.named_modules()
        return {f"{name}.weight" for name, module in modules if isinstance(module, nn.Conv2d) and module.bias is None}


def update_average(decay: float, averaged: Any, current: Any, count: Any) -> None:
    """Update the moving average, with a lower decay in the first steps, so that the random start fades soon."""
    step = get_ema_multi_avg_fn(min(decay, (1 + int(count)) / (10 + int(count))))  # type: ignore[no-untyped-call]
    step(averaged, current, count)
