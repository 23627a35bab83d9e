"""Training: recipes, augmentation, losses, and the run itself, on Lightning. Comes with the extra ``train``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from .detection.recipe import DetectorRecipe
    from .detection.task import DetectorJob, train_detector
    from .poses import Job, train
    from .recipe import Recipe, read_recipe, read_settings, recipes

__all__ = [
    "DetectorJob",
    "DetectorRecipe",
    "Job",
    "Recipe",
    "read_recipe",
    "read_settings",
    "recipes",
    "train",
    "train_detector",
]

_HOMES = {
    "DetectorJob": "detection.task",
    "DetectorRecipe": "detection.recipe",
    "Job": "poses",
    "Recipe": "recipe",
    "read_recipe": "recipe",
    "read_settings": "recipe",
    "recipes": "recipe",
    "train": "poses",
    "train_detector": "detection.task",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("vitruvian"):
            raise
        raise InputError(f"training needs {error.name}: pip install 'vitruvian[train]'") from None
