"""Prometheus metrics: requests, latencies of the stages, queue, batch sizes, persons."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable by which several processes share their numbers; prometheus_client reads it when imported."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The numbers of one server; of several workers the sum of all."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "vitruvian_requests", "Requests answered.", ("route", "method", "status"), registry=registry
        )
        self.duration = Histogram(
            "vitruvian_request_seconds",
            "From a request's headers to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.stages = Histogram(
            "vitruvian_stage_seconds",
            "Time in each stage: receive, decode, wait (for a batch), detect, pose (of a whole batch), encode.",
            ("stage",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.inside = Gauge(
            "vitruvian_requests_inside",
            "Requests that are being handled.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.queue = Gauge(
            "vitruvian_queue", "Pictures that wait for a batch.", multiprocess_mode="livesum", registry=registry
        )
        self.batch = Histogram(
            "vitruvian_batch_pictures", "Pictures in a batch of the detector.", buckets=_SIZES, registry=registry
        )
        self.batch_persons = Histogram(
            "vitruvian_batch_persons",
            "Persons in a batch of the pose net.",
            buckets=(0, *_SIZES),
            registry=registry,
        )
        self.pictures = Counter("vitruvian_pictures", "Pictures and frames whose poses were found.", registry=registry)
        self.persons = Counter("vitruvian_persons", "Persons found on them.", registry=registry)
        self.refused = Counter(
            "vitruvian_refused", "Requests and connections refused, by reason.", ("reason",), registry=registry
        )
        self.cancelled = Counter(
            "vitruvian_cancelled", "Pictures whose client left or whose time ran out.", registry=registry
        )
        self.dropped = Counter(
            "vitruvian_stream_dropped", "Frames of streams that newer ones replaced.", registry=registry
        )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Context that measures a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stages.labels(name).observe(time.perf_counter() - start)

    def found(self, persons: int) -> None:
        """Count a picture and its persons."""
        self.pictures.inc()
        self.persons.inc(persons)

    def text(self) -> bytes:
        """All numbers in Prometheus's text format."""
        registry = self._registry
        if os.environ.get(FOLDER):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
