"""The average of the weights that is evaluated."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from vitruvian.training.module import update_average


def test_the_random_start_is_soon_forgotten_and_the_decay_reached():
    layer = nn.Linear(1, 1, bias=False)
    average = AveragedModel(layer, multi_avg_fn=partial(update_average, 0.9))
    expected = None
    for step in range(200):
        with torch.no_grad():
            layer.weight.fill_(float(step))
        average.update_parameters(layer)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = float(step) if expected is None else decay * expected + (1 - decay) * step
    assert average.module.weight.item() == pytest.approx(expected, rel=1e-5)
    # A mean of what was, d / (1 - d) = 9 steps back.
    assert expected == pytest.approx(199 - 9, abs=0.01)
