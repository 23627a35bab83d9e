"""Does evaluation give the figures of the published procedure, and what do other settings give?

The reference figures are those of HRNet's authors' procedure around PP-TinyPose on 90 pictures of COCO val2017 with 289
persons, but for annotated boxes, which are not clipped to the picture there; `clip_boxes` has the figures with it.

    python benchmarks/coco_mini.py --pose tinypose_256x192.onnx --annotations person_keypoints.json --images FOLDER \
        --detections person_detections.json
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import vitruvian as vt
from vitruvian.evaluation import Metrics, Procedure, evaluate_coco

NAMES = ("AP", "AP50", "AP75", "APM", "APL", "AR")
# Whether boxes are detected, whether the flip test is on; six numbers, how many results.
REFERENCE: dict[tuple[bool, bool], tuple[tuple[float, ...], int]] = {
    (False, False): ((0.6616, 0.9030, 0.7547, 0.6386, 0.7109, 0.7024), 289),
    (False, True): ((0.6567, 0.8824, 0.7492, 0.6384, 0.7020, 0.7007), 289),
    (True, False): ((0.6888, 0.9152, 0.7594, 0.6566, 0.7498, 0.7419), 532),
    (True, True): ((0.6883, 0.9029, 0.7504, 0.6432, 0.7696, 0.7432), 521),
}
OTHERS: list[dict[str, Any]] = [
    {"refine": "none"},
    {"refine": "dark"},
    {"refine": "dark", "flip": True},
    {"refine": "dark", "oks_nms": 0.95},
    {"refine": "dark", "soft_nms": True},
    {"clip_boxes": True},
    {"clip_boxes": True, "flip": True},
]


def row(label: str, boxes: str, numbers: tuple[float, ...], count: int) -> str:
    return f"| {label} | {boxes} | " + " | ".join(f"{number:.4f}" for number in numbers) + f" | {count} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("pose", "annotations", "images", "detections"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    model = vt.load(pose=arguments.pose)

    def run(detected: bool, **settings: Any) -> tuple[tuple[float, ...], int]:
        metrics: Metrics = evaluate_coco(
            model,
            arguments.annotations,
            arguments.images,
            arguments.detections if detected else None,
            procedure=Procedure(**{"clip_boxes": False, **settings}),
        )
        return tuple(metrics.keypoints[name] for name in NAMES), len(metrics.results)

    print("| | boxes | AP | AP50 | AP75 | AP M | AP L | AR | results |\n|---|---|---|---|---|---|---|---|---|")
    gaps = []
    for (detected, flip), (numbers, count) in REFERENCE.items():
        boxes = "detected" if detected else "annotated"
        ours, found = run(detected, flip=flip)
        print(row("reference" + ", flip" * flip, boxes, numbers, count))
        print(row("Vitruvian" + ", flip" * flip, boxes, ours, found))
        gaps += [abs(own - other) for own, other in zip(ours, numbers, strict=True)]
        gaps.append(float(found != count))
    for settings in OTHERS:
        for detected in (False, True):
            if detected and "clip_boxes" in settings:
                continue
            label = ", ".join(f"{name}={value}" for name, value in settings.items())
            print(row(label, "detected" if detected else "annotated", *run(detected, **settings)))
    print(f"\nLargest difference from the reference: {max(gaps):.4f}")


if __name__ == "__main__":
    main()
