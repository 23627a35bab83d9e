"""The torch runtime gives the network's own numbers, in every precision that it takes."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from vitruvian import InputError, ModelError
from vitruvian.runtimes import EngineOptions, open_network, open_runtime

torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")

SIZE = (32, 48)


class Twice(torch.nn.Module):
    """Two outputs, and weights of which none is zero."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 8, 3, stride=2)

    def forward(self, x: "torch.Tensor") -> tuple["torch.Tensor", "torch.Tensor"]:
        y = self.conv(x)
        return y, y.mean(dim=(2, 3))


@pytest.fixture
def samples() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(5, 3, *SIZE)).astype(np.float32)


def test_outputs_are_the_network_s_for_any_batch(samples: np.ndarray) -> None:
    network = Twice()
    with torch.no_grad():
        expected = [output.numpy() for output in network(torch.from_numpy(samples))]
    runtime = open_network(network, "net.pth", SIZE, EngineOptions(threads=2))
    assert [output.shape for output in runtime.outputs] == [(None, 8, 15, 23), (None, 8)]
    for count in (1, 5):
        for ours, theirs in zip(runtime(samples[:count]), expected, strict=True):
            assert ours == pytest.approx(theirs[:count], abs=1e-5)


def test_lower_precision_is_float32_outside_and_coarser_inside(samples: np.ndarray) -> None:
    options = [EngineOptions(precision=precision) for precision in ("fp32", "bf16")]
    exact, coarse = (open_network(Twice(), "net.pth", SIZE, given)(samples)[0] for given in options)
    assert coarse.dtype == np.float32
    # bfloat16 has 8 bits: 1 / 256 of a sum's parts, of which there are 27.
    assert 0 < np.abs(exact - coarse).max() < 0.05


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("default")  # torch's own, while it compiles
def test_compiled_it_gives_the_same(samples: np.ndarray) -> None:
    options = [EngineOptions(compile=compile) for compile in (False, True)]
    plain, compiled = (open_network(Twice(), "net.pth", SIZE, given)(samples) for given in options)
    for ours, theirs in zip(compiled, plain, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"device": "quantum"}, "torch has no device 'quantum' here; it has cpu"),
        ({"device": "cuda:99"}, "cuda:99"),
        ({"threads": 0}, "at least 1"),
        ({"precision": "int3"}, "bf16"),
    ],
)
def test_bad_settings_are_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        open_network(Twice(), "net.pth", SIZE, EngineOptions(**arguments))


def test_a_size_that_the_network_does_not_take_is_refused_by_name() -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(7, 2))
    with pytest.raises(ModelError, match=r"net\.pth: the network could not be run"):
        open_network(network, Path("net.pth"), SIZE)


def test_an_onnx_file_is_not_torch_s(make_onnx) -> None:
    with pytest.raises(InputError, match="not ONNX"):
        open_runtime(make_onnx({"output": np.ones(3, np.float32)}), "torch")


def test_onnxruntime_does_not_change_a_file_s_precision(make_onnx) -> None:
    with pytest.raises(InputError, match="bf16"):
        open_runtime(make_onnx({"output": np.ones(3, np.float32)}), "onnxruntime", precision="bf16")
