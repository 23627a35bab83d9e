"""Curves as pictures, drawn by matplotlib without its global state."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .coco import IOU_THRESHOLDS, RECALL_THRESHOLDS

if TYPE_CHECKING:
    from .metrics import Metrics

# Of the ten thresholds, those that have names and the strictest.
_SHOWN = (0, 5, 9)


def precision_recall(metrics: Metrics) -> bytes:
    """PNG of precision over recall at OKS 0.50, 0.75, 0.95, and their mean over all ten thresholds."""
    figure, axes = _axes("recall", "precision")
    there = np.maximum(metrics.precision, 0)
    for row in _SHOWN:
        axes.plot(RECALL_THRESHOLDS, there[row], label=f"OKS {IOU_THRESHOLDS[row]:.2f}: {there[row].mean():.3f}")
    axes.plot(RECALL_THRESHOLDS, there.mean(axis=0), "k--", label=f"mean of ten: {there.mean():.3f}")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.legend()
    return _png(figure)


def oks_histogram(metrics: Metrics) -> bytes:
    """PNG of how many annotated persons were found how well; those not found stand at 0."""
    figure, axes = _axes("OKS", "persons")
    axes.hist(metrics.matches.oks, bins=np.linspace(0, 1, 41), color="#4477aa")
    axes.set_xlim(0, 1)
    found = metrics.matches.found
    axes.set_title(f"{found.sum()} of {len(found)} persons found, median OKS {np.median(metrics.matches.oks):.3f}")
    return _png(figure)


def figure_canvas() -> Any:
    """An empty figure. Raises InputError where matplotlib isn't installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("curves need packages more: pip install 'vitruvian[evaluate]'") from None
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _axes(across: str, up: str) -> tuple[Any, Any]:
    figure = figure_canvas()
    axes = figure.add_subplot(xlabel=across, ylabel=up)
    axes.grid(alpha=0.3)
    return figure, axes


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
