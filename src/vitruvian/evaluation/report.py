"""Reports of an evaluation: tables for the terminal, JSON files, plots, and an HTML page of the worst persons."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..io import write_file
from ..media import read_image
from ..poses import Poses
from .coco import IOU_THRESHOLDS, RECALL_THRESHOLDS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.table import Table

    from .metrics import Metrics

COLUMNS = ("AP", "AP50", "AP75", "APM", "APL", "AR")
# Indices of the thresholds with a curve of their own: OKS 0.50, 0.75 and 0.95.
_SHOWN = (0, 5, 9)
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .2rem .7rem; text-align: right }
th { border-bottom: 1px solid #999 } img { max-width: 100% }
.plots { display: flex; flex-wrap: wrap; gap: 1rem } .plots img { width: 32rem }
.persons { display: grid; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); gap: 1.5rem }
figure { margin: 0 } figcaption { font-size: .85rem; overflow-wrap: anywhere } figure img { width: 100% }
"""
# The margin around a shown person, as a share of its size, and the largest height of a picture in pixels.
_MARGIN = 0.15
_HEIGHT = 320
_GAP = 8


def write_report(metrics: Metrics, folder: Path, title: str, worst: int = 24) -> None:
    """Write ``metrics.json``, ``precision_recall.png``, ``oks.png`` and ``worst.html``, each written atomically.

    Raises:
        OutputError: a file can't be written.
    """
    write_file(folder / "precision_recall.png", precision_recall(metrics))
    write_file(folder / "oks.png", oks_histogram(metrics))
    # File names may have bytes that aren't valid text.
    write_file(folder / "worst.html", page(metrics, title, worst).encode(errors="backslashreplace"))
    write_json(folder / "metrics.json", metrics.to_dict())


def write_json(path: Path, content: Any) -> None:
    """Write JSON. Raises OutputError."""
    write_file(path, (json.dumps(content, indent=1) + "\n").encode())


def write_results(path: Path, results: Iterable[Mapping[str, Any]]) -> None:
    """Write results in COCO's format, ready for its server, one a line. Raises OutputError."""
    write_file(path, ("[" + ",\n".join(json.dumps(result) for result in results) + "]\n").encode())


def table(runs: Mapping[str, Metrics]) -> Table:
    """A table with a row for each run, and a row for predicted boxes where they differ from the run above."""
    from rich.table import Table
    from rich.text import Text

    result = Table(box=None, header_style="bold")
    result.add_column("", no_wrap=True)
    for name in (*COLUMNS, "pictures", "results", "crops/s"):
        result.add_column(name, justify="right", no_wrap=True)
    boxes = None
    for name, metrics in runs.items():
        counts = str(len(metrics.pictures)), str(len(metrics.results)), f"{metrics.crops_per_second:.1f}"
        result.add_row(Text(name), *_numbers(metrics.keypoints), *counts)
        if metrics.boxes is not None and metrics.boxes != boxes:
            result.add_row("  boxes", *_numbers(metrics.boxes))
        boxes = metrics.boxes
    return result


def _numbers(numbers: Mapping[str, float]) -> list[str]:
    return [f"{numbers[name]:.4f}" if numbers[name] >= 0 else "-" for name in COLUMNS]


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
    """PNG of a histogram of the annotated persons' OKS, which is 0 for persons that weren't found."""
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


