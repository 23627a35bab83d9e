"""Polarized self-attention against the release's formulas, element by element on a tiny tensor."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from shapes import missing_or_different, shapes

from vitruvian.networks.psa import ParallelAttention, SequentialAttention

Picture = list[list[list[float]]]

CHANNELS, HEIGHT, WIDTH = 16, 2, 3
PLACES = list(product(range(HEIGHT), range(WIDTH)))


def softmax(values: list[float]) -> list[float]:
    total = sum(math.exp(value) for value in values)
    return [math.exp(value) / total for value in values]


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def float64(values: list[float] | list[list[float]]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def dot(weights: list[float], values: list[float]) -> float:
    return sum(w * v for w, v in zip(weights, values, strict=True))


def rows(module: torch.nn.Module, name: str) -> list[list[float]]:
    """A 1x1 convolution's weights, one row an output."""
    values: list[list[float]] = module.get_parameter(f"{name}.weight").detach().double().flatten(1).tolist()
    return values


def bias(module: torch.nn.Module, name: str) -> torch.Tensor:
    return module.get_parameter(f"{name}.bias").detach().flatten()


def convolved(module: torch.nn.Module, name: str, x: Picture) -> list[list[float]]:
    """A 1x1 convolution: for each output its value at each place."""
    return [[dot(row, [x[c][i][j] for c in range(CHANNELS)]) for i, j in PLACES] for row in rows(module, name)]


def average(module: torch.nn.Module, x: Picture) -> list[float]:
    """The channel branch before its expansion: values weighted by the softmax of the query over the places."""
    where = softmax(convolved(module, "conv_q_right", x)[0])
    return [dot(where, values) for values in convolved(module, "conv_v_right", x)]


def gated(x: Picture, channel: list[float], place: list[float]) -> Picture:
    return [
        [[x[c][i][j] * channel[c] * place[i * WIDTH + j] for j in range(WIDTH)] for i in range(HEIGHT)]
        for c in range(CHANNELS)
    ]


def test_parallel_by_hand() -> None:
    module = ParallelAttention(CHANNELS)
    x: Picture = torch.randn(CHANNELS, HEIGHT, WIDTH).double().tolist()
    context = average(module, x)
    channel = [sigmoid(dot(row, context)) for row in rows(module, "conv_up")]
    query = [sum(values) / len(PLACES) for values in convolved(module, "conv_q_left", x)]
    values = convolved(module, "conv_v_left", x)
    at_place = [dot(query, [row[place] for row in values]) for place in range(len(PLACES))]
    place = [sigmoid(value) for value in softmax(at_place)]
    expected = torch.tensor(gated(x, channel, [1.0] * len(PLACES))) + torch.tensor(gated(x, [1.0] * CHANNELS, place))
    found = module.double()(torch.tensor([x], dtype=torch.float64))
    torch.testing.assert_close(found[0].float(), expected)


def test_sequential_by_hand() -> None:
    module = SequentialAttention(CHANNELS).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    x: Picture = torch.randn(CHANNELS, HEIGHT, WIDTH).double().tolist()
    hidden = float64(rows(module, "conv_up.0")) @ float64(average(module, x)) + bias(module, "conv_up.0")
    spread = ((hidden - hidden.mean()) ** 2).mean() + 1e-5
    gain = module.get_parameter("conv_up.1.weight").detach().flatten()
    normed = (hidden - hidden.mean()) / spread.sqrt() * gain + bias(module, "conv_up.1")
    up = float64(rows(module, "conv_up.3")) @ normed.relu() + bias(module, "conv_up.3")
    channel = [sigmoid(value) for value in up.tolist()]
    middle = gated(x, channel, [1.0] * len(PLACES))
    query = [sum(values) / len(PLACES) for values in convolved(module, "conv_q_left", middle)]
    values = [softmax(row) for row in convolved(module, "conv_v_left", middle)]
    place = [sigmoid(dot(query, [row[place] for row in values])) for place in range(len(PLACES))]
    expected = torch.tensor(gated(middle, [1.0] * CHANNELS, place))
    found = module(torch.tensor([x], dtype=torch.float64))
    torch.testing.assert_close(found[0].float(), expected)


BLOCK = "stage4.2.branches.3.0.deattn."


@pytest.mark.parametrize(
    ("name", "expansion"),
    [
        ("psa_p_hrnet_w48_256x192", {"conv_up.weight": (384, 192, 1, 1)}),
        (
            "psa_s_hrnet_w48_384x288",
            {
                "conv_up.0.weight": (48, 192, 1, 1),
                "conv_up.0.bias": (48,),
                "conv_up.1.weight": (48, 1, 1),
                "conv_up.1.bias": (48, 1, 1),
                "conv_up.3.weight": (384, 48, 1, 1),
                "conv_up.3.bias": (384,),
            },
        ),
    ],
)
def test_names_and_shapes_are_the_releases(name: str, expansion: dict[str, tuple[int, ...]]) -> None:
    expected = {
        "conv_q_right.weight": (1, 384, 1, 1),
        "conv_v_right.weight": (192, 384, 1, 1),
        "conv_q_left.weight": (192, 384, 1, 1),
        "conv_v_left.weight": (192, 384, 1, 1),
        **expansion,
    }
    assert missing_or_different(name, {BLOCK + key: shape for key, shape in expected.items()}) == {}
    # One for each basic block: 8 in stage 2, 4 * 12 in stage 3, 3 * 16 in stage 4.
    assert len(shapes(name)) == 1754 + 104 * len(expected)


def test_sits_between_the_two_convolutions() -> None:
    names = [name for name in shapes("psa_p_hrnet_w48_256x192") if name.startswith("stage2.0.branches.0.0.")]
    layers = list(dict.fromkeys(name.split(".")[5] for name in names))
    assert layers == ["conv1", "bn1", "deattn", "conv2", "bn2"]
    assert not any("deattn" in name for name in shapes("psa_p_hrnet_w48_256x192") if name.startswith("layer1"))
