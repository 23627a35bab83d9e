"""Recipes of person detectors."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ...errors import InputError
from ...models import Spec
from ..recipe import BaseRecipe, check
from .augmentation import DetectionAugmentation


@dataclass(frozen=True)
class DetectorRecipe(BaseRecipe):
    """Recipe of a person detector. The settings from `mosaic` on are those of `DetectionAugmentation`.

    Args:
        width, neck, depth, input_size: options of the network, None for the model's own; see
            `vitruvian.models.person_csp`.
            input_size is (height, width).
        box_weight: weight of the box loss; that of the score loss is 1.
        conf_low, conf_high: a teacher's boxes that score `conf_low` or less are background, those from `conf_high` on
            count like annotated ones. In between their confidence grows linearly from 0 to 1. Of RTMDet-nano's boxes
            on COCO, 1 % are right at a score of 0.2, 25 % at 0.33, 75 % at 0.43, 90 % at 0.5.
        distill_weight: weight of the loss against a teacher's predictions.
        close_mosaic: share of the epochs, 0..1, at the end of training, without mosaics (YOLOX, arXiv 2107.08430).
    """

    TASK = "detection"

    width: int | None = None
    neck: int | None = None
    depth: int | None = None
    input_size: tuple[int, int] | None = None
    box_weight: float = 2.0
    conf_low: float = 0.2
    conf_high: float = 0.5
    distill_weight: float = 1.0
    close_mosaic: float = 0.1
    mosaic: float = 1.0
    scale_min: float = 0.3
    scale_max: float = 1.4
    stretch: float = 0.15
    flip_prob: float = 0.5
    color_jitter: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.init == "imagenet":
            raise InputError(
                "init is imagenet, which only pose nets' backbones can start from; give none or a checkpoint"
            )
        check("close_mosaic", self.close_mosaic, 0 <= self.close_mosaic <= 1, "in 0..1, a share of the epochs")
        check("conf_low", self.conf_low, 0 <= self.conf_low < 1, "0 or more, and below 1")
        check(
            "conf_high", self.conf_high, self.conf_low < self.conf_high <= 1, f"above conf_low, {self.conf_low}, to 1"
        )
        check("distill_weight", self.distill_weight, self.distill_weight > 0, "above 0")
        check("box_weight", self.box_weight, self.box_weight >= 0, "0 or more")
        self.augmentation  # noqa: B018, it raises what is wrong with it

    @property
    def spec(self) -> Spec:
        """The network's spec. Raises InputError for an impossible one."""
        return self._spec("width", "neck", "depth", "input_size")

    @property
    def augmentation(self) -> DetectionAugmentation:
        """The augmentation of pictures."""
        names = [field.name for field in fields(DetectionAugmentation)]
        return DetectionAugmentation(**{name: getattr(self, name) for name in names})
