"""The sub-pixel steps of heatmaps by their names; see `vitruvian.codecs.Heatmap`."""

from typing import Literal, get_args

Refinement = Literal["none", "quarter", "dark", "udp"]
REFINEMENTS: tuple[Refinement, ...] = get_args(Refinement)
