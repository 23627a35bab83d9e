"""COCO-style annotations and their pictures as what a network is trained on. Needs no torch."""

from ..skeletons import read_skeleton
from .checking import Finding, check
from .persons import Persons, Source, read_persons
from .pictures import read_picture
from .skeletons import completed

__all__ = ["Finding", "Persons", "Source", "check", "completed", "read_persons", "read_picture", "read_skeleton"]
