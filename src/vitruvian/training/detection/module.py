"""Training of a person detector: its loss, and the loss against a teacher's predictions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...detectors.yolox import anchors
from ...networks.persons import PersonDetector
from ..module import Training
from .assignment import Cells
from .losses import detector_loss, distillation_loss

if TYPE_CHECKING:
    from ...cards import ModelCard
    from .distillation import DetectorTeacher
    from .recipe import DetectorRecipe


class DetectorTraining(Training):
    """Training of a person detector.

    Args:
        network: a `PersonDetector`, with its initial weights.
        card: the network's card.
        recipe: the settings.
        folder: the run's folder, for a batch whose loss isn't finite.
        teacher: another detector, whose predictions are targets too.
    """

    centres: Tensor
    strides: Tensor

    def __init__(
        self,
        network: nn.Module,
        card: ModelCard,
        recipe: DetectorRecipe,
        folder: Path,
        teacher: DetectorTeacher | None = None,
    ) -> None:
        super().__init__(network, card, recipe, folder)
        assert isinstance(network, PersonDetector)
        self._outputs = self.compiled(network.cells)
        cells = cells_of(card.input_size)
        self.register_buffer("centres", cells.centres, persistent=False)
        self.register_buffer("strides", cells.strides, persistent=False)
        self._box_weight = recipe.box_weight
        self._teacher, self._distill_weight = teacher, recipe.distill_weight

    def forward(self, images: Tensor) -> Tensor:
        """Run `PersonDetector.cells` on canvases RGB uint8 (N, H, W, 3); its output is float32 or float64."""
        raw: Tensor = self._outputs(self.normalised(images))
        return raw if raw.dtype == torch.float64 else raw.float()

    def loss(self, batch: dict[str, Any]) -> Tensor:
        """The loss of a batch, see `DetectionDataset.collate`, and the weighted loss against the teacher."""
        targets = [target.to(self.mean.dtype) if target.is_floating_point() else target for target in batch["targets"]]
        raw = self(batch["images"])
        # Half precision can't represent pixel coordinates.
        with torch.autocast(raw.device.type, enabled=False):
            cells = Cells(self.centres, self.strides)
            loss = detector_loss(raw, targets, cells, self._box_weight)
            if self._teacher is None:
                return loss
            boxes, scores = (part.to(raw) for part in self._teacher(batch["images"].cpu().numpy()))
            return loss + self._distill_weight * distillation_loss(raw, boxes, scores, cells, self._box_weight)


def cells_of(size: tuple[int, int]) -> Cells:
    """The cells of an input of (height, width), in the order of the network's outputs."""
    grids = anchors(size)
    centres = torch.cat([torch.from_numpy((grid + 0.5) * stride) for grid, stride in grids])
    strides = torch.cat([torch.full((len(grid),), float(stride)) for grid, stride in grids])
    return Cells(centres, strides)
