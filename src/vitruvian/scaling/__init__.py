"""Poses of data sets of millions of pictures, on the machines of a Ray cluster.

import vitruvian as vt

vt.scaling.estimate("photos/", "poses/", preset="balanced")
persons = vt.scaling.read("poses/").to_pandas()
"""

from ..datasets.batch_results import BatchResults, read
from ..datasets.batch_tables import BatchPicture
from .job import BatchProgress, BatchSummary, estimate
from .options import BatchOptions, Workers

__all__ = [
    "BatchOptions",
    "BatchPicture",
    "BatchProgress",
    "BatchResults",
    "BatchSummary",
    "Workers",
    "estimate",
    "read",
]
