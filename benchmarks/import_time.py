"""How long do `import vitruvian` and `vitruvian --help` take, and which heavy packages do they import?

Each round starts a fresh process for each of: an empty interpreter, `import numpy` (the least that any program with
pictures imports), `import vitruvian`, and `vitruvian --help`. Printed are, as medians over the rounds, the wall time,
the wall time less that of the same round's empty interpreter, and the latter as a multiple of numpy's; and which of the
heavy packages each has imported at its end. All files are read before the first round that counts, so the first start
after a reboot takes longer. Other work on the machine lengthens all of them: go by the multiples.

    python benchmarks/import_time.py [--rounds 20]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

PACKAGES = ("openvino", "onnxruntime", "torch", "av", "cv2", "PIL", "numpy")
HELP = "import sys; sys.argv = ['vitruvian', '--help']; from vitruvian.cli import main; main()"
CASES = {
    "empty interpreter": "pass",
    "import numpy": "import numpy",
    "import vitruvian": "import vitruvian",
    "vitruvian --help": HELP,
}
# At exit, so that what the command imports last counts too, and that it leaves by SystemExit does not matter.
REPORT = """
import atexit, sys
atexit.register(lambda: print("\\n" + " ".join(name for name in {packages!r} if name in sys.modules)))
"""


def run(code: str) -> str:
    # A terminal's width, or its absence, should make no difference to the help.
    environment = os.environ | {"COLUMNS": "100"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def seconds(code: str) -> float:
    started = time.perf_counter()
    run(code)
    return time.perf_counter() - started


def imported(code: str) -> str:
    """The heavy packages that are imported when the code has run."""
    return run(REPORT.format(packages=PACKAGES) + code).splitlines()[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    packages = {name: imported(code) for name, code in CASES.items()}
    rounds = [{name: seconds(code) for name, code in CASES.items()} for _ in range(arguments.rounds)]
    empty, numpy, *_ = CASES
    extra = {name: statistics.median(r[name] - r[empty] for r in rounds) for name in CASES}
    for name in CASES:
        whole = statistics.median(r[name] for r in rounds)
        print(
            f"{name:17}: {whole * 1000:4.0f} ms, {extra[name] * 1000:4.0f} ms more than empty, "
            f"{extra[name] / extra[numpy]:5.2f} x numpy's; imports {packages[name] or 'none of them'}"
        )


if __name__ == "__main__":
    main()
