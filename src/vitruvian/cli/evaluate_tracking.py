"""The command `vitruvian evaluate-tracking`: tracking metrics of predicted against true tracks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate_tracking(
    predictions: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTIONS",
            help="What predict --track --json wrote, MOTChallenge's text, or a folder of these.",
        ),
    ],
    truth: Annotated[
        Path,
        typer.Option(metavar="FILE", help="MOTChallenge's gt.txt, PoseTrack's JSON, or a folder of sequences."),
    ],
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON.")] = None,
) -> None:
    """Measure who is who over time: HOTA, IDF1, MOTA, switches (needs the extra `evaluate`)."""
    from rich.console import Console
    from rich.table import Table

    from ..evaluation import tracking
    from ..evaluation.report import write_json
    from ..io import check_extension

    if json is not None:
        check_extension(json, "JSON", {"JSON": "--json"})
    metrics = tracking.evaluate_tracking(predictions, truth)
    rows = {**metrics.sequences, "all": metrics.combined} if len(metrics.sequences) > 1 else metrics.sequences
    table = Table("sequence", *(name.replace("_", " ") for name in metrics.combined))
    for name, figures in rows.items():
        cells = [f"{100 * figures[key]:.1f}" if key in tracking.SHARES else f"{figures[key]}" for key in figures]
        table.add_row(name, *cells)
    Console(highlight=False).print(table)
    if json is not None:
        write_json(json, {"combined": metrics.combined, "sequences": metrics.sequences})
