"""`vitruvian evaluate-tracking` from the outside."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("trackeval", reason="the extra `evaluate` is not installed")


def test_figures_as_a_table_and_a_file(tmp_path):
    """One person in four frames who changes the number once: MOTA 1 - 1/4, IDF1 2 of 4."""
    rows = [f"{frame},{{}},100,0,10,20,1,1,1" for frame in range(1, 5)]
    (tmp_path / "gt.txt").write_text("\n".join(row.format(1) for row in rows))
    (tmp_path / "ours.txt").write_text("\n".join(row.format(1 + index // 2) for index, row in enumerate(rows)))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "vitruvian", "evaluate-tracking", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    done = run("ours.txt", "--truth", "gt.txt", "--json", "figures.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert "75.0" in done.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())["combined"]
    assert (figures["MOTA"], figures["IDF1"], figures["switches"]) == (0.75, 0.5, 1)
    done = run("gone.txt", "--truth", "gt.txt")
    assert done.returncode == 2
    assert "gone.txt can't be read" in done.stderr
