"""Recipes of pose nets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields

from ...cards import HeatmapOptions
from ...errors import InputError
from ...models import Spec, describe
from ...models.backbones import Attention
from ..recipe import BaseRecipe, check, read_settings, recipe_names
from .augmentation import PoseAugmentation


@dataclass(frozen=True)
class Recipe(BaseRecipe):
    """Recipe of a pose net. The settings from `flip_prob` on are those of `PoseAugmentation`.

    Args:
        width, input_size, attention, split, target_sigma: options of the network, None for the model's own; see
            its spec in `vitruvian.models`. input_size is (height, width).
        sigma: of heatmap targets, in heatmap pixels.
        smoothing: label smoothing of SimDR's targets, 0..1.
        ohkm_topk: online hard keypoint mining of heatmaps: number of keypoints of a person, those with the highest
            loss, that count; 0 for all.
        distill_weight: weight of the loss against a teacher's outputs.
        clip_boxes: clip annotated boxes to the picture, as in the authors' loaders; see `Annotations.clipped`.
    """

    TASK = "pose"

    width: int | None = None
    input_size: tuple[int, int] | None = None
    attention: Attention | None = None
    split: float | None = None
    target_sigma: float | None = None
    init: str = "imagenet"
    sigma: float = 2.0
    smoothing: float = 0.1
    ohkm_topk: int = 0
    distill_weight: float = 1.0
    clip_boxes: bool = True
    flip_prob: float = 0.5
    rotation: float = 45.0
    rotation_prob: float = 0.6
    scale: float = 0.35
    distribution: str = "normal"
    half_body_prob: float = 0.3
    half_body_keypoints: int = 8
    color_jitter: float = 0.0
    erasing_prob: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("sigma", "distill_weight"):
            check(name, getattr(self, name), getattr(self, name) > 0, "above 0")
        check("ohkm_topk", self.ohkm_topk, self.ohkm_topk >= 0, "0 or more")
        check("smoothing", self.smoothing, 0 <= self.smoothing < 1, "0 or more, and below 1")
        options = describe(self.spec, self.model).options
        if self.ohkm_topk and (not isinstance(options, HeatmapOptions) or options.softmax):
            raise InputError(f"ohkm_topk is for heatmaps with squared errors; {self.model} learns otherwise")
        self.augmentation  # noqa: B018, it raises what is wrong with it

    @property
    def spec(self) -> Spec:
        """The network's spec. Raises InputError for an impossible one."""
        return self._spec("width", "input_size", "attention", "split", "target_sigma")

    @property
    def augmentation(self) -> PoseAugmentation:
        """The augmentation of crops."""
        return PoseAugmentation(**{field.name: getattr(self, field.name) for field in fields(PoseAugmentation)})


def recipes(kind: type[BaseRecipe] = Recipe) -> list[str]:
    """The names of the package's recipes of this kind, one for each network."""
    return recipe_names(kind)


def read_recipe(name: str | os.PathLike[str], settings: Sequence[str] = ()) -> Recipe:
    """Read a pose net's recipe; see `read_settings`."""
    return read_settings(Recipe, name, settings)
