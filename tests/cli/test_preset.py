"""`vitruvian predict --preset`."""

from __future__ import annotations

import pytest
from known import Command, make_picture


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, folder) -> None:
    monkeypatch.setenv("VITRUVIAN_HOME", str(folder / "home"))
    monkeypatch.setenv("VITRUVIAN_OFFLINE", "1")
    make_picture(folder / "photo.png")


def test_fast_is_inside_the_package(command: Command) -> None:
    done = command("predict", "photo.png", "--preset", "fast")
    assert (done.code, "1 picture, 0 persons" in done.out) == (0, True)


@pytest.mark.parametrize(("preset", "detector"), [("balanced", "rtmdet_nano"), ("accurate", "rtmdet_m")])
def test_the_others_are_downloaded(command: Command, preset: str, detector: str) -> None:
    done = command("predict", "photo.png", "--preset", preset)
    assert (done.code, done.out) == (2, "")
    assert f"get it from https://download.openmmlab.com/mmpose/v1/projects/rtmposev1/onnx_sdk/{detector}_" in done.err


def test_what_is_given_beside_it_wins(command: Command, predict: Command) -> None:
    done = predict("photo.png", "--preset", "accurate")
    assert (done.code, "1 picture, 2 persons" in done.out) == (0, True)


def test_what_there_is_not(command: Command) -> None:
    done = command("predict", "photo.png", "--preset", "quick")
    assert done.code == 2
    assert "'fast', 'balanced', 'accurate'" in done.err
