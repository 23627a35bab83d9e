"""Top-down multi-person pose estimation.

    import vitruvian as vt

    model = vt.load(pose="pose.onnx", detector="detector.onnx")
    poses = model("photo.jpg")

Names are imported when first used, so that `import vitruvian` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__ as __version__
from .errors import InputError, ModelError, OutputError, VitruvianError

if TYPE_CHECKING:
    from . import (
        codecs,
        datasets,
        detectors,
        drawing,
        evaluation,
        export,
        geometry,
        media,
        networks,
        process,
        runtimes,
        scaling,
        serving,
        skeletons,
        tracking,
        training,
        zoo,
    )
    from .cards import ModelCard
    from .detectors import Detector
    from .evaluation import Metrics
    from .export import export_onnx
    from .pictures import Picture
    from .pipeline import PoseEstimator, Result, TopDown
    from .poses import Boxes, Poses
    from .runtimes import EngineOptions
    from .skeletons import COCO17, Skeleton
    from .tracking import Tracker
    from .zoo import load

_HOMES = {
    "load": "zoo",
    "export_onnx": "export",
    "ModelCard": "cards",
    "Boxes": "poses",
    "Poses": "poses",
    "Detector": "detectors",
    "EngineOptions": "runtimes",
    "Metrics": "evaluation",
    "Picture": "pictures",
    "PoseEstimator": "pipeline",
    "Result": "pipeline",
    "TopDown": "pipeline",
    "Tracker": "tracking",
    "COCO17": "skeletons",
    "Skeleton": "skeletons",
}
_MODULES = (
    "codecs",
    "datasets",
    "detectors",
    "drawing",
    "evaluation",
    "export",
    "geometry",
    "media",
    "networks",
    "process",
    "runtimes",
    "scaling",
    "serving",
    "skeletons",
    "tracking",
    "training",
    "zoo",
)

__all__ = [
    "COCO17",
    "Boxes",
    "Detector",
    "EngineOptions",
    "InputError",
    "Metrics",
    "ModelCard",
    "ModelError",
    "OutputError",
    "Picture",
    "PoseEstimator",
    "Poses",
    "Result",
    "Skeleton",
    "TopDown",
    "Tracker",
    "VitruvianError",
    "codecs",
    "datasets",
    "detectors",
    "drawing",
    "evaluation",
    "export",
    "export_onnx",
    "geometry",
    "load",
    "media",
    "networks",
    "process",
    "runtimes",
    "scaling",
    "serving",
    "skeletons",
    "tracking",
    "training",
    "zoo",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
