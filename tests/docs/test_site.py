"""The site builds strictly, and what it is made from says what it should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from blocks import ROOT

import vitruvian as vt
from vitruvian.zoo import cards

pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
griffe = pytest.importorskip("griffe", reason="the extra `docs` is not installed")


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs/code"))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a broken link, a page outside of the navigation or an undocumented name fails."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    settings = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    pages = "\n".join(path.read_text() for path in (site / "api").glob("*.html"))
    entries = set(re.findall(r'id="vitruvian\.[\w.]*?(\w+)"', pages)) | {path.stem for path in (site / "api").iterdir()}
    assert set(vt.__all__) <= entries
    for path in ("zoo.load", "poses.Poses.to_pandas", "tracking.Tracker.update", "evaluation.evaluate_coco"):
        assert f'id="vitruvian.{path}"' in pages, path


def test_every_command_option_and_model_is_in_the_reference(site: Path) -> None:
    commands = (site / "cli.html").read_text()
    for text in ("vitruvian train-detector", "--detect-every", "--coco-mode", "results|dataset", "--oks-nms"):
        assert text in commands, text
    models = (site / "model-list.html").read_text()
    assert all(card.name in models for card in cards())


def test_pages_beside_docs_are_pages_of_the_site(site: Path) -> None:
    assert "0.2.0" in (site / "changelog.html").read_text()
    assert 'href="benchmarks.html' in (site / "default-models.html").read_text()
    assert "vt.load()" in (site / "notebooks/quickstart.ipynb.html").read_text().replace("</span>", "").replace(
        '<span class="n">', ""
    ).replace('<span class="o">', "").replace('<span class="p">', "")
    assert (site / "notebooks/quickstart.ipynb").is_file()


@pytest.mark.usefixtures("code")
def test_an_undocumented_name_is_found() -> None:
    from api_reference import _missing, undocumented

    some = 'class Some:\n    """Said."""\n\n    def method(self): ...\n\n    def _own(self): ...\n'
    source = {"__init__.py": f"def bare(): ...\n\n{some}"}
    with griffe.temporary_visited_package("package", source) as package:
        found = [name for member in ("bare", "Some") for name in _missing(package[member])]
    assert found == ["package.bare", "package.Some.method"]
    assert undocumented() == []


@pytest.mark.usefixtures("code")
@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("docs/models.md", "[a](../benchmarks/README.md#int8)", "[a](benchmarks.md#int8)"),
        ("docs/models.md", "[`b.py`](../benchmarks/int8_cost.py)", "`b.py`"),
        ("docs/models.md", "[c](training.md#muon)", "[c](training.md#muon)"),
        ("benchmarks/README.md", "[d](../docs/models.md)", "[d](models.md)"),
        ("CHANGELOG.md", "[e](docs/output.md)", "[e](output.md)"),
        ("docs/models.md", "[f](https://example.org/docs/x.md)", "[f](https://example.org/docs/x.md)"),
        ("docs/models.md", "[g](../nothing.md)", "[g](../nothing.md)"),
        ("docs/models.md", "| `--a x\\|y` | z \\| |", "| `--a x|y` | z \\| |"),
    ],
)
def test_links_that_leave_docs(path: str, text: str, expected: str) -> None:
    import hooks

    assert hooks._inside(text, path) == expected


@pytest.mark.usefixtures("code")
def test_kinds_of_options() -> None:
    from cli_reference import _kind

    expected: list[tuple[Any, str]] = [(int | None, "N"), (Path, "PATH"), (list[float] | None, "X"), (str, "TEXT")]
    assert [_kind(hint) for hint, _ in expected] == [name for _, name in expected]
