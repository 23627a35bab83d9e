"""Networks as torch modules, one family a file, with the parameter names of their authors' releases.

    network = create("pose_hrnet_w32_256x192", num_keypoints=17)
    slim = create("simdr_hrnet_w32_256x192", width=16)

Names and specs are those of `vitruvian.models` and need no torch; all else is imported when first used.
"""

from __future__ import annotations

from dataclasses import fields, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from ..models import SPECS, Spec, architecture, spec

if TYPE_CHECKING:
    from torch import nn

    from .backbone import BackboneReport, load_backbone
    from .counting import count_macs, count_parameters

__all__ = [
    "SPECS",
    "BackboneReport",
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

    Its forward takes (N, 3, H, W) float and returns the outputs that its card's codec decodes: heatmaps
    (N, K, H / 4, W / 4); SimDR's pair x (N, K, W * split) and y (N, K, H * split); the regression's pair coordinates
    and sigma, (N, K, 2) each; a detector's predictions (N, A, 5 + classes).

    Args:
        name: one of `SPECS`, or a model of `vitruvian.zoo.cards` that has a network here.
        num_keypoints: K; detectors have none.
        options: fields of the name's spec to replace, e.g. ``width=16``.

    Raises:
        ModelError: an unknown name or option, or torch isn't installed.
    """
    return build(changed(name, options), num_keypoints)


def changed(name: str, options: dict[str, Any]) -> Spec:
    """The spec of a name with some fields replaced. Raises ModelError for an unknown name or option."""
    chosen = spec(name)
    known = [field.name for field in fields(chosen)]
    if strange := [option for option in options if option not in known]:
        raise ModelError(f"{name} can't be made with {', '.join(strange)}; its options are {', '.join(sorted(known))}")
    return replace(chosen, **options)


def build(spec: Spec, num_keypoints: int = 17) -> nn.Module:
    """The network of a spec; see `create`."""
    if num_keypoints < 1:
        raise ModelError(f"num_keypoints is {num_keypoints}; it is 1 or more")
    module, function = architecture(spec).builder.split(":")
    try:
        builder = getattr(import_module(f".{module}", __name__), function)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ModelError("networks need PyTorch: pip install 'vitruvian[torch]'") from None
    network: nn.Module = builder(spec, num_keypoints)
    return network


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
