"""What makes the models inside the package learn faster: short trials of the same seed and the same samples.

    python benchmarks/training_trials.py pose --data people.json --images PEOPLE --set optimizer=muon --set lr=0.005
    python benchmarks/training_trials.py detector --data people.json --images PEOPLE --val-data held.json \
        --val-images TRAIN --teacher rtmdet.onnx [--no-boxes] --set optimizer=muon --set lr=0.005

The first learns at 128x96 and prints which shares of the keypoints of 512 persons that it never saw are within 0.03 and
within 0.06 of the crop's height from their labels. The second learns at 192x192 and prints the AP of boxes.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vitruvian import codecs
from vitruvian.datasets import Source, read_persons
from vitruvian.datasets.boxes import read_boxes
from vitruvian.detectors import create
from vitruvian.evaluation import evaluate_boxes
from vitruvian.models import describe
from vitruvian.training import DetectorRecipe, read_recipe, read_settings
from vitruvian.training.callbacks import torch_runtime
from vitruvian.training.data_loader import KeyedDataset
from vitruvian.training.detection.distillation import DetectorTeacher
from vitruvian.training.detection.losses import distillation_loss
from vitruvian.training.detection.module import Cells, DetectorTraining
from vitruvian.training.detection.samples import DetectionDataset
from vitruvian.training.init_weights import init_network
from vitruvian.training.module import Training
from vitruvian.training.pose.augmentation import NO_AUGMENTATION
from vitruvian.training.pose.job import make_card
from vitruvian.training.pose.module import PoseTraining
from vitruvian.training.pose.samples import PoseDataset

HELD, WARMUP = 512, 50


def learn(
    module: Training, samples: KeyedDataset[Any], rows: np.ndarray, steps: int, loss: Callable[[Any], torch.Tensor]
) -> Iterator[int]:
    """Take the steps, along a cosine; gives their number now and then."""
    module.network.to(memory_format=torch.channels_last)
    optimizer, batch, rate = module.configure_optimizers(), module.recipe.batch, module.recipe.lr
    rng = np.random.default_rng(0)
    order = np.concatenate([rng.permutation(rows) for _ in range(-(-steps * batch // len(rows)))])
    for step in range(steps):
        content = samples.collate([samples[(step, int(row), 0)] for row in order[step * batch : (step + 1) * batch]])
        factor = min(1, (step + 1) / WARMUP) * (0.02 + 0.98 * (1 + math.cos(math.pi * step / steps)) / 2)
        for group in optimizer.param_groups:
            group["lr"] = rate * factor
        with torch.autocast("cpu", torch.bfloat16):
            value = loss(content)
        value.backward()
        torch.nn.utils.clip_grad_norm_(module.network.parameters(), 35.0)
        optimizer.step()
        optimizer.zero_grad()
        if module.average is not None:
            module.average.update_parameters(module.network)
        if (step + 1) % 100 == 0 or step + 1 == steps:
            yield step + 1


def pose(arguments: argparse.Namespace) -> None:
    recipe = read_recipe("pose_pyramid_w32_256x192", ["input_size=128x96", "ema_decay=0", *arguments.settings])
    persons = read_persons([Source(arguments.data, arguments.images)])
    card = make_card(recipe, persons, "trial")
    codec = codecs.create(card.family, card.input_size, card.options)
    samples = PoseDataset(persons, card, codec, recipe.augmentation, 0)
    still = PoseDataset(persons, card, codec, NO_AUGMENTATION, 0)
    rows = np.random.default_rng(0).permutation(len(persons))
    held = [still[(0, int(row), 0)] for row in rows[:HELD]]
    images = torch.from_numpy(np.stack([sample.image for sample in held]))
    known = np.stack([sample.confidences for sample in held]) > 0.4
    torch.manual_seed(0)
    module = PoseTraining(init_network(recipe, len(persons.skeleton)), card, recipe, Path())
    began = time.perf_counter()
    for step in learn(module, samples, rows[HELD:], arguments.steps, module.loss):
        module.network.eval()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            outputs = np.concatenate([module(part)[0].numpy() for part in images.split(64)])
        module.train()
        apart = np.linalg.norm(codec.decode([outputs])[0] - np.stack([sample.keypoints for sample in held]), axis=2)
        within = [(apart[known] / card.input_size[0] < limit).mean() for limit in (0.03, 0.06)]
        print(f"step {step}, {time.perf_counter() - began:.0f} s: {within[0]:.3f} {within[1]:.3f}", flush=True)


def detector(arguments: argparse.Namespace) -> None:
    recipe = read_settings(DetectorRecipe, "person_csp_w32_416x416", ["input_size=192x192", *arguments.settings])
    pictures = read_boxes([Source(arguments.data, arguments.images)])
    card = describe(recipe.spec, "trial")
    teacher = DetectorTeacher(arguments.teacher, card.input_size) if arguments.teacher else None
    torch.manual_seed(0)
    module = DetectorTraining(init_network(recipe), card, recipe, Path(), teacher)

    def taught(batch: Any) -> torch.Tensor:
        assert teacher is not None
        targets = teacher(batch["images"].numpy())
        return distillation_loss(
            module(batch["images"]), *targets, Cells(module.centres, module.strides), recipe.box_weight
        )

    loss = taught if arguments.no_boxes else module.loss
    began = time.perf_counter()
    rows = np.arange(len(pictures))
    for step in learn(module, DetectionDataset(pictures, card.input_size, recipe, 0), rows, arguments.steps, loss):
        found = create(card, torch_runtime(module.best_network, card, "cpu"), 0.001, max_persons=100)
        numbers = evaluate_boxes(found, arguments.val_data, arguments.val_images)[0]
        seconds = time.perf_counter() - began
        print(f"step {step}, {seconds:.0f} s: AP {numbers['AP']:.3f}, AP50 {numbers['AP50']:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["pose", "detector"])
    for name in ("data", "images", "val-data", "val-images"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--teacher")
    parser.add_argument("--no-boxes", action="store_true")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    arguments = parser.parse_args()
    (pose if arguments.what == "pose" else detector)(arguments)


if __name__ == "__main__":
    main()
