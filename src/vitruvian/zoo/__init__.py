"""How a model file is recognised and becomes something that runs."""

from __future__ import annotations

from .loading import load, load_detector, load_pose
from .recognition import recognise

__all__ = ["load", "load_detector", "load_pose", "recognise"]
