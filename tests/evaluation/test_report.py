"""What is written of an evaluation: whole, plain, and safe to open."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PIL
from rich.console import Console

from vitruvian import OutputError
from vitruvian.evaluation import Metrics, Procedure, evaluate_coco
from vitruvian.evaluation.report import oks_histogram, page, precision_recall, table, write_report, write_results

EVIL = "<script>alert(1)</script>&\"'"


@pytest.fixture
def metrics(made) -> Metrics:
    first = made.data["annotations"][0]
    first["keypoints"] = (np.reshape(first["keypoints"], (3, 3)) + np.array([400, 0, 0])).ravel().tolist()
    # Boxes as they are annotated: of these the net finds everybody exactly.
    return evaluate_coco(made.pose, made.data, made.images, procedure=Procedure(clip_boxes=False))


class Tags(HTMLParser):
    """The tags and the addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_needs_nothing_else(metrics):
    tags = Tags(page(metrics, "a model", 3))
    assert "script" not in tags.tags
    assert len(tags.addresses) == 2 + 3
    assert all(address.startswith("data:image/") for address in tags.addresses)
    for address in tags.addresses:
        with PIL.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as picture:
            picture.load()


def test_the_worst_come_first(metrics):
    text = page(metrics, "a model", 4)
    captions = re.findall("<figcaption>(.*?)</figcaption>", text)
    assert len(captions) == 4
    assert captions[0].startswith("not found, annotation 1, image 1, 1.png")
    assert all(caption.startswith("OKS 1.000") for caption in captions[1:])


def test_text_from_outside_is_escaped(made):
    made.data["categories"][0]["keypoints"][0] = EVIL
    made.data["images"][0]["file_name"] = "1<b>.png"
    (made.images / "1.png").rename(made.images / "1<b>.png")
    made.data["images"][2]["file_name"] = EVIL.replace("/", "")
    text = page(evaluate_coco(made.pose, made.data, made.images), EVIL, 9)
    assert EVIL not in text
    assert "<script" not in text
    assert "<b>" not in text
    assert "&lt;script&gt;" in text


def test_a_picture_that_is_gone_since_is_told(metrics, made):
    (made.images / "1.png").unlink()
    assert "no such file" in page(metrics, "a model", 1)


def test_what_is_written(metrics, tmp_path):
    write_report(metrics, tmp_path / "deep/out", "a model")
    names = ["metrics.json", "oks.png", "precision_recall.png", "worst.html"]
    assert sorted(path.name for path in (tmp_path / "deep/out").iterdir()) == names
    written = json.loads((tmp_path / "deep/out/metrics.json").read_text())
    assert written["keypoints"] == metrics.keypoints
    assert set(written["keypoints"]) == {"AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL"}
    assert "boxes" not in written
    assert written["counts"] == {"pictures": 3, "annotated_persons": 4, "results": 4, "crops": 4}
    assert written["procedure"]["oks_nms"] == 0.9


def test_curves_are_pictures(metrics):
    for data in (precision_recall(metrics), oks_histogram(metrics)):
        with PIL.open(io.BytesIO(data)) as picture:
            assert (picture.format, picture.size) == ("PNG", (720, 540))


def test_results_are_json(metrics, tmp_path):
    write_results(tmp_path / "r.json", metrics.results)
    assert json.loads((tmp_path / "r.json").read_text()) == metrics.results
    write_results(tmp_path / "none.json", [])
    assert json.loads((tmp_path / "none.json").read_text()) == []


def test_nothing_to_write_to(metrics, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="can't be written"):
        write_results(tmp_path / "file/r.json", metrics.results)
    assert list(Path(tmp_path).glob("*.part")) == []


def test_the_table_has_a_row_a_run_and_one_of_the_boxes(made):
    metrics = evaluate_coco(made.pose, made.data, made.images, made.detector())
    console = Console(file=io.StringIO(), width=200)
    console.print(table({"one": metrics, "two [b]": metrics}))
    lines = console.file.getvalue().splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["one", "boxes", "two"]
    assert f"{metrics.keypoints['AP']:.4f}" in lines[1]
    columns = dict(zip(lines[0].split(), lines[1].split()[1:], strict=True))
    assert (columns["pictures"], columns["results"]) == ("3", str(len(metrics.results)))
    # Nobody is large on pictures of 64x48.
    assert " - " in lines[1]
