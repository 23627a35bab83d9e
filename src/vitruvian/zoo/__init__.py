"""What models are (cards), how a file is recognised, and how both become something that runs."""

from __future__ import annotations

from .cards import ModelCard
from .loading import load, load_detector, load_pose
from .recognition import recognise

__all__ = ["ModelCard", "load", "load_detector", "load_pose", "recognise"]
