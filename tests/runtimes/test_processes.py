"""Models that ran before a fork run in the child, and models that are pickled run where they arrive."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import vitruvian as vt
from vitruvian import ModelError
from vitruvian.runtimes import ONNX_RUNTIMES, open_runtime

SECONDS = 60
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def convolution(path: Path, batch: int | str) -> Path:
    """A graph with work for several threads: (N, 3, 64, 64) to (N, 16, 32, 32)."""
    weights = np.random.default_rng(0).normal(size=(16, 3, 5, 5)).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2], pads=[2, 2, 2, 2])
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *shape])
        for name, shape in (("x", (3, 64, 64)), ("y", (16, 32, 32)))
    ]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [numpy_helper.from_array(weights, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def run(folder: Path, script: str, *arguments: object) -> None:
    """Runs a script in a process of its own, which must end well within a time limit."""
    file = folder / "script.py"
    file.write_text(script)
    command = [sys.executable, file, *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            _, words = process.communicate(timeout=SECONDS)
        finally:
            # With its children: one that is left behind takes a core from whatever comes next.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, words


# What a child does is compared with what its parent got; it ends by itself, so that whatever it holds is taken down.
FORK = """
import os, sys, threading
import numpy as np
{opened}
batch = np.random.default_rng(0).normal(size=(6, 3, 64, 64)).astype(np.float32)
(expected,) = runtime(batch)
busy = threading.Event()

def work():
    while not busy.is_set():
        runtime(batch)

thread = threading.Thread(target=work)
thread.start()
failed = 0
for _ in range(2):  # mostly while the other thread is in the network
    child = os.fork()
    if not child:
        for _ in range(2):
            (found,) = runtime(batch)
        sys.exit(not np.allclose(found, expected, atol=1e-4))
    failed += os.waitpid(child, 0)[1] != 0
busy.set()
thread.join()
(again,) = runtime(batch)
sys.exit(failed or not np.array_equal(again, expected))
"""


@forks
@pytest.mark.parametrize("engine", ONNX_RUNTIMES)
@pytest.mark.parametrize("batch", ["N", 1])
def test_an_onnx_network_runs_in_a_forked_child(tmp_path: Path, engine: str, batch: int | str) -> None:
    opened = "from vitruvian.runtimes import open_runtime\nruntime = open_runtime(sys.argv[1], sys.argv[2], threads=2)"
    run(tmp_path, FORK.format(opened=opened), convolution(tmp_path / "net.onnx", batch), engine)


@forks
def test_a_torch_network_runs_in_a_forked_child(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the extra `torch` is not installed")
    opened = """
import torch
from vitruvian.runtimes import EngineOptions, open_network
torch.manual_seed(0)
network = torch.nn.Conv2d(3, 64, 5)
runtime = open_network(network, "net.pth", (64, 64), EngineOptions(threads=2))
"""
    run(tmp_path, FORK.format(opened=opened))


WHOLE = """
import os, sys
import numpy as np
import vitruvian as vt

picture = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
boxes = [[40, 20, 200, 220], [100, 30, 300, 230]]
model = vt.load(threads=2)
model(picture)
expected = model(picture, boxes=boxes).keypoints
child = os.fork()
if not child:
    model(picture)
    sys.exit(not np.allclose(model(picture, boxes=boxes).keypoints, expected, atol=0.5))
assert os.waitpid(child, 0)[1] == 0
"""


@forks
def test_a_whole_model_runs_in_a_forked_child(tmp_path: Path) -> None:
    run(tmp_path, WHOLE)


FIRST = """
import os, sys
import numpy as np
from vitruvian.runtimes import open_runtime
sys.setswitchinterval(1e-6)
for _ in range(3):
    child = os.fork()
    if not child:
        (found,) = open_runtime(sys.argv[1], "openvino", threads=2)(np.ones((6, 3, 64, 64), np.float32))
        sys.exit(found.shape != (6, 16, 32, 32))
sys.exit(sum(os.wait()[1] for _ in range(3)))
"""


@forks
def test_streams_do_not_wait_for_each_other_at_their_first_call(tmp_path: Path) -> None:
    """Three new processes side by side: one in five hung while two threads set up OpenVINO's bindings."""
    run(tmp_path, FIRST, convolution(tmp_path / "net.onnx", 1))


ENDED = """
import os, sys
import numpy as np
from vitruvian import ModelError
from vitruvian.runtimes import open_runtime
batch = np.zeros((1, 3, 64, 64), np.float32)
runtime = open_runtime(sys.argv[1], "openvino", threads=1)
if not os.fork():
    runtime(batch)
    runtime._helper._process.kill()
    try:
        runtime(batch)
    except ModelError as error:
        sys.exit("net.onnx: the helper process of this network has ended" not in str(error))
    sys.exit(1)
sys.exit(os.wait()[1])
"""


