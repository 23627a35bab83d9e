"""Check of whether a pose net keeps its accuracy in the reduced precision that an engine would choose."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from ..errors import OutputError
from ..io import write_file
from ..runtimes import EngineOptions, open_onnx
from .cache import cache_folder
from .downloads import file_digest

if TYPE_CHECKING:
    from ..runtimes import Runtime

# Nets whose outputs move less keep their AP to 0.003. Measured: moved by 0.007, a loss of 0.0002 AP for this
# project's pyramid; moved by 0.052, a loss of 0.0063 AP for PP-TinyPose. Detectors lost none (benchmarks/README.md).
LIMIT = 0.02

logger = logging.getLogger("vitruvian")


def accurate(network: Runtime, size: tuple[int, int], engine: EngineOptions) -> Runtime:
    """The network, or where precision is "auto" and would cost it accuracy, the same file opened in fp32.

    What is measured is kept in the cache, by the file's content.

    Args:
        network: a pose net opened with `engine`.
        size: (height, width) of its input in pixels.
        engine: how it runs.
    """
    if engine.precision != "auto" or network.precision == "fp32":
        return network
    known = [file_digest(network.path), size, version("openvino"), LIMIT]
    key = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]
    record = cache_folder() / "precision" / f"{key}.json"
    try:
        change = float(json.loads(record.read_text())["change"])
    except (OSError, ValueError, KeyError, TypeError):
        exact = open_onnx(network.path, replace(engine, runtime="openvino", precision="fp32"))
        change = _change(exact, network, size)
        with contextlib.suppress(OutputError):  # then it is measured again the next time
            write_file(record, json.dumps({"file": network.path.name, "change": change}).encode())
        if change > LIMIT:
            logger.debug(
                "%s runs in fp32: %s moves its outputs by %.1f %%", network.path, network.precision, change * 100
            )
    if change <= LIMIT:
        return network
    return open_onnx(network.path, replace(engine, precision="fp32"))


def _change(exact: Runtime, reduced: Runtime, size: tuple[int, int]) -> float:
    """The root mean square of the outputs' differences on noise, in parts of their standard deviations."""
    noise = np.random.default_rng(0).standard_normal((2, 3, *size), np.float32)
    pairs = zip(exact(noise), reduced(noise), strict=True)
    changes = [np.sqrt(np.mean((one - other) ** 2)) / max(float(np.std(one)), 1e-12) for one, other in pairs]
    return float(np.nan_to_num(max(changes), nan=np.inf))
