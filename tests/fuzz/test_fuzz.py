"""A fixed series of mutated files of every kind: each is read, or refused with a clean error."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("resource", reason="this system can't limit a process's memory")

from running import fuzz

KINDS, CASES = 14, 14 * 70


@pytest.mark.skipif(sys.platform != "linux", reason="the limits are Linux's")
def test_mutated_files_are_read_or_refused() -> None:
    report = fuzz("fixed", CASES)
    assert report.faults == []
    assert report.cases == CASES
    kinds = {kind for kind, _ in report.counts}
    assert len(kinds) == KINDS
    # Mutations that all fail at the first byte would prove nothing.
    assert all(report.counts[kind, "read"] + report.counts[kind, "error"] == CASES // KINDS for kind in kinds)
    assert sum(report.counts[kind, "read"] for kind in kinds) > CASES // 20


def test_faults_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """The proof that the test above proves something: a reader with every kind of fault."""
    monkeypatch.setattr("running.PATIENCE", 3.0)
    (tmp_path / "child.py").write_text(
        """
import json, os, sys, time
for number in range(int(sys.argv[3]), int(sys.argv[4])):
    print(json.dumps({"begun": number, "kind": "a", "file": "f"}), flush=True)
    if number == 1: os.abort()
    if number == 2: time.sleep(60)
    if number == 3: open(os.path.join(sys.argv[1], "..", "outside"), "w").close()
    result = "fault" if number == 4 else "read"
    print(json.dumps({"ended": number, "result": result, "text": "KeyError"}), flush=True)
"""
    )
    monkeypatch.setattr("running.HERE", tmp_path)
    report = fuzz("", 6)
    assert report.counts == {("a", "read"): 3, ("a", "fault"): 3}
    assert [
        word for fault in report.faults for word in ("ended with -6", "no end", "KeyError", "outside") if word in fault
    ] == [
        "ended with -6",
        "no end",
        "KeyError",
        "outside",
    ]