@forks
def test_a_helper_process_that_is_killed_is_named(tmp_path: Path) -> None:
    run(tmp_path, ENDED, convolution(tmp_path / "net.onnx", "N"))


LOADER = """
import sys
import numpy as np
import torch
from vitruvian.runtimes import open_runtime

class Outputs(torch.utils.data.Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        return runtime(batch[index : index + 1])[0][0]

runtime = open_runtime(sys.argv[1], threads=2)
batch = np.random.default_rng(0).normal(size=(6, 3, 64, 64)).astype(np.float32)
(expected,) = runtime(batch)
loader = torch.utils.data.DataLoader(Outputs(), 2, num_workers=2, multiprocessing_context="fork")
found = torch.cat(list(loader)).numpy()
sys.exit(not np.allclose(found, expected, atol=1e-4))
"""


@forks
def test_data_loader_workers_run_what_their_parent_ran(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the extra `torch` is not installed")
    run(tmp_path, LOADER, convolution(tmp_path / "net.onnx", "N"))


@forks
def test_a_file_that_is_gone_is_named_in_the_child(tmp_path: Path) -> None:
    script = """
import os, sys
import numpy as np
from vitruvian import ModelError
from vitruvian.runtimes import open_runtime
batch = np.zeros((1, 3, 64, 64), np.float32)
runtime = open_runtime(sys.argv[1], threads=1)
os.remove(sys.argv[1])
child = os.fork()
if not child:
    try:
        runtime(batch)
    except ModelError as error:
        sys.exit("net.onnx" not in str(error))
    sys.exit(1)
runtime(batch)
sys.exit(os.waitpid(child, 0)[1])
"""
    run(tmp_path, script, convolution(tmp_path / "net.onnx", "N"))


@pytest.mark.parametrize("engine", ONNX_RUNTIMES)
def test_a_pickled_network_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    monkeypatch.chdir(tmp_path)
    batch = np.random.default_rng(0).normal(size=(3, 3, 64, 64)).astype(np.float32)
    runtime = open_runtime(convolution(Path("net.onnx"), 1), engine, threads=1)
    content = pickle.dumps(runtime)
    assert len(content) < 1000
    monkeypatch.chdir("/")
    again = pickle.loads(content)
    assert (type(again), again.options, again.threads) == (type(runtime), runtime.options, 1)
    assert again(batch)[0] == pytest.approx(runtime(batch)[0])
    (tmp_path / "net.onnx").unlink()
    with pytest.raises(ModelError, match=r"net\.onnx"):
        pickle.loads(content)


def test_a_pickled_torch_network_takes_its_weights_along() -> None:
    torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")
    from vitruvian.runtimes import EngineOptions, open_network

    batch = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    runtime = open_network(torch.nn.Conv2d(3, 4, 3), "net.pth", (8, 8), EngineOptions(precision="bf16"))
    again = pickle.loads(pickle.dumps(runtime))
    assert (again.precision, again.path) == ("bf16", runtime.path)
    assert np.array_equal(again(batch)[0], runtime(batch)[0])


SPAWN = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import vitruvian as vt

if __name__ == "__main__":
    picture = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    boxes = [[40, 20, 200, 220]]
    model = vt.load(threads=1, flip=True, score=0.4)
    expected = model(picture, boxes=boxes)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = pool.submit(model, picture, boxes).result()
    sys.exit(not (np.allclose(found.keypoints, expected.keypoints, atol=0.5) and found.skeleton == expected.skeleton))
"""


def test_a_whole_model_runs_in_a_spawned_process(tmp_path: Path) -> None:
    run(tmp_path, SPAWN)


def test_a_pickled_model_keeps_its_settings() -> None:
    model = vt.load(threads=1, flip=True, score=0.4, max_persons=3, refine="udp")
    again = pickle.loads(pickle.dumps(model))
    assert repr(again) == repr(model)
    assert (again.pose.flip, again.pose.card, again.pose.codec) == (True, model.pose.card, model.pose.codec)
    assert (again.detector.score, again.detector.max_persons, again.detector.card) == (0.4, 3, model.detector.card)


def test_onnxruntime_is_told_to_report_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import os\nimport vitruvian.zoo\nassert os.environ['ORT_DISABLE_TELEMETRY'] == '{}'"
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY")
    run(tmp_path, script.format(1))
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    run(tmp_path, script.format(0))
