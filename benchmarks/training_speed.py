"""How much of training's time goes to the data, and to everything else that isn't the network?

Runs the same steps (forward, loss, backward, Adam) of the same network on batches of the same size twice: in a plain
loop on one batch that stays in memory, and by `vitruvian.training` on a data set, crops, augmentation, targets and all.
Printed are the samples/s of both, and the share of time that the second one loses. Rounds alternate, the median counts.

    python benchmarks/training_speed.py ANNOTATIONS IMAGES [--recipe NAME] [--set width=16 --set batch=8 ...]
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning as L
import torch

from vitruvian import codecs
from vitruvian.datasets import Source, read_persons
from vitruvian.datasets.boxes import read_boxes
from vitruvian.models import describe
from vitruvian.training.data_loader import BatchOrder, ResumableLoader
from vitruvian.training.detection.module import DetectorTraining
from vitruvian.training.detection.recipe import DetectorRecipe
from vitruvian.training.detection.samples import DetectionDataset
from vitruvian.training.init_weights import init_network
from vitruvian.training.module import Training
from vitruvian.training.pose.job import make_card
from vitruvian.training.pose.module import PoseTraining
from vitruvian.training.pose.recipe import Recipe, recipes
from vitruvian.training.pose.samples import PoseDataset
from vitruvian.training.recipe import read_settings

WARM_UP = 3


class Clock(L.Callback):
    """Notes when each step ends."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, *_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())

    def rate(self, batch: int) -> float:
        """Samples/s after the first few steps."""
        return (len(self.ends) - 1 - WARM_UP) * batch / (self.ends[-1] - self.ends[WARM_UP])


def plain(module: Training, batch: dict[str, Any], steps: int) -> float:
    """Samples/s of a loop that has nothing but the network."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module = module.to(device)
    batch = module.transfer_batch_to_device(batch, torch.device(device), 0)
    optimizer = torch.optim.Adam(module.network.parameters(), 1e-3)
    mixed = module.recipe.precision.startswith("bf16")
    clock = Clock()
    for _ in range(steps):
        with torch.autocast(device, torch.bfloat16, enabled=mixed):
            loss = module.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        clock.on_train_batch_end()
    return clock.rate(len(batch["images"]))


def trained(module: Training, loader: ResumableLoader, steps: int) -> float:
    """Samples/s of training on the data set."""
    clock = Clock()
    recipe = module.recipe
    trainer = L.Trainer(
        max_steps=steps, precision=recipe.precision, callbacks=[clock, Begin()], devices=1, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(module, loader)
    return clock.rate(recipe.batch)


class Begin(L.Callback):
    """Lets each epoch have its own order."""

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        trainer.train_dataloader.batches.set_epoch(trainer.current_epoch)


def make(recipe: Recipe | DetectorRecipe, source: Source) -> tuple[Training, ResumableLoader]:
    """The network, and its batches."""
    if isinstance(recipe, DetectorRecipe):
        pictures = read_boxes([source])
        detector_card = describe(recipe.spec, "speed")
        canvases = DetectionDataset(pictures, detector_card.input_size, recipe, 0)
        detector = init_network(recipe).to(memory_format=torch.channels_last)
        batches = BatchOrder(pictures.copies, recipe.batch, 0)
        module = DetectorTraining(detector, detector_card, recipe, Path(tempfile.gettempdir()))
        return module, ResumableLoader(canvases, batches, recipe.workers, torch.cuda.is_available())
    persons = read_persons([source])
    card = make_card(recipe, persons, "speed")
    codec = codecs.create(card.family, card.input_size, card.options)
    samples = PoseDataset(persons, card, codec, recipe.augmentation, 0, recipe.reduced_decoding)
    network = init_network(recipe, len(persons.skeleton)).to(memory_format=torch.channels_last)
    batches = BatchOrder(persons.copies, recipe.batch, 0)
    return PoseTraining(network, card, recipe, Path(tempfile.gettempdir())), ResumableLoader(
        samples, batches, recipe.workers, torch.cuda.is_available()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("annotations", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--recipe", default="pose_hrnet_w32_256x192")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    kind = DetectorRecipe if arguments.recipe in recipes(DetectorRecipe) else Recipe
    recipe = read_settings(kind, arguments.recipe, ["init=none", *arguments.settings])
    rates: dict[str, list[float]] = {"plain": [], "trained": []}
    for _ in range(arguments.rounds):
        module, loader = make(recipe, Source(arguments.annotations, arguments.images))
        batch = next(iter(loader))
        rates["plain"].append(plain(module, batch, arguments.steps))
        rates["trained"].append(trained(module, loader, arguments.steps))
    alone, whole = (statistics.median(rates[name]) for name in ("plain", "trained"))
    lost = f"{1 - whole / alone:.1%} of the time is lost"
    print(f"plain loop {alone:.1f} samples/s, training {whole:.1f}: {lost}")


if __name__ == "__main__":
    main()
