"""A page to look at: the numbers, the curves, and the persons that were found worst, in one HTML file."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..media import read_image
from ..poses import Poses
from .plots import oks_histogram, precision_recall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .metrics import Metrics

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .2rem .7rem; text-align: right }
th { border-bottom: 1px solid #999 } img { max-width: 100% }
.plots { display: flex; flex-wrap: wrap; gap: 1rem } .plots img { width: 32rem }
.persons { display: grid; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); gap: 1.5rem }
figure { margin: 0 } figcaption { font-size: .85rem; overflow-wrap: anywhere } figure img { width: 100% }
"""
# A person is shown this much larger than what was annotated and predicted, at most this high.
_MARGIN = 0.15
_HEIGHT = 320
_GAP = 8


def page(metrics: Metrics, title: str, worst: int) -> str:
    """The page; nothing outside of it is needed. All text is escaped.

    Args:
        metrics: of an evaluation.
        title: of the page, such as the model's name.
        worst: how many of the persons to be found are shown, the least similar first.
    """
    order = np.lexsort((-metrics.truth.areas[metrics.matches.rows], metrics.matches.oks))[:worst]
    sections = [
        f"<h1>{escape(title)}</h1>",
        _table({"keypoints": metrics.keypoints, **({"boxes": metrics.boxes} if metrics.boxes else {})}),
        '<div class="plots">',
        *(_embedded("png", data) for data in (precision_recall(metrics), oks_histogram(metrics))),
        "</div>",
        *(_table({"": numbers}) for numbers in (metrics.accuracy, metrics.errors, metrics.crowds) if numbers),
        "<h2>AP of each keypoint alone</h2>",
        _table({"": metrics.per_keypoint}),
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


def _table(rows: Mapping[str, Mapping[str, float]]) -> str:
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
    """JPEG of one person twice, as annotated and as predicted."""
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
    """The part of the picture around a box xyxy and points, at least a pixel."""
    corners = np.concatenate([box.reshape(2, 2), *points])
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = _MARGIN * (high - low).max() + 4
    limit = np.array(image.shape[1::-1])
    x1, y1 = np.clip(np.floor(low - margin), 0, limit - 1).astype(int)
    x2, y2 = np.clip(np.ceil(high + margin), [x1 + 1, y1 + 1], limit).astype(int)
    return slice(y1, y2), slice(x1, x2)
