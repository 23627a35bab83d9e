"""A cache of its own for every test, and a server to download from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vitruvian.hub import transfer
from weight_server import Server, serving


@pytest.fixture(autouse=True)
def _own_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the fixture for every test of the folder, and waits less between tries."""
    monkeypatch.setattr(transfer, "PAUSE_SECONDS", 0.01)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running
