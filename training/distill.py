"""Distillation of the package's models on one GPU: augmentation, teacher and student on the device, from a pack.

    python training/distill.py pose PACK OUT.safetensors --teacher tinypose.onnx --init thunder.safetensors
    python training/distill.py person PACK OUT.safetensors --teacher rtmdet_nano.onnx --init lightning.safetensors

Every sample is new: the teacher sees it without changes of colour, the student with them, and learns the teacher's
answer (as in arXiv 2106.05237). The rate falls along a cosine over the given time. Weights are written every minute.
PACK is a folder by pack.py. It needs torch, Lightning, numpy, onnx, onnxruntime, OpenCV and safetensors, and the
sources of the package on PYTHONPATH.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from onnx_network import OnnxNetwork, simplified
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.optim.swa_utils import AveragedModel

from vitruvian import COCO17, networks
from vitruvian.checkpoints.model_files import save_model
from vitruvian.checkpoints.reading import read_checkpoint
from vitruvian.codecs.base import mirror_order
from vitruvian.geometry import GREY
from vitruvian.models import describe, spec
from vitruvian.training.detection.assignment import Cells
from vitruvian.training.detection.losses import detector_loss, distillation_loss
from vitruvian.training.detection.module import cells_of
from vitruvian.training.module import update_average
from vitruvian.training.muon import Muon

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIDE = 384
_DECAY = 0.998
_WARMUP = 150
_EPS = 1e-5


def main() -> None:
    """Train, and write the model. cuDNN doesn't choose its algorithms by trying them: each shape costs seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["pose", "person"])
    parser.add_argument("pack", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--init", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=600, help="of training (default: %(default)s)")
    parser.add_argument("--batch", type=int, help="crops (default: 192) or pictures (default: 64)")
    parser.add_argument("--lr", type=float, help="default: 0.001 for pose, 0.002 for person")
    parser.add_argument("--part", type=float, default=1, help="share of the pictures that are used, to try it out")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    kind = {"pose": Pose, "person": Person}[arguments.task]
    task = kind(Pack(arguments.pack, arguments.part), arguments)
    _train(task, arguments)


class Pack:
    """The pictures on the device, and their index.

    Args:
        folder: by pack.py.
        part: share of the pictures that are read, 0..1, but for the held-out ones.
    """

    def __init__(self, folder: Path, part: float) -> None:
        self.index = dict(np.load(folder / "pack.npz"))
        read = (np.random.default_rng(0).random(len(self.index["size"])) < part) | self.index["held"]
        files = [
            np.fromfile(folder / f"pictures{number}.bin", np.uint8) for number in range(self.index["shard"].max() + 1)
        ]
        self.pictures = torch.zeros((int(read.sum()), 3, SIDE, SIDE), dtype=torch.uint8, device=DEVICE)
        self.place = np.where(read, np.cumsum(read) - 1, -1)
        self.rows = np.flatnonzero(read)
        cv2.setNumThreads(1)

        def decoded(row: int) -> Any:
            start, length = int(self.index["offset"][row]), int(self.index["length"][row])
            return cv2.imdecode(files[self.index["shard"][row]][start : start + length], cv2.IMREAD_COLOR)[..., ::-1]

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for number, image in enumerate(pool.map(decoded, self.rows)):
                height, width = image.shape[:2]
                self.pictures[number, :, :height, :width] = torch.from_numpy(image.copy()).permute(2, 0, 1).to(DEVICE)

    def crops(self, chosen: Tensor, inverse: Tensor, size: tuple[int, int]) -> Tensor:
        """Crops float (N, 3, H, W) in 0..255, black outside of the picture.

        Args:
            chosen: int64 (N,), places of the pictures.
            inverse: float (N, 2, 3), from crop pixels to picture pixels.
            size: (height, width) of the crops.
        """
        height, width = size
        y, x = torch.meshgrid(_range(height), _range(width), indexing="ij")
        pixels = torch.stack([x, y, torch.ones_like(x)], dim=-1).view(-1, 3)
        grid = (pixels @ inverse.transpose(1, 2)).view(-1, height, width, 2) * (2 / (SIDE - 1)) - 1
        return functional.grid_sample(self.pictures[chosen].float(), grid, align_corners=True)


class Task(ABC):
    """A student, its samples and its loss."""

    NAME: str
    network: nn.Module
    size: int

    @abstractmethod
    def batch(self, done: float) -> tuple[Tensor, Any]:
        """A batch at a time in 0..1 of the training: pictures of the student in -1..1, and what it learns of them."""

    @abstractmethod
    def loss(self, pictures: Tensor, wanted: Any) -> Tensor:
        """The loss of a batch."""

    @abstractmethod
    def optimizer(self) -> torch.optim.Optimizer: ...


class Pose(Task):
    """A pose net that learns heatmaps, and those of the annotated keypoints where there are any.

    Both of its answers learn: the maps by the squared error, the distributions by the cross-entropy.
    """

    NAME, SIZE, STRIDE, SIGMA = "pose_mobilenet_256x192", (256, 192), 4, 2.0
    # Shares of unlabelled pictures, of all annotated ones but the last file, and of that one.
    SHARES = (0.68, 0.22, 0.10)
    PADDING, ANNOTATED, NOISE = 1.25, 0.5, 0.08

    def __init__(self, pack: Pack, arguments: argparse.Namespace) -> None:
        self.pack, self.size, self._lr = pack, arguments.batch or 192, arguments.lr or 1e-3
        index, pictures = pack.index, pack.index["person_picture"]
        used = (pack.place[pictures] >= 0) & ~index["held"][pictures]
        groups = np.clip(index["group"][pictures[used]], 0, 1) + (
            index["group"][pictures[used]] == index["group"].max()
        )
        shares = [share / max((groups == group).sum(), 1) for group, share in enumerate(self.SHARES)]
        self._weights = _tensor(np.array(shares)[groups])
        self._places = torch.from_numpy(pack.place[pictures[used]]).to(DEVICE)
        self._boxes, self._points = _tensor(index["person_box"][used]), _tensor(index["person_keypoints"][used])
        self._squeezed = torch.from_numpy(index["squeezed"][pictures[used]]).to(DEVICE)
        self._swap = torch.from_numpy(mirror_order(17, COCO17.flip_pairs).copy()).to(DEVICE)
        self._teacher = _teacher(arguments.teacher, self.SIZE, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
        self.network = networks.create(self.NAME)
        self.network.load_state_dict(read_checkpoint(arguments.init).tensors)
        _add_norms(self.network, ("final_layer",), lambda: self.batch(0)[0])

    def batch(self, done: float) -> tuple[Tensor, Any]:
        chosen = torch.multinomial(self._weights, self.size, replacement=True)
        inverse, flipped = self._affines(chosen)
        crops = self.pack.crops(self._places[chosen], inverse, self.SIZE)
        (maps,) = self._teacher(crops)
        truth, labelled = self._gaussians(chosen, inverse, flipped)
        share = (labelled * self.ANNOTATED)[..., None, None]
        return _normalised(_erased(_recoloured(_blurred(crops)))), maps * (1 - share) + truth * share

    def loss(self, pictures: Tensor, wanted: Any) -> Tensor:
        maps, logits = (answer.float() for answer in self.network.answers(pictures))
        flat = wanted.flatten(2)
        peaks = flat.amax(2, keepdim=True)
        # As distributions: what lies below the teacher's noise is nothing.
        shares = (flat - self.NOISE * peaks).clamp(min=0)
        shares = shares / shares.sum(2, keepdim=True).clamp(min=1e-6)
        entropy = -(shares * logits.flatten(2).log_softmax(2)).sum(2) * peaks[..., 0].clamp(0, 1)
        return (maps - wanted).square().sum((2, 3)).mean() + entropy.mean()

    def optimizer(self) -> torch.optim.Optimizer:
        learning = [p for p in self.network.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in learning if (p.dim() > 1) == decayed], "weight_decay": 0.03 * decayed}
            for decayed in (True, False)
        ]
        return torch.optim.AdamW(groups, self._lr)

    def _affines(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (N, 2, 3) from crop to picture: part of the box, stretch, flip, rotation, scale, place; and flips."""
        count, (height, width) = len(chosen), self.SIZE
        left, top, right, bottom = self._boxes[chosen].unbind(1)
        part, cut, upper = _random(count) < 0.12, (bottom - top) * _between(0.4, 0.7, count), _random(count) < 0.7
        bottom, top = torch.where(part & upper, top + cut, bottom), torch.where(part & ~upper, bottom - cut, top)
        centres = torch.stack([left + right, top + bottom], dim=1) / 2
        wide, undone = _random(count) < 0.5, _between(1, 1.5, count)
        stretch_x = torch.where(self._squeezed[chosen] & wide, undone, 1) * _between(-0.08, 0.08, count).exp()
        stretch_y = torch.where(self._squeezed[chosen] & ~wide, undone, 1)
        flipped = _random(count) < 0.5
        angle = torch.where(_random(count) < 0.6, _normal(count, 25, 60), 0) * (math.pi / 180)
        extent = torch.maximum(
            (right - left).clamp(min=4) * stretch_x, (bottom - top).clamp(min=4) * stretch_y * width / height
        )
        extent = extent * self.PADDING * _normal(count, 0.2, 0.42).exp()
        moved = torch.stack(
            [
                _normal(count, 0.04, 0.1) * extent / stretch_x,
                _normal(count, 0.04, 0.1) * extent * height / width / stretch_y,
            ],
            dim=1,
        )
        scale, turn, slant = extent / width, angle.cos(), angle.sin()
        mirrored = scale * torch.where(flipped, -1, 1)
        rows = [
            turn * mirrored / stretch_x,
            -slant * scale / stretch_x,
            slant * mirrored / stretch_y,
            turn * scale / stretch_y,
        ]
        matrix = torch.stack(rows, dim=1).view(-1, 2, 2)
        offset = centres + moved - matrix @ torch.tensor([width / 2, height / 2], device=DEVICE)
        return torch.cat([matrix, offset[..., None]], dim=2), flipped

    def _gaussians(self, chosen: Tensor, inverse: Tensor, flipped: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (N, 17, h, w) of the annotated keypoints, and which of these there are, bool (N, 17)."""
        points = self._points[chosen]
        places = (points[..., :2] - inverse[:, None, :, 2]) @ torch.linalg.inv(inverse[..., :2]).transpose(1, 2)
        labelled = points[..., 2] > 0
        places = torch.where(flipped[:, None, None], places[:, self._swap], places) / self.STRIDE
        labelled = torch.where(flipped[:, None], labelled[:, self._swap], labelled)
        height, width = (side // self.STRIDE for side in self.SIZE)
        across, down = (
            (-(_range(n) - places[..., i, None]).square() / (2 * self.SIGMA**2)).exp()
            for i, n in ((0, width), (1, height))
        )
        shown = ((places > -1) & (places < torch.tensor([width, height], device=DEVICE))).all(dim=2)
        return down[..., :, None] * across[..., None, :], labelled & shown


class Person(Task):
    """A person detector that learns the teacher's cells, and boxes that it found on larger pictures."""

    NAME, SIZE, MOST = "person_mobilenet_384x384", (SIDE, SIDE), 64
    # RTMDet's scores and distances of all cells, before its NMS.
    OUTPUTS = ("onnx::ReduceMax_1403", "onnx::Gather_1404")
    LOW, HIGH, MOSAIC = 0.2, 0.5, 0.25

    def __init__(self, pack: Pack, arguments: argparse.Namespace) -> None:
        self.pack, self.size, self._lr = pack, arguments.batch or 64, arguments.lr or 2e-3
        index, rows = pack.index, pack.rows
        self._sizes = _tensor(index["size"][rows])
        boxes = index["boxes"][pack.place[index["boxes"][:, 0].astype(int)] >= 0]
        places = pack.place[boxes[:, 0].astype(int)]
        order = np.argsort(places, kind="stable")
        places, boxes = places[order], boxes[order, 1:]
        boxes[:, 4] = np.clip((boxes[:, 4] - self.LOW) / (self.HIGH - self.LOW), 0, 1)
        number = np.arange(len(places)) - np.searchsorted(places, np.arange(len(rows)))[places]
        table = np.zeros((len(rows), self.MOST, 5), np.float32)
        table[places[number < self.MOST], number[number < self.MOST]] = boxes[number < self.MOST]
        self._table = _tensor(table)
        # Pictures of one person each, the last file, have others who aren't annotated.
        groups = index["group"][rows]
        usable = ~index["held"][rows] & (groups != groups.max())
        plain = usable & (groups == 0)
        weights = np.where(
            plain, 0.85 / max(plain.sum(), 1), np.where(usable, 0.15 / max((usable & ~plain).sum(), 1), 0)
        )
        self._weights = _tensor(np.where(table[..., 4].max(axis=1) > 0, weights, 0.6 * weights))
        cells = cells_of(self.SIZE)
        self._cells = Cells(cells.centres.to(DEVICE), cells.strides.to(DEVICE))
        # It takes BGR.
        mean, std = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
        self._teacher = _teacher(arguments.teacher, self.SIZE, mean, std, self.OUTPUTS)
        self.network = networks.create(self.NAME)
        self.network.load_state_dict(read_checkpoint(arguments.init).tensors)
        self.network.forward = self.network.cells
        _add_norms(self.network, ("head.",), lambda: self.batch(0)[0])

    def batch(self, done: float) -> tuple[Tensor, Any]:
        late = done > 0.7
        mosaics = 0 if late else round(self.size * self.MOSAIC)
        single, width = self.size - mosaics, float(SIDE)
        chosen = torch.multinomial(self._weights, single + 4 * mosaics, replacement=True)
        x, y = (_between(0.3, 0.7, mosaics) * width).round(), (_between(0.3, 0.7, mosaics) * width).round()
        none, full = torch.zeros_like(x), torch.full_like(x, width)
        tiles = ((none, none, x, y), (x, none, full, y), (none, y, x, full), (x, y, full, full))
        whole = torch.tensor([[0, 0, width, width]], device=DEVICE).expand(single, 4)
        windows = torch.cat([whole, *(torch.stack(tile, dim=1) for tile in tiles)])
        as_is = (_random(len(chosen)) < (0.8 if late else 0.4)) & (torch.arange(len(chosen), device=DEVICE) < single)
        zooms = torch.where(as_is, 1, _between(math.log(0.6), math.log(1.35), len(chosen)).exp())
        stretches = torch.where(as_is, 1, (_between(-0.5, 0.5, len(chosen)) * math.log(1.15)).exp())
        drawn, mask, boxes, scores, wanted, neither = self._placed(chosen, windows, zooms, stretches)
        canvases = torch.full((self.size, 3, *self.SIZE), float(GREY), device=DEVICE)
        canvases[:single] = torch.where(mask[:single], drawn[:single], canvases[:single])
        for start in range(single, len(chosen), max(mosaics, 1)):
            tile = slice(start, start + mosaics)
            canvases[single:] = torch.where(mask[tile], drawn[tile], canvases[single:])
        numbers = torch.arange(self.size, device=DEVICE)
        owners = torch.cat([numbers[:single], *[numbers[single:]] * 4])[:, None].expand(-1, self.MOST)
        crowd = torch.zeros(int(neither.sum()), dtype=torch.bool, device=DEVICE)
        targets = (boxes[wanted], scores[wanted], owners[wanted], boxes[neither], crowd, owners[neither])
        theirs, distances = self._teacher(canvases.flip(1))
        # RTMDet's cells lie at their corners.
        corners = self._cells.centres - self._cells.strides[:, None] / 2
        found = torch.cat([corners - distances[..., :2], corners + distances[..., 2:]], dim=-1)
        return _normalised(_recoloured(canvases)), (targets, found, theirs[..., 0].clamp(0, 1))

    def loss(self, pictures: Tensor, wanted: Any) -> Tensor:
        targets, boxes, scores = wanted
        raw = self.network(pictures).float()
        with torch.autocast(DEVICE, enabled=False):
            return distillation_loss(raw, boxes, scores, self._cells, 2.0) + detector_loss(
                raw, targets, self._cells, 2.0
            )

    def optimizer(self) -> torch.optim.Optimizer:
        """Muon for the neck's convolutions, AdamW for all others, with a fifth of the rate in the backbone."""
        modules = self.network.named_modules()
        matrices = {
            f"{name}.weight" for name, module in modules if isinstance(module, nn.Conv2d) and module.bias is None
        }
        groups: dict[tuple[bool, bool, float], list[nn.Parameter]] = {}
        for name, parameter in self.network.named_parameters():
            if parameter.requires_grad:
                backbone, matrix = name.startswith(("stem.", "stages.")), name in matrices
                key = (matrix, parameter.dim() > 1, 0.2 if backbone else 1.0 if matrix else 0.5)
                groups.setdefault(key, []).append(parameter)
        return Muon(
            [
                {"params": group, "matrix": matrix, "weight_decay": 0.05 * decayed, "lr": self._lr * share}
                for (matrix, decayed, share), group in groups.items()
            ],
            self._lr,
        )

    def _placed(self, chosen: Tensor, windows: Tensor, zooms: Tensor, stretches: Tensor) -> tuple[Tensor, ...]:
        """Pictures drawn into windows of canvases, where they are, boxes, scores, and which count or don't."""
        sizes = self._sizes[chosen]
        scales = (SIDE / sizes).amin(dim=1) * zooms
        scale = torch.stack([scales * stretches, scales / stretches], dim=1)
        low = windows[:, :2] + torch.rand_like(scale) * (windows[:, 2:] - windows[:, :2] - scale * sizes)
        high = low + scale * sizes
        flipped = _random(len(chosen)) < 0.5
        across, start = torch.where(flipped, -scale[:, 0], scale[:, 0]), torch.where(flipped, high[:, 0], low[:, 0])
        factors, origin = torch.stack([across, scale[:, 1]], dim=1), torch.stack([start, low[:, 1]], dim=1)
        # The centre of the first pixel is half a pixel from the corner.
        inverse = torch.cat([torch.diag_embed(1 / factors), ((0.5 - origin) / factors - 0.5)[..., None]], dim=2)
        drawn = self.pack.crops(chosen, inverse, self.SIZE)
        first, last = torch.maximum(low, windows[:, :2]), torch.minimum(high, windows[:, 2:])
        inside = (_range(SIDE) + 0.5 >= first[..., None]) & (_range(SIDE) + 0.5 < last[..., None])
        mask = (inside[:, 1, :, None] & inside[:, 0, None, :])[:, None]
        corners = self._table[chosen][..., :4].unflatten(2, (2, 2)) * factors[:, None, None] + origin[:, None, None]
        whole = torch.cat([corners.amin(dim=2), corners.amax(dim=2)], dim=2)
        borders = windows[:, None]
        shown = torch.minimum(torch.maximum(whole, borders[..., :2].repeat(1, 1, 2)), borders[..., 2:].repeat(1, 1, 2))
        extent = shown[..., 2:] - shown[..., :2]
        share = extent.prod(dim=2) / (whole[..., 2:] - whole[..., :2]).prod(dim=2).clamp(min=1e-6)
        scores = self._table[chosen][..., 4]
        there = (scores > 0) & (extent > 0).all(dim=2)
        wanted = there & (extent.amin(dim=2) >= 4) & (share >= 0.3)
        return drawn, mask, shown, scores, wanted, there & ~wanted


def _train(task: Task, arguments: argparse.Namespace) -> None:
    optimizer, network = task.optimizer(), task.network
    average = AveragedModel(network, multi_avg_fn=partial(update_average, _DECAY), use_buffers=True)
    rates = [group["lr"] for group in optimizer.param_groups]
    learning = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    start = shown = written = time.monotonic()
    losses, step = [], 0
    while (done := (time.monotonic() - start) / arguments.seconds) < 1:
        factor = min(1, (step + 1) / _WARMUP) * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        with torch.no_grad():
            pictures, wanted = task.batch(done)
        with torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda"):
            loss = task.loss(pictures, wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(learning, 30.0)
        optimizer.step()
        average.update_parameters(network)
        step += 1
        losses.append(loss.detach())
        if time.monotonic() - shown > 10:
            rate, shown = step * task.size / (time.monotonic() - start), time.monotonic()
            print(
                f"{shown - start:.0f} s: {step} steps, {rate:.0f} samples/s, loss {torch.stack(losses).mean():.4f}",
                flush=True,
            )
            losses.clear()
        if time.monotonic() - written > 60:
            _save(task, average.module, arguments.output)
            written = time.monotonic()
    _save(task, average.module, arguments.output)
    print(f"{arguments.output}: {step} steps, {step * task.size} samples")


def _save(task: Task, network: nn.Module, path: Path) -> None:
    wanted = spec(task.NAME)
    save_model(path, _folded(network.state_dict()), describe(wanted, task.NAME), wanted)


class _Norm(nn.Module):
    """A convolution and a batch norm that changes nothing at first: without norms only tiny rates are stable."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv, self.norm = conv, nn.BatchNorm2d(conv.out_channels, _EPS, momentum=0.02)
        self.found: list[tuple[Tensor, Tensor]] | None = []

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        if self.found is None:
            return self.norm(y)
        self.found.append((y.float().mean((0, 2, 3)), y.float().square().mean((0, 2, 3))))
        return y

    @torch.no_grad()
    def begin(self) -> None:
        """Take the statistics of what came out so far."""
        assert self.found
        mean, square = (torch.stack(parts).mean(dim=0) for parts in zip(*self.found, strict=True))
        variance = (square - mean.square()).clamp(min=1e-6)
        self.norm.running_mean.copy_(mean)
        self.norm.running_var.copy_(variance)
        self.norm.weight.copy_((variance + self.norm.eps).sqrt())
        self.norm.bias.copy_(mean)
        # The convolution's own has no effect from here on.
        self.conv.bias.requires_grad_(False)
        self.found = None


def _add_norms(network: nn.Module, without: tuple[str, ...], pictures: Any) -> None:
    """Add norms behind convolutions that have a bias, so none yet, and take their statistics of some batches."""
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Conv2d) and module.bias is not None and not name.startswith(without):
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, _Norm(module))
    # Channels last: twice as fast on an H100 as channels first.
    network.to(DEVICE).to(memory_format=torch.channels_last).train()
    with torch.no_grad(), torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda"):
        for _ in range(6):
            network(pictures())
    for module in network.modules():
        if isinstance(module, _Norm):
            module.begin()


def _folded(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without the added norms."""
    plain = {name: value.float().cpu() for name, value in state.items()}
    layers = [
        name.removesuffix(".conv.bias")
        for name in plain
        if name.endswith(".conv.bias") and name.replace(".conv.", ".norm.") in plain
    ]
    for layer in layers:
        del plain[f"{layer}.norm.num_batches_tracked"]
        mean, variance, weight, bias = (
            plain.pop(f"{layer}.norm.{key}") for key in ("running_mean", "running_var", "weight", "bias")
        )
        conv = plain.pop(f"{layer}.conv.weight"), plain.pop(f"{layer}.conv.bias")
        fused = fuse_conv_bn_weights(*conv, mean, variance, _EPS, weight, bias)
        plain[f"{layer}.weight"], plain[f"{layer}.bias"] = (part.detach() for part in fused)
    return plain


def _teacher(
    path: Path,
    size: tuple[int, int],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    outputs: tuple[str, ...] = (),
) -> Callable[[Tensor], list[Tensor]]:
    """A teacher of pictures float (N, 3, H, W) in 0..255: its outputs in float32, computed in half precision."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "teacher.onnx")
        simplified(path, file, size, outputs)
        network = OnnxNetwork(file).to(DEVICE)
    dtype = torch.float16 if DEVICE == "cuda" else torch.float32
    network.to(dtype)
    middle, spread = (_tensor(np.array(values)).view(1, 3, 1, 1) for values in (mean, std))

    def answer(x: Tensor) -> list[Tensor]:
        x = ((x - middle) / spread).to(dtype, memory_format=torch.channels_last)
        return [output.float() for output in network(x)]

    return answer


def _normalised(x: Tensor) -> Tensor:
    return ((x - 127.5) / 127.5).contiguous(memory_format=torch.channels_last)


def _blurred(x: Tensor) -> Tensor:
    """A seventh at half the resolution, a sixteenth at a third; the batch is in random order."""
    x, size = x.clone(), x.shape[2:]
    for part, factor in ((slice(0, len(x) // 7), 0.5), (slice(len(x) // 7, len(x) // 5), 1 / 3)):
        if part.stop > part.start:
            small = functional.interpolate(x[part], scale_factor=factor, mode="bilinear", antialias=True)
            x[part] = functional.interpolate(small, size=size, mode="bilinear")
    return x


def _recoloured(x: Tensor, strength: float = 0.35) -> Tensor:
    """Other saturation, contrast, brightness and colour, grey, noise."""
    count = len(x)
    grey = (x * torch.tensor([0.299, 0.587, 0.114], device=DEVICE).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    factors = [_between(1 - strength, 1 + strength, count).view(-1, 1, 1, 1) for _ in range(3)]
    x = grey + (x - grey) * torch.where(_random(count).view(-1, 1, 1, 1) < 0.06, 0, factors[0])
    middle = x.mean((1, 2, 3), keepdim=True)
    x = (middle + (x - middle) * factors[1]) * factors[2] * _between(0.92, 1.08, count * 3).view(-1, 3, 1, 1)
    noise = torch.where(_random(count) < 0.2, _between(0, 8, count), 0).view(-1, 1, 1, 1)
    return (x + torch.randn_like(x) * noise).clamp(0, 255)


def _erased(x: Tensor, probability: float = 0.3) -> Tensor:
    """A rectangle of one colour in some."""
    count, (height, width) = len(x), x.shape[2:]
    inside = []
    for side in (height, width):
        extent, middle = side * _between(0.1, 0.42, count), side * _random(count)
        inside.append((_range(side) - middle[:, None]).abs() < extent[:, None] / 2)
    chosen = (_random(count) < probability).view(-1, 1, 1)
    mask = (inside[0][:, :, None] & inside[1][:, None] & chosen)[:, None]
    return torch.where(mask, 255 * _random(count * 3).view(-1, 3, 1, 1), x)


def _tensor(array: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(DEVICE)


def _range(count: int) -> Tensor:
    return torch.arange(count, dtype=torch.float32, device=DEVICE)


def _random(count: int) -> Tensor:
    return torch.rand(count, device=DEVICE)


def _between(low: float, high: float, count: int) -> Tensor:
    return low + (high - low) * _random(count)


def _normal(count: int, deviation: float, most: float) -> Tensor:
    return (torch.randn(count, device=DEVICE) * deviation).clamp(-most, most)


if __name__ == "__main__":
    main()
