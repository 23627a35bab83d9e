"""Which engine runs a network fastest on this machine's CPU, for one sample and for a batch?

Opens each network in every installed engine and precision, as `vitruvian` itself does, and lets them take turns: each
round, each runs for at least --seconds. Printed are the medians of samples per second, and the median of the rounds'
ratios to OpenVINO's fp32, with the smallest and the largest. Where those two lie far apart, other work has disturbed
the run. Which engine wins depends on the processor and the number of cores. The inputs are noise, so an NMS inside a
detector has little to do.

    python benchmarks/runtime_speed.py MODEL.onnx... [--batches 1 12] [--size 320] [--threads N] [--rounds 7]
"""

from __future__ import annotations

import argparse
import statistics
import time
from importlib import util
from pathlib import Path

import numpy as np

from vitruvian.runtimes import Runtime, open_runtime, usable_cores

ENGINES = (("openvino", "fp32"), ("openvino", "auto"), ("onnxruntime", "fp32"))


def samples_per_second(runtime: Runtime, batch: np.ndarray, seconds: float) -> float:
    # The engine before it may still have threads that wait busily for more work.
    time.sleep(0.1)
    runtime(batch)
    calls, started = 0, time.perf_counter()
    while (took := time.perf_counter() - started) < seconds or calls < 3:
        runtime(batch)
        calls += 1
    return calls * len(batch) / took


def compare(path: Path, size: int, batch_size: int, arguments: argparse.Namespace) -> None:
    # Opened anew for each batch size: a network that turns out to take one sample at a time changes its streams.
    runtimes = {
        (engine, precision): open_runtime(path, engine, threads=arguments.threads, precision=precision)
        for engine, precision in ENGINES
        if util.find_spec(engine)
    }
    shape = next(iter(runtimes.values())).inputs[0].shape
    batch = np.random.default_rng(0).standard_normal((batch_size, 3, shape[2] or size, shape[3] or size), np.float32)
    for runtime in runtimes.values():
        runtime(batch)
    rounds = [
        {engine: samples_per_second(runtime, batch, arguments.seconds) for engine, runtime in runtimes.items()}
        for _ in range(arguments.rounds)
    ]
    reference = next(iter(runtimes))
    for engine in runtimes:
        ratios = [r[engine] / r[reference] for r in rounds]
        print(
            f"{path.stem:24} {batch.shape[2]}x{batch.shape[3]} batch {batch_size:2}  {engine[0]:11} {engine[1]}: "
            f"{statistics.median(r[engine] for r in rounds):6.1f} samples/s, "
            f"{statistics.median(ratios):.2f} x {' '.join(reference)} ({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 12])
    parser.add_argument("--size", type=int, default=320, help="height and width where the network takes any")
    parser.add_argument("--threads", type=int, help="CPU threads [all usable cores]")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.7, help="how long each runs in a round")
    arguments = parser.parse_args()
    print(f"{arguments.threads or usable_cores()} CPU threads, {arguments.rounds} rounds")
    for path in arguments.models:
        for batch_size in arguments.batches:
            compare(path, arguments.size, batch_size, arguments)


if __name__ == "__main__":
    main()
