"""Polarized self-attention against the release's formulas, element by element on a tiny tensor."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from shapes import missing_or_different, shapes

from vitruvian.networks.psa import ParallelAttention, SequentialAttention

Picture = list[list[list[float]]]

CHANNELS, HEIGHT, WIDTH = 8, 2, 3
PLACES = list(product(range(HEIGHT), range(WIDTH)))


def softmax(values: list[float]) -> list[float]:
    total = sum(math.exp(value) for value in values)
    return [math.exp(value) / total for value in values]


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def dot(weights: list[float], values: list[float]) -> float:
    return sum(w * v for w, v in zip(weights, values, strict=True))


def rows(module: torch.nn.Module, name: str) -> list[list[float]]:
    """A 1x1 convolution's weights, one row an output."""
    weight = module.get_submodule(name).weight
    assert isinstance(weight, torch.Tensor)
    return weight.detach().double().flatten(1).tolist()


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
    module = SequentialAttention(CHANNELS)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    x: Picture = torch.randn(CHANNELS, HEIGHT, WIDTH).double().tolist()
    context = average(module, x)
    down, norm, up = (module.get_submodule(f"conv_up.{index}") for index in (0, 1, 3))
    # The bottleneck is one channel wide, so that the layer norm leaves its bias alone.
    narrow = max(norm.bias.item(), 0)
    assert down.weight.shape == (1, CHANNELS // 2, 1, 1)
    assert len(context) == CHANNELS // 2
    channel = [sigmoid(up.weight[c, 0, 0, 0].item() * narrow + up.bias[c].item()) for c in range(CHANNELS)]
    middle = gated(x, channel, [1.0] * len(PLACES))
    query = [sum(values) / len(PLACES) for values in convolved(module, "conv_q_left", middle)]
    values = [softmax(row) for row in convolved(module, "conv_v_left", middle)]
    place = [sigmoid(dot(query, [row[place] for row in values])) for place in range(len(PLACES))]
    expected = torch.tensor(gated(middle, [1.0] * CHANNELS, place))
    found = module.double()(torch.tensor([x], dtype=torch.float64))
    torch.testing.assert_close(found[0].float(), expected)


def test_sequential_normalises_the_bottleneck_over_its_channels() -> None:
    module = SequentialAttention(32)
    hidden: list[torch.Tensor] = []
    module.get_submodule("conv_up.1").register_forward_hook(lambda *call: hidden.append(call[2]))
    module(torch.randn(3, 32, 4, 4))
    assert hidden[0].shape == (3, 4, 1, 1)
    assert hidden[0].mean(dim=1).abs().max() < 1e-5


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
