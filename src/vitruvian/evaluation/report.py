"""An evaluation on disk and on the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..io import write_file
from .page import page
from .plots import oks_histogram, precision_recall

if TYPE_CHECKING:
    from rich.table import Table

    from .metrics import Metrics

COLUMNS = ("AP", "AP50", "AP75", "APM", "APL", "AR")


def write_report(metrics: Metrics, folder: Path, title: str, worst: int = 24) -> None:
    """Write ``metrics.json``, ``precision_recall.png``, ``oks.png`` and ``worst.html``, each whole or not at all.

    Raises:
        OutputError: a file can't be written.
    """
    write_file(folder / "precision_recall.png", precision_recall(metrics))
    write_file(folder / "oks.png", oks_histogram(metrics))
    # Names of files are any bytes, so not all of them are valid text.
    write_file(folder / "worst.html", page(metrics, title, worst).encode(errors="backslashreplace"))
    write_json(folder / "metrics.json", metrics.to_dict())


def write_json(path: Path, content: Any) -> None:
    """Write JSON. Raises OutputError."""
    write_file(path, (json.dumps(content, indent=1) + "\n").encode())


def write_results(path: Path, results: Iterable[Mapping[str, Any]]) -> None:
    """Write results in COCO's format, ready for its server, one a line. Raises OutputError."""
    write_file(path, ("[" + ",\n".join(json.dumps(result) for result in results) + "]\n").encode())


def table(runs: Mapping[str, Metrics]) -> Table:
    """The runs side by side, a row each, and a row of the boxes where they were predicted and are others."""
    from rich.table import Table
    from rich.text import Text

    result = Table(box=None, header_style="bold")
    result.add_column("", no_wrap=True)
    for name in (*COLUMNS, "results", "crops/s"):
        result.add_column(name, justify="right", no_wrap=True)
    boxes = None
    for name, metrics in runs.items():
        counts = str(len(metrics.results)), f"{metrics.crops_per_second:.1f}"
        result.add_row(Text(name), *_numbers(metrics.keypoints), *counts)
        if metrics.boxes is not None and metrics.boxes != boxes:
            result.add_row("  boxes", *_numbers(metrics.boxes))
        boxes = metrics.boxes
    return result


def _numbers(numbers: Mapping[str, float]) -> list[str]:
    return [f"{numbers[name]:.4f}" if numbers[name] >= 0 else "-" for name in COLUMNS]
