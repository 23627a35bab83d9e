"""Charts of measured figures: accuracy against speed, evaluation curves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from picture_style import STYLES, Style, save, styled

FIGURES = Path(__file__).resolve().parents[1] / "figures"


def read(name: str) -> Any:
    """The figures of a benchmark."""
    return json.loads((FIGURES / name).read_text())


def accuracy_speed(style: Style) -> None:
    """AP against persons a second, a line for each pose net."""
    rows = read("accuracy_speed.json")
    with styled(style):
        figure, ax = plt.subplots(figsize=(9, 4.4))
        names = list(dict.fromkeys(row["model"] for row in rows))
        for name, colour in zip(names, style.series, strict=False):
            own = [row for row in rows if row["model"] == name]
            ax.plot(
                [row["persons_per_second"] for row in own],
                [row["ap"] for row in own],
                "o",
                color=colour,
                ms=9,
                label=name,
            )
            for row in own:
                label = ", ".join((row["precision"], *row["settings"]))
                place = row["persons_per_second"], row["ap"]
                below = label == "fp32"
                ax.annotate(label, place, (8, -14 if below else 5), textcoords="offset points", fontsize=9.5)
        ax.set_xscale("log")
        ax.set_xticks([25, 50, 100, 200], ["25", "50", "100", "200"])
        ax.minorticks_off()
        ax.set(xlabel="persons a second on one CPU thread (log)", ylabel="AP of keypoints, annotated boxes")
        ax.set_ylim(0.44, 0.72)
        ax.set_xlim(18, 400)
        ax.grid()
        ax.legend(loc="upper right")
        save(figure, "accuracy-speed", style)
        plt.close(figure)


def evaluation(style: Style) -> None:
    """Precision over recall, and how many persons reach which OKS."""
    figures = read("evaluation.json")
    recall = np.linspace(0, 1, 101)
    with styled(style):
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
        for name, colour in zip(figures["precision"], style.series, strict=False):
            values = figures["precision"][name]
            left.plot(recall, values, color=colour, lw=2, label=f"OKS {name}: {np.mean(values):.2f}")
        left.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.03))
        left.legend()
        left.grid()
        right.hist(figures["oks"], bins=np.linspace(0, 1, 21), color=style.series[0], alpha=0.85)
        right.set(xlabel="OKS", ylabel="persons", xlim=(0, 1))
        right.grid(axis="y")
        save(figure, "evaluation", style)
        plt.close(figure)


def make() -> None:
    """All of them, in both looks."""
    for style in STYLES:
        accuracy_speed(style)
        evaluation(style)
