"""All pictures of the site, made by code.

    python docs/make_pictures.py [concepts] [results] [figures]

Photos: the astronaut Eileen Collins, by NASA, public domain, as shipped with scikit-image. All other people, arms and
charts are drawn. Figures are read from docs/figures, which scripts of benchmarks/ write. Needs the extra `evaluate`.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "code"))

import concept_pictures
import figure_pictures
import result_pictures

GROUPS = {"concepts": concept_pictures, "results": result_pictures, "figures": figure_pictures}

if __name__ == "__main__":
    for name in sys.argv[1:] or GROUPS:
        GROUPS[name].make()
