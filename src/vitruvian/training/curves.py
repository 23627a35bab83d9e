"""A run's history as a CSV table and as a plot."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from ..evaluation.report import figure_canvas

Row = Mapping[str, float]

COLUMNS = ("epoch", "step", "loss", "rate", "AP", "AP50", "AP75", "APM", "APL", "AR")


def table(history: Sequence[Row]) -> bytes:
    """CSV with a row for each epoch; missing numbers are empty."""
    lines = [",".join(COLUMNS)]
    lines += [",".join(f"{row[name]:.8g}" if name in row else "" for name in COLUMNS) for row in history]
    return ("\n".join(lines) + "\n").encode()


def curves(history: Sequence[Row]) -> bytes:
    """PNG of loss and AP over the epochs."""
    figure = figure_canvas()
    axes = figure.add_subplot(xlabel="epoch", ylabel="loss")
    axes.plot([row["epoch"] for row in history], [row["loss"] for row in history], color="#4477aa", label="loss")
    if min(row["loss"] for row in history) > 0:
        axes.set_yscale("log")
    axes.grid(alpha=0.3)
    measured = [row for row in history if "AP" in row]
    if measured:
        right = axes.twinx()
        right.plot([row["epoch"] for row in measured], [row["AP"] for row in measured], "o-", color="#ee6677", ms=3)
        right.set_ylim(0, 1)
        right.set_ylabel("AP")
        best = max(measured, key=lambda row: row["AP"])
        axes.set_title(f"best AP {best['AP']:.4f} after epoch {best['epoch']:.0f}")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
