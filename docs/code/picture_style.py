"""The look of the site's pictures, light and dark, and their files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

IMAGES = Path(__file__).resolve().parents[1] / "images"
PHOTO = IMAGES / "astronaut.jpg"  # NASA, public domain, as shipped with scikit-image


@dataclass(frozen=True)
class Style:
    """Colours of one look."""

    name: str
    text: str
    faint: str
    series: tuple[str, ...]


STYLES = (
    Style("light", "#263238", "#b0bec5", ("#3949ab", "#e8590c", "#00897b", "#8e24aa")),
    Style("dark", "#e3e7ee", "#565f70", ("#8c9eff", "#ffa94d", "#4db6ac", "#ce93d8")),
)


@contextmanager
def styled(style: Style) -> Iterator[None]:
    """matplotlib in this look, on a transparent ground."""
    settings: dict[str, Any] = {
        "text.color": style.text,
        "axes.labelcolor": style.text,
        "axes.edgecolor": style.faint,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": mpl.cycler(color=style.series),
        "xtick.color": style.text,
        "ytick.color": style.text,
        "grid.color": style.faint,
        "grid.alpha": 0.5,
        "figure.facecolor": "none",
        "legend.frameon": False,
        "font.size": 11,
        "svg.hashsalt": "vitruvian",
    }
    with mpl.rc_context(settings):
        yield


def save(figure: Any, name: str, style: Style, form: str = "svg") -> None:
    """NAME-light.svg or the like; the same figure gives the same file."""
    path = IMAGES / f"{name}-{style.name}.{form}"
    options: dict[str, Any] = {"transparent": True, "bbox_inches": "tight", "pad_inches": 0.04}
    if form == "svg":
        figure.savefig(path, metadata={"Date": None, "Creator": None}, **options)
    else:
        figure.savefig(path, dpi=130, pil_kwargs={"quality": 82}, **options)
