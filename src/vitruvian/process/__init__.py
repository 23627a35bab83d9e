"""The loop from a source over a model and tracking to files: what `vitruvian predict` runs, for Python.

    import vitruvian as vt
    from vitruvian.process import ProcessOptions, process

    summary = process(vt.load(), "dance.mp4", ProcessOptions(output="drawn/", json="poses.json", track=True))
    print(summary.frames, summary.persons, summary.problems)

For poses without files use `vitruvian.TopDown.stream`.
"""

from .options import ProcessOptions
from .run import Process, Summary, process
from .targets import Targets

__all__ = ["Process", "ProcessOptions", "Summary", "Targets", "process"]
