"""Networks and files as their authors publish them, with random weights."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vitruvian import networks
from vitruvian.networks import yolov5


def random_network(name: str, **options: Any) -> nn.Module:
    """A network whose every number is random: fresh ones have zeros and ones that would hide a mix-up.

    Weights shrink with what they add up, so that no feature overflows.
    """
    torch.manual_seed(3)
    network = networks.create(name, **options)
    for key, tensor in network.state_dict().items():
        if tensor.dim() > 1:
            tensor.normal_(std=tensor[0].numel() ** -0.5)
        elif tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5) if key.endswith((".weight", "_var")) else tensor.normal_(std=0.1)
    return network.eval()


def pose_estimation(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An HRNet's names as sithu31296/pose-estimation has them: its backbone is a part, beside the last layers."""
    last = ("final_layer.", "mlp_head_x.", "mlp_head_y.")
    return {name if name.startswith(last) else f"backbone.{name}": tensor for name, tensor in tensors.items()}


def mmpose(tensors: dict[str, Tensor], head: str, maps: str = "") -> dict[str, Tensor]:
    """An HRNet's or a ResNet's names as MMPose has them; SimCC's head has a part `maps` for what makes its maps."""
    homes = {"deconv_layers.": head + maps, "final_layer.": head + maps, "mlp_head_": head}
    return {
        next((home for start, home in homes.items() if name.startswith(start)), "backbone.") + name: tensor
        for name, tensor in tensors.items()
    }


def mmpose_rle(tensors: dict[str, Tensor], head: str, loss: str) -> dict[str, Tensor]:
    """RLEPose's tensors as MMPose has them: one layer for coordinates and sigmas, and the flow inside of the loss."""
    theirs = {"backbone." + name.removeprefix("preact."): value for name, value in tensors.items() if "preact." in name}
    coordinates, sigma = (tensors[f"fc_{part}.linear.weight"] for part in ("coord", "sigma"))
    x, y, sigma_x, sigma_y = coordinates[0::2], coordinates[1::2], sigma[0::2], sigma[1::2]
    theirs[f"{head}fc.weight"] = torch.stack((x, y, sigma_x, sigma_y), dim=1).flatten(0, 1)
    shift, spread = (tensors[f"fc_{part}.linear.bias"].view(-1, 2) for part in ("coord", "sigma"))
    theirs[f"{head}fc.bias"] = torch.cat((shift + 0.5, spread), dim=1).flatten()
    theirs |= {
        f"{head}{loss}.flow_{name.replace('flow', 'model', 1)}": tensors[name] for name in tensors if "flow." in name
    }
    return theirs | {f"{head}{loss}.flow_model.loc": torch.zeros(2), f"{head}{loss}.flow_model.cov": torch.eye(2)}


def save_whole_yolov5(monkeypatch: pytest.MonkeyPatch, network: nn.Module, path: Path, **attributes: Any) -> None:
    """Pickles the model itself, under the module names of YOLOv5's repository, in half precision."""
    homes = {"models": ModuleType("models"), "models.yolo": ModuleType("models.yolo")}
    homes["models.common"] = ModuleType("models.common")
    with monkeypatch.context() as patch:
        for name, home in homes.items():
            patch.setitem(sys.modules, name, home)
        for item in vars(yolov5).values():
            if isinstance(item, type) and issubclass(item, nn.Module) and item.__module__ == yolov5.__name__:
                where = "models.yolo" if item.__name__ in ("YOLOv5", "Detect") else "models.common"
                setattr(homes[where], item.__name__, item)
                patch.setattr(item, "__module__", where)
        for name, value in attributes.items():
            setattr(network, name, value)
        torch.save({"epoch": -1, "best_fitness": None, "model": network.half(), "ema": None, "optimizer": None}, path)
    network.float()


def zipped(pickle: bytes, path: Path) -> Path:
    """A PyTorch archive around a pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle)
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/version", "3\n")
    return path


def legacy(pickle: bytes, path: Path) -> Path:
    """A PyTorch file of before 1.6 around a pickle: what an empty one has before and after."""
    whole = io.BytesIO()
    torch.save({}, whole, _use_new_zipfile_serialization=False)
    empty = b"\x80\x02}q\x00."
    assert whole.getvalue().count(empty) == 1
    path.write_bytes(whole.getvalue().replace(empty, pickle))
    return path
