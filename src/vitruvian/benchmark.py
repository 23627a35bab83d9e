"""Timing of a model's stages on a source, and of its networks in each engine, precision and batch size."""

from __future__ import annotations

import contextlib
import itertools
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError, VitruvianError
from .media import VideoWriter, write_image
from .media.threads import Background
from .runtimes import ONNX_RUNTIMES, EngineOptions, open_onnx

if TYPE_CHECKING:
    from .media import Frame, Image, Source, VideoInfo
    from .pipeline import TopDown
    from .runtimes import Precision, Runtime

NETWORKS = ("detector network", "pose network")
STAGES = ("decode", "detector network", "boxes", "crops", "pose network", "keypoints", "draw", "encode")
BATCHES = (1, 4, 16)
PRECISIONS: tuple[Precision, ...] = ("fp32", "auto")
_ROUNDS = 3
_WRITER_QUEUE = 8


@dataclass(frozen=True)
class Setting:
    """How fast a network runs in one way.

    Args:
        network: one of `NETWORKS`.
        runtime: the engine.
        precision: what the engine computes in.
        batch: samples a call.
        samples_per_second: the median of three rounds.
    """

    network: str
    runtime: str
    precision: str
    batch: int
    samples_per_second: float


@dataclass(frozen=True)
class Timing:
    """Times of a model on a source.

    Args:
        frames, persons: how many were measured.
        stages: seconds a frame of each of `STAGES`, one after the other. "boxes" is letterbox, decoding and NMS of the
            detector, "crops" cropping and normalisation.
        whole: seconds a frame of all stages at once, in threads, as `vitruvian predict` runs them.
        networks: seconds a frame, of `whole`, during which at least one network runs.
    """

    frames: int
    persons: int
    stages: dict[str, float]
    whole: float
    networks: float

    @property
    def bottleneck(self) -> str:
        """The stage that takes the most time."""
        return max(self.stages, key=self.stages.__getitem__)


class Clock:
    """Seconds during which at least one of some networks runs, in whatever threads."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._running = 0
        self._since = 0.0
        self._lock = threading.Lock()

    def change(self, number: int) -> None:
        with self._lock:
            now = time.perf_counter()
            if self._running:
                self.seconds += now - self._since
            self._since = now
            self._running += number


class _Clocked:
    """A network whose running time a clock counts."""

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._runtime = runtime
        self._clock = clock

    def __call__(self, batch: Any) -> Any:
        self._clock.change(1)
        try:
            return self._runtime(batch)
        finally:
            self._clock.change(-1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)


@contextmanager
def _clocked(model: TopDown, detector: Clock, pose: Clock) -> Iterator[None]:
    """Both networks of a model counted by clocks, which may be the same one."""
    assert model.detector is not None
    runtimes = model.detector.runtime, model.pose.runtime
    both: Any = _Clocked(runtimes[0], detector), _Clocked(runtimes[1], pose)
    model.detector.runtime, model.pose.runtime = both
    try:
        yield
    finally:
        model.detector.runtime, model.pose.runtime = runtimes


class _First:
    """The first frames of a source, as a source."""

    def __init__(self, source: Source, count: int) -> None:
        self.source = source
        self.count = count

    def __iter__(self) -> Iterator[Frame]:
        yield from itertools.islice(self.source, self.count)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)


class _Drawing:
    """Draws poses onto a video's frames or onto pictures, and encodes them, into a temporary folder."""

    def __init__(self, folder: Path, info: VideoInfo | None) -> None:
        self._picture = folder / "drawn.jpg"
        self._video = VideoWriter(folder / "drawn.mp4", info) if info else None

    def encode(self, frame: Frame, drawn: Image) -> None:
        if self._video:
            self._video.write(drawn, frame.pts)
        else:
            write_image(self._picture, drawn)

    def close(self) -> None:
        if self._video:
            self._video.close()


