"""Mutated files given to children, one after the other: what came of each, and what is left of those that failed.

    python running.py MINUTES [KIND]

goes on for so long, with files of all kinds or of one, prints what it found, and keeps the files that failed in
./fuzz-failures.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parents[1] / "src"
# Seconds: for a case, and for a child until its first.
PATIENCE, START = 60.0, 300.0


@dataclass
class Report:
    """What came of the cases.

    Args:
        counts: by kind and result: "read", "error" (a clean one) or "fault".
        faults: what happened, each with its kind and number.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        """How many there were."""
        return sum(self.counts.values())

    def __str__(self) -> str:
        kinds = sorted({kind for kind, _ in self.counts})
        rows = []
        for kind in kinds:
            read, errors, faults = (self.counts[kind, result] for result in ("read", "error", "fault"))
            rows.append(
                f"{kind:12}{read + errors + faults:7} files:{read:6} read,{errors:6} clean errors,{faults:4} faults"
            )
        return "\n".join([*rows, f"{self.cases} mutated files, {len(self.faults)} faults"])


def fuzz(base: str, count: int, deadline: float | None = None, keep: Path | None = None, only: str = "") -> Report:
    """Run a series of cases.

    Args:
        base: names the series: the same name gives the same files.
        count: how many.
        deadline: of time.monotonic(), when to end before that.
        keep: where files go that failed.
        only: the kind of all cases; empty is one kind after the other.
    """
    report = Report()
    number = 0
    while number < count and (deadline is None or time.monotonic() < deadline):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, "inside")
            folder.mkdir()
            number = _one_child(report, folder, [base, str(number), str(count), *filter(None, [only])], deadline, keep)
            left = [path.name for path in Path(place).iterdir() if path != folder]
            if left:
                report.faults.append(f"files outside of its folder before case {number}: {left}")
    return report


def _one_child(report: Report, folder: Path, arguments: list[str], deadline: float | None, keep: Path | None) -> int:
    """Cases until the child ends, which has these arguments after its folder; returns the next one."""
    environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ}
    paths = [str(SOURCES), *environment.get("PYTHONPATH", "").split(os.pathsep)]
    environment |= {"PYTHONPATH": os.pathsep.join(paths), "HOME": str(folder), "TMPDIR": str(folder)}
    environment |= {"VITRUVIAN_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    command = [sys.executable, str(HERE / "child.py"), str(folder), *arguments]
    first = int(arguments[1])
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=words, cwd=folder, env=environment) as child,
    ):
        begun: dict[str, Any] = {}
        following = first
        for line in _lines(child, deadline):
            if "begun" in line:
                begun = line
                continue
            report.counts[begun["kind"], line["result"]] += 1
            following = line["ended"] + 1
            if line["result"] == "fault":
                _note(report, folder, begun, line["text"], keep)
            begun = {}
        overdue = child.poll() is None
        child.kill()
        child.wait()
        late = deadline is not None and time.monotonic() >= deadline
        if begun and not (overdue and late):
            words.seek(max(0, words.seek(0, os.SEEK_END) - 2000))
            ended = f"no end after {PATIENCE:.0f} s" if overdue else f"the process ended with {child.returncode}"
            report.counts[begun["kind"], "fault"] += 1
            _note(report, folder, begun, f"{ended}: {words.read().decode(errors='replace')[-1500:]}", keep)
            following = begun["begun"] + 1
        elif following == first and not late:
            words.seek(0)
            raise RuntimeError(f"the child doesn't start: {words.read().decode(errors='replace')[-3000:]}")
    return following


def _lines(child: subprocess.Popen[bytes], deadline: float | None) -> Iterator[dict[str, Any]]:
    """What the child says, until it ends, says nothing for too long, or it is time."""
    assert child.stdout is not None
    data, patience = b"", START
    while deadline is None or time.monotonic() < deadline:
        ready, _, _ = select.select([child.stdout], [], [], patience)
        if not ready:
            return
        part = os.read(child.stdout.fileno(), 65536)
        if not part:
            child.wait()
            return
        *whole, data = (data + part).split(b"\n")
        patience = PATIENCE
        for line in whole:
            yield json.loads(line)


def _note(report: Report, folder: Path, begun: dict[str, Any], text: str, keep: Path | None) -> None:
    report.faults.append(f"{begun['kind']} case {begun['begun']} ({begun['file']}): {text}")
    if keep is not None and (folder / begun["file"]).is_file():
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{begun['begun']}-{begun['file']}").write_bytes((folder / begun["file"]).read_bytes())


if __name__ == "__main__":
    minutes = float(sys.argv[1])
    kind = sys.argv[2] if len(sys.argv) > 2 else ""
    found = fuzz(f"run {time.time_ns()}", 10**9, time.monotonic() + 60 * minutes, Path("fuzz-failures"), kind)
    for fault in found.faults[:50]:
        print(fault, end="\n\n")
    print(found)
    sys.exit(bool(found.faults))
