"""What the tests of training share."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Networks as small as these ones wait for each other's threads longer than they compute."""
    torch.set_num_threads(1)