def measure(model: TopDown, source: Source, frames: int = 32) -> Timing:
    """Time a model on the first frames of a source.

    Args:
        model: with a detector.
        source: pictures or a video; drawn pictures are encoded as JPEG, a video as H.264.
        frames: how many, at most.

    Raises:
        InputError: the model has no detector, or no frame can be read.
    """
    if model.detector is None:
        raise InputError("stages are timed with a detector: load one (detector=)")
    first: Any = _First(source, frames)
    started = time.perf_counter()
    images = list(first)
    decode = time.perf_counter() - started
    if not images:
        raise InputError(f"{source.name}: no frame can be read")
    _one_by_one(model, images[:1], source.info)  # engines get ready in their first run
    stages, persons = _one_by_one(model, images, source.info)
    clock = Clock()
    with _clocked(model, clock, clock):
        whole = _at_once(model, first)
    count = len(images)
    per_frame = {name: {"decode": decode, **stages}[name] / count for name in STAGES}
    return Timing(count, persons, per_frame, whole / count, clock.seconds / count)


def _one_by_one(model: TopDown, frames: list[Frame], info: VideoInfo | None) -> tuple[dict[str, float], int]:
    """The seconds of each stage but decoding, and the number of persons."""
    stages = dict.fromkeys(STAGES[1:], 0.0)
    detector, pose = Clock(), Clock()
    persons = 0

    @contextmanager
    def timed(stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        stages[stage] += time.perf_counter() - started

    with tempfile.TemporaryDirectory(prefix="vitruvian-") as folder, _clocked(model, detector, pose):
        drawing = _Drawing(Path(folder), info)
        assert model.detector is not None
        for frame in frames:
            with timed("boxes"):
                found = model.detector([frame.image])
            with timed("crops"):
                outputs = [
                    (model.pose.outputs(crops), affines) for crops, affines in model.pose.crops([frame.image], found)
                ]
            with timed("keypoints"):
                for output, affines in outputs:
                    model.pose.decode(output, affines)
            inside = pose.seconds
            (poses,) = model.pose([frame.image], found)
            pose.seconds = inside
            with timed("draw"):
                drawn = poses.draw(frame.image)
            with timed("encode"):
                drawing.encode(frame, drawn)
            persons += len(poses)
        with timed("encode"):
            drawing.close()
    stages["boxes"] -= detector.seconds
    stages["crops"] -= pose.seconds
    return {**stages, "detector network": detector.seconds, "pose network": pose.seconds}, persons


def _at_once(model: TopDown, source: Source) -> float:
    """Seconds of all stages in threads, as `vitruvian predict` runs them."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="vitruvian-") as folder, closing(model.frames(source)) as results:
        drawing = _Drawing(Path(folder), source.info)
        writer = Background(lambda frame, poses: drawing.encode(frame, poses.draw(frame.image)), _WRITER_QUEUE)
        try:
            for frame, poses in results:
                writer.submit(frame, poses)
        finally:
            writer.close()
            drawing.close()
    return time.perf_counter() - started


def compare(model: TopDown, seconds: float = 0.5) -> list[Setting]:
    """Time the model's networks on noise, in each installed engine and each precision, for several batch sizes.

    Args:
        model: as loaded; networks that run in torch are timed in torch alone.
        seconds: how long each way runs in each of three rounds.
    """
    settings = []
    for name, part in zip(NETWORKS, (model.detector, model.pose), strict=True):
        if part is None:
            continue
        ways: dict[tuple[str, str], Runtime] = {}
        for engine, precision in itertools.product(ONNX_RUNTIMES, PRECISIONS):
            if part.runtime.path.suffix == ".onnx" and find_spec(engine):
                with contextlib.suppress(VitruvianError):  # an engine that doesn't take this network
                    options = EngineOptions(engine, "cpu", part.runtime.threads, precision)
                    opened = open_onnx(part.runtime.path, options)
                    ways.setdefault((engine, opened.precision), opened)
        if not ways:
            ways["torch", part.runtime.precision] = part.runtime
        for batch in BATCHES:
            samples = np.random.default_rng(0).standard_normal((batch, 3, *part.card.input_size), np.float32)
            rates: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
            for way in [*ways] * _ROUNDS:
                rates[way].append(_samples_per_second(ways[way], samples, seconds))
            settings += [Setting(name, *way, batch, statistics.median(rates[way])) for way in ways]
    return settings


def _samples_per_second(runtime: Runtime, samples: Any, seconds: float) -> float:
    runtime(samples)
    calls, started = 0, time.perf_counter()
    while (took := time.perf_counter() - started) < seconds or not calls:
        runtime(samples)
        calls += 1
    return calls * len(samples) / took
