"""Does the person detector learn 16 pictures by heart, from the command line alone?

`vitruvian train-detector --overfit 16`, then `vitruvian evaluate` of the model that came out, and of its ONNX file from
`vitruvian export`, on the same pictures. A loss, an assignment, a decoding or a letterbox that disagreed with the rest
would show here.

    python benchmarks/overfit_detector.py ANNOTATIONS IMAGES
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from overfit import vitruvian

PICTURES, EPOCHS = 16, 40
SETTINGS = {
    "batch": PICTURES,
    "optimizer": "adamw",
    "rate": 0.002,
    "workers": 0,
    "evaluate_every": EPOCHS,
    "warmup": 20,
    "ema": 0.95,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("annotations", type=Path)
    parser.add_argument("images", type=Path)
    arguments = parser.parse_args()
    given = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "detector")
        data = ("--data", arguments.annotations, "--images", arguments.images, "--overfit", PICTURES, "--seed", 0)
        started = time.perf_counter()
        vitruvian("train-detector", *data, "--epochs", EPOCHS, *given, "-o", run)
        took = time.perf_counter() - started
        vitruvian("export", run / "best.safetensors", "-o", run / "best.onnx")
        for model in ("best.safetensors", "best.onnx"):
            output = run / f"evaluation_{model}"
            data = ("--annotations", run / "overfit.json", "--images", arguments.images, "-o", output)
            vitruvian("evaluate", "--detector", run / model, *data)
            boxes = json.loads((output / "metrics.json").read_text())["boxes"]
            print(f"{model:16} AP50 {boxes['AP50']:.4f}, AP {boxes['AP']:.4f} (trained in {took:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
