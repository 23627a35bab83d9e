"""A cache of its own for every test, and a server to download from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from weight_server import Server, serving

from vitruvian.hub import transfer


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where downloads go."""
    folder = tmp_path / "home"
    monkeypatch.setenv("VITRUVIAN_HOME", str(folder))
    monkeypatch.delenv("VITRUVIAN_OFFLINE", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(transfer, "PAUSE_SECONDS", 0.01)
    return folder / "models"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running
