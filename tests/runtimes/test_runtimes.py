"""Engines agree with each other and with torch, whatever the batch."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from vitruvian import InputError, ModelError
from vitruvian.runtimes import ONNX_RUNTIMES, open_runtime, usable_cores

ENGINES = list(ONNX_RUNTIMES)
torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")


@pytest.fixture(scope="module")
def network() -> "torch.nn.Module":
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3)).eval()


def export(network: "torch.nn.Module", path: Path, batch: int | None) -> Path:
    axes = None if batch else {"input": {0: "N"}, "output": {0: "N"}}
    example = torch.zeros(batch or 1, 3, 32, 48)
    torch.onnx.export(
        network, (example,), path, input_names=["input"], output_names=["output"], dynamic_axes=axes, dynamo=False
    )
    return path


@pytest.mark.filterwarnings("default")  # the exporter's own deprecation notes
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch", [None, 1, 4])
def test_any_number_of_samples_through_any_batch_size(network, tmp_path: Path, engine: str, batch: int | None) -> None:
    runtime = open_runtime(export(network, tmp_path / "n.onnx", batch), engine, threads=2)
    assert runtime.inputs[0].shape == (batch, 3, 32, 48)
    samples = np.random.default_rng(0).normal(size=(7, 3, 32, 48)).astype(np.float32)
    expected = network(torch.from_numpy(samples)).detach().numpy()
    for count in (1, 4, 7):
        (output,) = runtime(samples[:count])
        assert output.shape == (count, 4, 13, 21)
        assert output == pytest.approx(expected[:count], abs=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_graph_that_breaks_its_promise_of_any_batch_runs_one_by_one(shared: Path, engine: str) -> None:
    # This file declares a free batch, but its NMS only works for one picture.
    runtime = open_runtime(shared / "models/rtmdet_nano_person.onnx", engine)
    pictures = np.random.default_rng(0).normal(size=(3, 3, 320, 320)).astype(np.float32)
    one_by_one = [runtime(pictures[i : i + 1]) for i in range(3)]
    dets, labels = runtime(pictures)
    assert dets.shape[0] == labels.shape[0] == 3
    for index, (own_dets, _) in enumerate(one_by_one):
        assert dets[index] == pytest.approx(own_dets[0], abs=1e-3)


def mean_of_the_first(path: Path, batch: int | str, kind: int = TensorProto.FLOAT) -> Path:
    """A graph that returns the mean of the first sample alone, however many there are."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["means"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Gather", ["means", "first"], ["y"], axis=0),
    ]
    first = helper.make_tensor("first", TensorProto.INT64, [1], [0])
    entry = helper.make_tensor_value_info("x", kind, [batch, 3, 8, 8])
    graph = helper.make_graph(nodes, "g", [entry], [helper.make_tensor_value_info("y", kind, ["M", 1, 1, 1])], [first])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.mark.parametrize("engine", ENGINES)
def test_a_graph_that_returns_one_sample_of_many_runs_one_by_one(tmp_path: Path, engine: str) -> None:
    samples = np.ones((5, 3, 8, 8), np.float32) * np.arange(5, dtype=np.float32)[:, None, None, None]
    runtime = open_runtime(mean_of_the_first(tmp_path / "n.onnx", "N"), engine)
    assert runtime(samples)[0].ravel() == pytest.approx(range(5))
    with pytest.raises(ModelError, match=r"n\.onnx: for 4 samples the network returns 1"):
        open_runtime(mean_of_the_first(tmp_path / "n.onnx", 4), engine)(samples)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_around_a_graph_of_halves_or_doubles_all_is_float32(tmp_path: Path, engine: str, kind: int) -> None:
    runtime = open_runtime(mean_of_the_first(tmp_path / "n.onnx", "N", kind), engine)
    (output,) = runtime(np.full((1, 3, 8, 8), 0.25, np.float32))
    assert output.dtype == np.float32
    assert output.ravel() == pytest.approx([0.25])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["batch1", "rtm1", "simcc_fp16_input"])
def test_real_graphs_that_break_a_promise(shared: Path, engine: str, name: str) -> None:
    runtime = open_runtime(shared / "cases" / f"{name}.onnx", engine)
    size = [length or 64 for length in runtime.inputs[0].shape[2:]]
    samples = np.random.default_rng(0).uniform(size=(3, 3, *size)).astype(np.float32)
    alone = [runtime(samples[i : i + 1]) for i in range(3)]
    for output, *parts in zip(runtime(samples), *alone, strict=True):
        assert output == pytest.approx(np.concatenate(parts))


@pytest.mark.parametrize("engine", ENGINES)
def test_metadata_of_the_file_is_read(make_onnx, engine: str) -> None:
    file = make_onnx({"output": np.ones(3, np.float32)}, metadata={"vitruvian": '{"a": "ü"}', "author": "me"})
    assert dict(open_runtime(file, engine).metadata) == {"vitruvian": '{"a": "ü"}', "author": "me"}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07garbage" * 100])
def test_what_is_no_onnx_is_refused_by_name(tmp_path: Path, engine: str, content: bytes, capfd) -> None:
    file = tmp_path / "broken.onnx"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"broken\.onnx"):
        open_runtime(file, engine)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"runtime": "tflite"}, "auto, openvino, onnxruntime"),
        ({"precision": "int3"}, "fp32, auto"),
        ({"threads": 0}, "at least 1"),
        ({"threads": "x"}, "threads is 'x'; a whole number"),
        ({"threads": True}, "threads is True"),
        ({"threads": 1.5}, "threads is 1.5"),
        ({"device": 0}, "device is 0"),
        ({"device": "quantum"}, "quantum"),
        ({"device": "cuda", "runtime": "openvino"}, "cuda"),
        ({"device": "gpu", "runtime": "onnxruntime"}, "gpu"),
    ],
)
def test_bad_arguments_say_what_is_possible(make_onnx, arguments: dict, words: str) -> None:
    file = make_onnx({"output": np.ones(3, np.float32)})
    with pytest.raises(InputError, match=words):
        open_runtime(file, **arguments)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ModelError, match=r"nowhere\.onnx"):
        open_runtime("nowhere.onnx")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_failing_network_is_named_and_the_next_call_works(make_onnx, engine: str) -> None:
    runtime = open_runtime(make_onnx({"output": np.ones(3, np.float32)}), engine)
    with pytest.raises(ModelError, match=r"model\.onnx"):
        runtime(np.zeros((1, 3, 10, 10), np.float32))
    assert runtime(np.zeros((2, 3, 256, 192), np.float32))[0].tolist() == [[1, 1, 1]] * 2


def test_the_repr_says_engine_precision_and_place(make_onnx) -> None:
    file = make_onnx({"output": np.ones(3, np.float32)})
    assert repr(open_runtime(file, "openvino", threads=2)) == "openvino in fp32 on cpu, 2 threads"
    assert repr(open_runtime(file, "onnxruntime", "CPU", 1)) == "onnxruntime in fp32 on cpu, 1 thread"


def test_cores_are_at_least_one() -> None:
    assert usable_cores() >= 1
