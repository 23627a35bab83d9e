"""What several rooms' tests need: the real files beside the repository, and small networks made here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from drawn import data_set
from vitruvian.datasets import Source

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the user's cache out of the tests, and the tests out of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITRUVIAN_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own: the folder of downloads."""
    folder = tmp_path / "home"
    monkeypatch.setenv("VITRUVIAN_HOME", str(folder))
    monkeypatch.delenv("VITRUVIAN_OFFLINE", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    return folder / "models"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real models, pictures and videos; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"the real models and pictures in {SHARED.name}/ beside the repository are absent")
    return SHARED


@pytest.fixture(scope="session")
def val(shared: Path) -> Path:
    """COCO's pictures that measure, with annotations and detections."""
    return shared / "data/coco_mini/val"


@pytest.fixture(scope="session")
def complete(val: Path) -> dict[str, Any]:
    """The annotations of the pictures that have detections: there everybody is annotated."""
    data = json.loads((val / "person_keypoints.json").read_text())
    ids = {found["image_id"] for found in json.loads((val / "person_detections.json").read_text())}
    data["images"] = [image for image in data["images"] if image["id"] in ids]
    data["annotations"] = [person for person in data["annotations"] if person["image_id"] in ids]
    return data


@pytest.fixture
def draw(tmp_path: Path) -> Callable[..., Source]:
    """Writes a data set of so many pictures with one person each; see `drawn.data_set`."""
    return partial(data_set, tmp_path)


Maker = Callable[..., Path]


@pytest.fixture
def make_onnx(tmp_path: Path) -> Maker:
    """Writes an ONNX file whose outputs are constants, repeated for each sample of the batch."""

    def make(
        outputs: dict[str, np.ndarray],
        *,
        input_shape: tuple[int | str, ...] = ("N", 3, 256, 192),
        metadata: dict[str, str] | None = None,
        name: str = "model.onnx",
    ) -> Path:
        nodes = [
            helper.make_node("Shape", ["input"], ["batch"], start=0, end=1),
        ]
        for key, value in outputs.items():
            rest = numpy_helper.from_array(np.array(value.shape, np.int64), f"{key}_shape")
            constant = numpy_helper.from_array(value[None], f"{key}_value")
            nodes += [
                helper.make_node("Constant", [], [f"{key}_one"], value=constant),
                helper.make_node("Constant", [], [f"{key}_rest"], value=rest),
                helper.make_node("Concat", ["batch", f"{key}_rest"], [f"{key}_full"], axis=0),
                helper.make_node("Expand", [f"{key}_one", f"{key}_full"], [key]),
            ]
        infos = [
            helper.make_tensor_value_info(
                key, helper.np_dtype_to_tensor_dtype(value.dtype), [input_shape[0], *value.shape]
            )
            for key, value in outputs.items()
        ]
        entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, list(input_shape))
        graph = helper.make_graph(nodes, "constants", [entry], infos)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, metadata or {})
        path = tmp_path / name
        onnx.save(model, path)
        return path

    return make
