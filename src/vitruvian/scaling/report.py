"""The report of a job as one HTML page: counts, throughput, histograms and failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from .tables import BINS, COUNTS, TALLEST

REPORT = "report.html"

_EXAMPLES = 200
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse } td { padding: .1rem 1rem .1rem 0 } td + td { text-align: right }
.plots { display: flex; flex-wrap: wrap; gap: 1.5rem } figure { margin: 0 } figcaption { font-weight: bold }
li { overflow-wrap: anywhere } svg text { font-size: 11px; fill: #555 }
"""
_WIDTH, _HEIGHT = 420, 160


@dataclass
class Totals:
    """Sums over the manifests of a job.

    Args:
        partitions, pictures, persons, failed: how many there are.
        seconds: of all workers together.
        histograms: by their names, see `Rows.summary`.
        errors: some of the failures' messages.
        workers: partitions by the worker that did them.
    """

    partitions: int = 0
    pictures: int = 0
    persons: int = 0
    failed: int = 0
    seconds: float = 0.0
    histograms: dict[str, list[int]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    workers: Counter[str] = field(default_factory=Counter)

    def add(self, manifest: Mapping[str, Any]) -> None:
        """Count a partition."""
        self.partitions += 1
        for name in ("pictures", "persons", "failed", "seconds"):
            setattr(self, name, getattr(self, name) + manifest[name])
        for name, counts in manifest["histograms"].items():
            before = self.histograms.get(name, [0] * len(counts))
            self.histograms[name] = [a + b for a, b in zip(before, counts, strict=True)]
        self.errors += manifest["errors"][: _EXAMPLES - len(self.errors)]
        self.workers[str(manifest["worker"]).partition(":")[0]] += 1


def html(totals: Totals, folder: str, job: Mapping[str, Any], rate: float | None) -> bytes:
    """The page, UTF-8.

    Args:
        totals: of the job.
        folder: the job's.
        job: its job.json.
        rate: pictures a second of the run that ended now; None if it did none.
    """
    each = totals.seconds / max(1, totals.pictures)
    facts = [
        ("pictures and frames", f"{totals.pictures:,}"),
        ("persons", f"{totals.persons:,}"),
        ("failed", f"{totals.failed:,} ({totals.failed / max(1, totals.pictures):.2%})"),
        ("partitions", f"{totals.partitions:,}"),
        ("pictures/s of the last run", "-" if rate is None else f"{rate:.1f}"),
        ("worker seconds a picture", f"{each:.4f}"),
        ("worker hours", f"{totals.seconds / 3600:.2f}"),
        ("pose net", str((job.get("pose") or {}).get("name", "-"))),
        ("detector", str((job.get("detector") or {}).get("name", "-"))),
    ]
    shares = [f"{step / BINS:.2f}" for step in range(BINS)]
    heights = [str(step * TALLEST // BINS) for step in range(BINS)]
    counts = [*map(str, range(COUNTS - 1)), f"{COUNTS - 1}+"]
    plots = [
        _bars("Persons in a picture", totals.histograms.get("persons", []), counts),
        _bars("Detection score", totals.histograms.get("scores", []), shares),
        _bars("Keypoint score", totals.histograms.get("keypoint_scores", []), shares),
        _bars("Height of a person in pixels", totals.histograms.get("heights", []), heights),
    ]
    failures = "".join(f"<li>{escape(error)}</li>" for error in totals.errors)
    more = f"<p>{totals.failed - len(totals.errors):,} more are in the table of pictures.</p>"
    workers = "".join(f"<tr><td>{escape(name)}</td><td>{count:,}</td></tr>" for name, count in totals.workers.items())
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in facts)
    sources = "".join(f"<li>{escape(str(source))}</li>" for source in job.get("sources", [])[:50])
    page = (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(folder)}</title>\n'
        f"<style>{_STYLE}</style>\n<h1>{escape(folder)}</h1>\n<table>{rows}</table>\n"
        f"<h2>Sources</h2>\n<ul>{sources}</ul>\n"
        f'<h2>Histograms</h2>\n<div class="plots">{"".join(plots)}</div>\n'
        f"<h2>Machines</h2>\n<table><tr><td>machine</td><td>partitions</td></tr>{workers}</table>\n"
        f"<h2>Failures</h2>\n<ul>{failures or '<li>none</li>'}</ul>\n"
        f"{more if totals.failed > len(totals.errors) else ''}</html>\n"
    )
    # Names of files are any bytes, so not all of them are valid text.
    return page.encode("utf-8", "backslashreplace")


def _bars(title: str, counts: Sequence[int], labels: Sequence[str]) -> str:
    """A bar chart as SVG; each bar tells its count."""
    highest = max([1, *counts])
    step = _WIDTH / max(1, len(counts))
    bars = []
    for place, (count, label) in enumerate(zip(counts, labels, strict=False)):
        height = _HEIGHT * count / highest
        where = f'x="{place * step + 1:.1f}" y="{_HEIGHT - height:.1f}" width="{step - 2:.1f}" height="{height:.1f}"'
        bars.append(f'<rect {where} fill="#4477aa"><title>{escape(label)}: {count:,}</title></rect>')
        if place % 5 == 0:
            bars.append(f'<text x="{place * step:.1f}" y="{_HEIGHT + 14}">{escape(label)}</text>')
    svg = f'<svg width="{_WIDTH}" height="{_HEIGHT + 20}">{"".join(bars)}</svg>'
    return f"<figure><figcaption>{escape(title)}</figcaption>{svg}</figure>"
