"""Training of pose nets and person detectors, on Lightning. Needs the extra ``train``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from .detection.job import DetectorJob, train_detector
    from .detection.recipe import DetectorRecipe
    from .pose.job import Job, train
    from .pose.recipe import Recipe, read_recipe, recipes
    from .recipe import read_settings

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
    "DetectorJob": "detection.job",
    "DetectorRecipe": "detection.recipe",
    "Job": "pose.job",
    "Recipe": "pose.recipe",
    "read_recipe": "pose.recipe",
    "read_settings": "recipe",
    "recipes": "pose.recipe",
    "train": "pose.job",
    "train_detector": "detection.job",
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
