"""Annotated data sets: COCO-style keypoints and boxes, prediction files, tracks, and their pictures. Needs no torch."""

from ..skeletons import read_skeleton
from .annotations import Annotations
from .data_check import DataReport, Finding, check, examine
from .images import read_picture
from .persons import DataSource, Persons, read_persons
from .reading import read_annotations
from .skeletons import completed

# The earlier name, which `vitruvian.media` uses for sources of frames.
Source = DataSource

__all__ = [
    "Annotations",
    "DataReport",
    "DataSource",
    "Finding",
    "Persons",
    "Source",
    "check",
    "completed",
    "examine",
    "read_annotations",
    "read_persons",
    "read_picture",
    "read_skeleton",
]
