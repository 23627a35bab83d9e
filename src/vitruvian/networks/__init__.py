"""The networks, one model family a file, with random weights and the parameter names of their authors' releases.

    network = create("pose_hrnet_w32_256x192", num_keypoints=17)
    slim = create("simdr_hrnet_w32_256x192", width=16)

Specs say what a name means and need no torch; everything else does, and is imported when first used.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from .specs import SPECS, DetectorSpec, PersonSpec, PoseSpec, Spec, spec

if TYPE_CHECKING:
    from torch import nn

    from .backbone import BackboneReport, load_backbone
    from .counting import count_macs, count_parameters

__all__ = [
    "SPECS",
    "BackboneReport",
    "DetectorSpec",
    "PersonSpec",
    "PoseSpec",
    "Spec",
    "build",
    "count_macs",
    "count_parameters",
    "create",
    "load_backbone",
    "spec",
]

_HOMES = {
    "BackboneReport": "backbone",
    "load_backbone": "backbone",
    "count_macs": "counting",
    "count_parameters": "counting",
}


def create(name: str, num_keypoints: int = 17, **options: Any) -> nn.Module:
    """A network by its name, with random weights, in training mode on the CPU.

    Its forward takes (N, 3, H, W) float and returns what the codec of its head decodes: heatmaps (N, K, H / 4, W / 4);
    SimDR's pair x (N, K, W * split) and y (N, K, H * split); the regression's pair coordinates and sigma, (N, K, 2)
    each; a detector's predictions (N, A, 5 + classes).

    Args:
        name: one of `SPECS`.
        num_keypoints: K; detectors have none.
        options: fields of the name's spec to replace, e.g. ``width=16``.

    Raises:
        ModelError: an unknown name or option, or torch isn't installed.
    """
    chosen = spec(name)
    try:
        changed = replace(chosen, **options)
    except TypeError:
        known = ", ".join(chosen.__dataclass_fields__)
        raise ModelError(f"{name} can't be made with {', '.join(options)}; its options are {known}") from None
    return build(changed, num_keypoints)


def build(what: Spec, num_keypoints: int = 17) -> nn.Module:
    """The network that a spec describes; see `create`."""
    try:
        builders = import_module(".builders", __name__)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ModelError("networks need PyTorch: pip install 'vitruvian[torch]'") from None
    network: nn.Module = builders.build(what, num_keypoints)
    return network


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
