"""Training of a pose net: its loss, frozen stages, and the loss against a teacher's outputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..module import Training
from .losses import make_loss

if TYPE_CHECKING:
    from ...cards import ModelCard
    from .distillation import PoseTeacher
    from .recipe import Recipe


class PoseTraining(Training):
    """Training of a pose net.

    Args:
        network: from `init_weights.init_network`.
        card: the network's card; its family decides the loss.
        recipe: the settings.
        folder: the run's folder, for a batch whose loss isn't finite.
        teacher: another pose net, whose outputs are targets too.
    """

    def __init__(
        self, network: nn.Module, card: ModelCard, recipe: Recipe, folder: Path, teacher: PoseTeacher | None = None
    ) -> None:
        super().__init__(network, card, recipe, folder)
        self._outputs = self.compiled(network.forward)
        self._loss = make_loss(card, network, recipe.ohkm_topk)
        self._teacher, self._distill_weight = teacher, recipe.distill_weight

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run the network on crops RGB uint8 (N, H, W, 3); its outputs are float32 or float64."""
        results = self._outputs(self.normalised(images))
        found = results if isinstance(results, tuple) else (results,)
        return tuple(result if result.dtype == torch.float64 else result.float() for result in found)

    def loss(self, batch: dict[str, Any]) -> Tensor:
        """The family's loss of a batch, see `PoseDataset.collate`, and the weighted loss against the teacher."""
        outputs = self(batch["images"])
        loss = self._loss(outputs, [target.to(self.mean.dtype) for target in batch["targets"]])
        if self._teacher is None:
            return loss
        distilled = [target.to(self.mean) for target in self._teacher(batch["images"].cpu().numpy())]
        return loss + self._distill_weight * self._loss(outputs, distilled)
