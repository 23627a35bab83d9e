"""Recommended pairs of a person detector and a pose net, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Preset:
    """A recommended pair of models, by their names.

    Args:
        detector: finds the persons.
        pose: finds the keypoints of each.
    """

    detector: str
    pose: str


# All of them run in the base install. The first is inside the package (training/README.md says how it was made).
PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "fast": Preset("person_mobilenet_384x384", "pose_mobilenet_256x192"),
        "balanced": Preset("rtmdet_nano", "rtmpose_m_256x192"),
        "accurate": Preset("rtmdet_m", "rtmpose_x_384x288"),
    }
)
