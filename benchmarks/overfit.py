"""Does every family learn 16 persons by heart, from the command line alone?

For each family: `vitruvian train --overfit 16` with a slim network and small crops, then `vitruvian evaluate` of the
model that came out, on the same persons. A loss, its targets, a decoding or a crop that disagreed with the others would
show here.

    python benchmarks/overfit.py ANNOTATIONS IMAGES [--families heatmap simdr ...]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Recipe, width, input size, batch, epochs, rate, and the steps over which the rate grows. Heatmaps round keypoints to a
# quarter of the input's pixels: at 128x96, targets learned to perfection would still have an AP of 0.92. They are zero
# nearly everywhere, and so is at first what a network learns. Full batches at a rate of 0.003 left that slowly (half of
# the loss was there after 200 steps); batches of 4, which make more steps of an epoch, with a rate that grows to 0.001,
# left it soon.
FAMILIES = {
    "heatmap": ("pose_hrnet_w32_256x192", 16, "192x128", 4, 26, 0.001, 100),
    "simdr": ("simdr_hrnet_w32_256x192", 8, "128x96", 16, 30, 0.005, 0),
    "simdr*": ("sa_simdr_hrnet_w48_256x192", 8, "128x96", 16, 30, 0.005, 0),
    "rle": ("rle_resnet50_256x192", 16, "128x96", 16, 60, 0.001, 0),
    "psa": ("psa_p_hrnet_w48_256x192", 16, "128x96", 4, 19, 0.002, 100),
}
PERSONS = 16


def vitruvian(*arguments: object) -> None:
    """Run the command line, and stop with what it says if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "vitruvian", *map(str, arguments)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    if done.returncode:
        sys.exit(done.stderr.decode())


def overfit(family: str, annotations: Path, images: Path, folder: Path) -> tuple[float, float]:
    """AP by `vitruvian evaluate`, and the seconds of training."""
    recipe, width, size, batch, epochs, rate, warmup = FAMILIES[family]
    settings = {
        "init": "none",
        "width": width,
        "input_size": size,
        "batch": batch,
        "rate": rate,
        "warmup": warmup,
        "rate_steps": f"{epochs * 3 // 4},{epochs * 9 // 10}",
        "workers": 0,
    }
    run = folder / family.replace("*", "_star")
    given = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    data = ("--data", annotations, "--images", images, "--overfit", PERSONS, "--seed", 0)
    started = time.perf_counter()
    vitruvian("train", "--recipe", recipe, *data, "--epochs", epochs, *given, "-o", run)
    took = time.perf_counter() - started
    model, persons = run / "best.safetensors", run / "overfit.json"
    vitruvian(
        "evaluate",
        "--pose",
        model,
        "--annotations",
        persons,
        "--images",
        images,
        "--worst",
        0,
        "-o",
        run / "evaluation",
    )
    return json.loads((run / "evaluation/metrics.json").read_text())["keypoints"]["AP"], took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("annotations", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for family in arguments.families:
            ap, took = overfit(family, arguments.annotations, arguments.images, Path(folder))
            print(f"{family:8} AP {ap:.4f} ({took:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
