"""Networks under the prefixes of what wrapped them, and what may stand beside them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

import vitruvian as vt
from published import mmpose, pose_estimation, random_network
from vitruvian.models.yolov5 import YOLOv5Spec

Weights = dict[str, Tensor]
LAYOUTS: dict[str, Callable[[Weights], Weights]] = {
    "authors": dict,
    "pose-estimation": pose_estimation,
    "mmpose": lambda weights: mmpose(weights, "head."),
}


@cache
def network() -> nn.Module:
    return random_network("simdr_hrnet_w32_256x192", width=8, num_keypoints=5, input_size=(64, 64))


def prefixed(prefix: str, weights: Weights) -> Weights:
    return {f"{prefix}{name}": tensor for name, tensor in weights.items()}


def loaded(tmp_path: Path, content: Any) -> vt.zoo.Loaded:
    torch.save(content, tmp_path / "wrapped.pth")
    return vt.zoo.load_checkpoint(None, tmp_path / "wrapped.pth")


def ignored(found: vt.zoo.Loaded) -> list[str]:
    return [note for note in found.identity.notes if "ignored" in note]


WRAPPED = {
    "DataParallel": (lambda weights: prefixed("module.", weights), ""),
    "compiled and parallel": (lambda weights: prefixed("module._orig_mod.", weights), ""),
    "any name": (lambda weights: prefixed("pose_estimator.", weights), ""),
    "averaged": (lambda weights: prefixed("module.", weights) | {"n_averaged": torch.tensor(7)}, "n_averaged"),
    "Lightning with a loss": (
        lambda weights: {"state_dict": prefixed("model.", weights) | {"loss.weight": torch.ones(5)}, "epoch": 3},
        "loss.weight",
    ),
    "two wrappers with a number in each": (
        lambda weights: prefixed("net.module.", weights) | {"net.n_averaged": torch.tensor(7), "best": torch.ones(())},
        "n_averaged, best",
    ),
    "beside a loss": (lambda weights: weights | {"criterion.target_weight": torch.ones(1, 5, 1)}, "criterion."),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize(("wrap", "strays"), WRAPPED.values(), ids=WRAPPED)
def test_wrapped_networks(tmp_path: Path, layout: Callable[[Weights], Weights], wrap: Any, strays: str) -> None:
    found = loaded(tmp_path, wrap(layout(dict(network().state_dict()))))
    ours, theirs = found.network.state_dict(), network().state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert len(ignored(found)) == bool(strays)
    assert all(note.startswith(strays) for note in ignored(found))


def test_what_is_ignored_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "vitruvian")
    averaged = AveragedModel(network())
    assert "n_averaged" in averaged.state_dict()
    loaded(tmp_path, averaged.state_dict())
    assert "wrapped.pth: n_averaged: no part of the network, ignored" in caplog.text


def test_yolov5_keeps_the_name_of_its_own_model(tmp_path: Path) -> None:
    weights = dict(random_network("yolov5n", num_classes=2).state_dict())
    assert next(iter(weights)) == "model.0.conv.weight"
    for content in (weights, prefixed("model.", weights) | {"n_averaged": torch.tensor(1)}):
        spec = loaded(tmp_path, content).identity.spec
        assert isinstance(spec, YOLOv5Spec)
        assert spec.num_classes == 2


WHOLE = prefixed("module.", dict(network().state_dict()))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        # A matrix may be a layer behind the network.
        (WHOLE | {"refine.weight": torch.ones(5, 5)}, r"1 unexpected: refine\.weight"),
        (WHOLE | {"module.refine.weight": torch.ones(5, 5)}, r"1 unexpected: refine\.weight"),
        # Beside the others of a part of the network it belongs to that part.
        (WHOLE | {"module.stage4.3.scale": torch.ones(1)}, r"1 unexpected: stage4\.3\.scale"),
        (WHOLE | {f"module.loss.{i}": torch.ones(1) for i in range(9)}, r"9 unexpected: loss\.0"),
        (WHOLE | {f"loss.{i}": torch.ones(1) for i in range(9)}, "no network that Vitruvian knows"),
        ({name: WHOLE[name] for name in WHOLE if name != "module.bn2.weight"}, r"1 missing: bn2\.weight"),
        (
            prefixed("student.", dict(network().state_dict())) | prefixed("teacher.", dict(network().state_dict())),
            "no network that Vitruvian knows",
        ),
        # The same names twice: nobody can tell which are meant.
        (WHOLE | {"final_layer.bias": torch.ones(5)}, "no network that Vitruvian knows"),
    ],
)
def test_what_is_no_wrapped_network(tmp_path: Path, content: Weights, says: str) -> None:
    with pytest.raises(vt.ModelError, match=rf"wrapped\.pth.*{says}"):
        loaded(tmp_path, content)


@pytest.mark.parametrize(
    "names", [("final_layer.weight", "final_layer.bias"), ("layer1.0.conv1.weight", "layer1.0.bn1.weight")]
)
def test_parts_alone_keep_their_names(tmp_path: Path, names: tuple[str, ...]) -> None:
    torch.save({name: torch.ones(2) for name in names}, tmp_path / "part.pth")
    assert tuple(vt.zoo.read_checkpoint(tmp_path / "part.pth").tensors) == names


def test_a_name_without_end_is_no_wrapper(tmp_path: Path) -> None:
    name = "a." * 300_000 + "b.weight"
    torch.save({name: torch.ones(1)}, tmp_path / "deep.pth")
    (left,) = vt.zoo.read_checkpoint(tmp_path / "deep.pth").tensors
    assert name.endswith(left)
    assert len(left) > len(name) - 20


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("half", [False, True])
def test_weights_that_are_no_numbers(tmp_path: Path, value: float, half: bool) -> None:
    weights = {name: tensor.clone() for name, tensor in pose_estimation(network().state_dict()).items()}
    for name in ("final_layer.bias", "backbone.layer1.0.bn2.running_var"):
        weights[name][2] = value
    weights = {name: tensor.half() if half else tensor for name, tensor in weights.items()}
    with pytest.raises(
        vt.ModelError, match=r"wrapped\.pth: layer1\.0\.bn2\.running_var has values that are NaN or inf"
    ):
        loaded(tmp_path, weights)


def test_what_is_ignored_may_be_infinite(tmp_path: Path) -> None:
    found = loaded(tmp_path, WHOLE | {"best_loss": torch.tensor(float("inf"))})
    assert ignored(found) == ["best_loss: no part of the network, ignored"]
