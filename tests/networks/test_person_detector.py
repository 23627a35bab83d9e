"""The project's own person detector: its size, its outputs, and the file that carries it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vitruvian import ModelError, networks
from vitruvian.checkpoints.model_files import save_model
from vitruvian.detectors.yolox import anchors
from vitruvian.export import export
from vitruvian.media import read_image
from vitruvian.models import describe
from vitruvian.models.person_csp import PersonSpec
from vitruvian.networks import count_macs, count_parameters
from vitruvian.zoo import load_checkpoint, load_detector

NAME = "person_csp_w32_416x416"
PICTURE = Path(__file__).resolve().parents[2] / "docs/images/astronaut.jpg"


@pytest.fixture
def slim(tmp_path: Path) -> Path:
    """A file of a slim one with random weights whose boxes and scores differ from cell to cell."""
    spec = PersonSpec(width=8, neck=8, depth=1, input_size=(64, 96))
    torch.manual_seed(0)
    network = networks.build(spec)
    for conv, spread in ((network.head.box, 0.1), (network.head.score, 0.5)):
        torch.nn.init.normal_(conv.weight, std=spread)
    torch.nn.init.zeros_(network.head.score.bias)
    for norm in (module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        norm.momentum = 1.0  # statistics of the one batch that it sees now
    network(torch.randn(8, 3, 64, 96))
    save_model(tmp_path / "mine.safetensors", network.state_dict(), describe(spec, "mine"), spec)
    return tmp_path / "mine.safetensors"


def test_it_is_small() -> None:
    network = networks.create(NAME)
    assert count_parameters(network) < 1.6e6
    assert count_macs(network, (416, 416)) < 0.8e9


def test_outputs_are_read_as_yolox_s() -> None:
    network = networks.create(NAME, width=8, neck=8, input_size=(64, 96)).eval()
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs, cells = network(images), network.cells(images)
    assert outputs.shape == (2, sum(len(grid) for grid, _ in anchors((64, 96))), 6)
    assert torch.equal(outputs[..., :4], cells[..., :4])
    assert torch.equal(outputs[..., 4], cells[..., 4].sigmoid())
    assert (outputs[..., 5] == 1).all()


def test_it_starts_out_sure_of_nobody() -> None:
    outputs = networks.create(NAME, width=8, neck=8)(torch.randn(2, 3, 64, 64))
    assert outputs[..., 4].detach().numpy() == pytest.approx(0.01, abs=0.005)


def test_each_cell_looks_at_its_own_place() -> None:
    network = networks.create(NAME, width=8, neck=8).eval()
    images = torch.randn(1, 3, 320, 320, generator=torch.Generator().manual_seed(0)).requires_grad_()
    cells = network.cells(images)
    rows, columns = torch.arange(320.0)[:, None], torch.arange(320.0)
    # Row 10 and column 30 of stride 8, row 12 and column 4 of stride 16, row 3 and column 5 of stride 32.
    for index, x, y in ((10 * 40 + 30, 244, 84), (1600 + 12 * 20 + 4, 72, 200), (2000 + 3 * 10 + 5, 176, 112)):
        (gradient,) = torch.autograd.grad(cells[0, index].sum(), images, retain_graph=True)
        weight = gradient[0].square().sum(dim=0)
        middle = [float((weight * place).sum() / weight.sum()) for place in (columns, rows)]
        assert middle == pytest.approx([x, y], abs=32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 7}, "width is 7"),
        ({"neck": 4}, "neck is 4"),
        ({"depth": 0}, "depth is 0"),
        ({"input_size": (3, 4)}, "32"),
    ],
)
def test_impossible_ones_are_refused(options, message) -> None:
    with pytest.raises(ModelError, match=message):
        networks.create(NAME, **options)


def test_a_file_says_what_it_is(slim: Path) -> None:
    loaded = load_checkpoint(None, slim)
    assert loaded.identity.spec == PersonSpec(width=8, neck=8, depth=1, input_size=(64, 96))
    assert (loaded.card.task, loaded.card.family, loaded.card.input_size) == ("detection", "yolox", (64, 96))
    assert "person detector" in str(loaded.identity)
    assert load_detector(slim, 64).card.input_size == (64, 64)
    with pytest.raises(ModelError, match="multiples of 32"):
        load_detector(slim, 100)


@pytest.mark.parametrize(("precision", "off"), [("fp32", 0.05), ("fp16", 3.0)])
def test_the_exported_file_finds_the_same_boxes(slim: Path, tmp_path: Path, precision, off) -> None:
    done = export(slim, tmp_path / "mine.onnx", precision=precision)
    picture = read_image(PICTURE)
    # All of them: random weights score many alike, and which of two alike suppresses the other is chance.
    theirs = load_detector(slim, score=0.55, iou=1)([picture])[0]
    assert len(theirs) > 3
    for engine in ("onnxruntime", "openvino"):
        ours = load_detector(done.path, score=0.5, iou=1, runtime=engine)([picture])[0]
        apart = np.abs(theirs.xyxy[:, None] - ours.xyxy).max(axis=2).min(axis=1)
        # Halves have 11 bits, which random weights that spread their outputs make the most of.
        assert (np.median(apart) if precision == "fp16" else apart.max()) < off
