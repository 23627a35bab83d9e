"""The notebooks run, and are kept with outputs that are small and without errors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="the extra `docs` is not installed")
pytest.importorskip("nbclient", reason="the extra `docs` is not installed")

CODE = Path(__file__).resolve().parents[2] / "docs/code"
NOTEBOOKS = sorted((CODE.parent / "notebooks").glob("*.ipynb"))
MOST_BYTES = 150_000


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(CODE))
    import run_notebooks

    return run_notebooks


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("default")
def test_it_runs(code: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRUVIAN_OFFLINE", "1")
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))
    notebook = code.executed(path)
    assert not [
        output for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type == "error"
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_as_it_was_run(path: Path) -> None:
    """Every cell with a result shows it, in the order of the cells; text has no address or time of a machine."""
    assert path.stat().st_size < MOST_BYTES
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)


def test_there_are_two() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["quickstart", "sport-analysis"]