def page(metrics: Metrics, title: str, worst: int) -> str:
    """A self-contained HTML page. All text is escaped.

    Args:
        metrics: the evaluation.
        title: the page's title, such as the model's name.
        worst: number of persons shown, those with the lowest OKS first.
    """
    order = np.lexsort((-metrics.truth.areas[metrics.matches.rows], metrics.matches.oks))[:worst]
    sections = [
        f"<h1>{escape(title)}</h1>",
        _html_table({"keypoints": metrics.keypoints, **({"boxes": metrics.boxes} if metrics.boxes else {})}),
        '<div class="plots">',
        *(_embedded("png", data) for data in (precision_recall(metrics), oks_histogram(metrics))),
        "</div>",
        *(_html_table({"": numbers}) for numbers in (metrics.accuracy, metrics.errors, metrics.crowds) if numbers),
        "<h2>AP of each keypoint alone</h2>",
        _html_table({"": metrics.per_keypoint}),
        "<ul>",
        *(f"<li>{escape(note)}</li>" for note in metrics.notes),
        "</ul>",
        f"<h2>The {len(order)} persons found worst</h2><p>Left as annotated, right as predicted.</p>",
        '<div class="persons">',
        *_figures(metrics, order),
        "</div>",
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>\n' + "\n".join(sections) + "\n</body></html>\n"


def _html_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    head = "".join(f"<th>{escape(name)}</th>" for name in ("", *names))
    body = "".join(
        f"<tr><th>{escape(label)}</th>"
        + "".join(f"<td>{row[name]:.4f}</td>" if name in row else "<td></td>" for name in names)
        + "</tr>"
        for label, row in rows.items()
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _embedded(kind: str, data: bytes) -> str:
    return f'<img alt="" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def _figures(metrics: Metrics, order: NDArray[np.intp]) -> Iterator[str]:
    for place in order.tolist():
        row = int(metrics.matches.rows[place])
        image_id = int(metrics.truth.image_ids[row])
        file = metrics.pictures[image_id]
        try:
            shown = _embedded("jpeg", _both(metrics, place, read_image(file)))
        except InputError as error:
            shown = f"<p>{escape(str(error))}</p>"
        found = f"OKS {metrics.matches.oks[place]:.3f}" if metrics.matches.found[place] else "not found"
        words = f"{found}, annotation {metrics.truth.ids[row]}, image {image_id}, {file.name}"
        yield f"<figure>{shown}<figcaption>{escape(words)}</figcaption></figure>"


def _both(metrics: Metrics, place: int, image: NDArray[np.uint8]) -> bytes:
    """JPEG of a person as annotated, on the left, and as predicted, on the right."""
    from PIL import Image as PIL

    row = int(metrics.matches.rows[place])
    box = metrics.truth.boxes[row]
    box = np.concatenate([box[:2], box[:2] + box[2:]])
    expected = metrics.truth.keypoints[row]
    sides = [(expected[:, :2], expected[:, 2] > 0)]
    if metrics.matches.found[place]:
        sides.append((metrics.matches.keypoints[place], metrics.matches.scores[place]))
    window = _window(image, box, [expected[expected[:, 2] > 0, :2], *(points for points, _ in sides[1:])])
    drawn = []
    for points, scores in sides:
        corners, ones, points, scores = (np.asarray(part, np.float32)[None] for part in (box, 1.0, points, scores))
        poses = Poses(corners, ones, points, scores, metrics.skeleton)
        drawn.append(poses.draw(image, boxes=True, keypoint_score=1e-3)[window])
    drawn += [image[window]] * (2 - len(drawn))
    gap = np.full((drawn[0].shape[0], _GAP, 3), 255, np.uint8)
    picture = PIL.fromarray(np.concatenate([drawn[0], gap, drawn[1]], axis=1))
    picture.thumbnail((10 * _HEIGHT, _HEIGHT))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _window(
    image: NDArray[np.uint8], box: NDArray[np.float64], points: list[NDArray[np.float64]]
) -> tuple[slice, slice]:
    """Rows and columns of the picture around a box xyxy and points, at least one pixel."""
    corners = np.concatenate([box.reshape(2, 2), *points])
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = _MARGIN * (high - low).max() + 4
    limit = np.array(image.shape[1::-1])
    x1, y1 = np.clip(np.floor(low - margin), 0, limit - 1).astype(int)
    x2, y2 = np.clip(np.ceil(high + margin), [x1 + 1, y1 + 1], limit).astype(int)
    return slice(y1, y2), slice(x1, x2)
