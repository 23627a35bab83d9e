"""A batch job from its sources to its report: checks, plan, workers, progress."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .._version import __version__
from ..datasets.batch_results import DONE, JOB, VERSION, read_job, read_record
from ..datasets.batch_tables import check_pyarrow
from ..errors import InputError, OutputError
from ..stores import Store, is_address
from .leftovers import remove_leftovers
from .lock import one_job
from .options import BatchOptions, Workers, answers, checked_model
from .plan import PLAN, Plan
from .pool import Pool, check_room
from .report import REPORT, Totals, html
from .sources import list_items
from .tables import FOLDERS
from .worker import Description, WorkerSpec, import_ray

# Manifests that are fetched at once.
_FETCHED = 16
_STORE_MEMORY = 512 * 2**20
_STORE_MEMORY_EACH = 128 * 2**20


@dataclass(frozen=True)
class BatchProgress:
    """How far a job is.

    Args:
        pictures: pictures and frames that are done, in this run and before.
        expected: how many are expected, as far as inputs are listed.
        listed: whether all inputs are.
        persons, failed: persons found, and pictures that failed.
        workers_lost: workers that ended with their work undone.
        rate: pictures a second of this run.
        left: seconds that are left at this rate; None if unknown.
    """

    pictures: int
    expected: int
    listed: bool
    persons: int
    failed: int
    workers_lost: int
    rate: float
    left: float | None


@dataclass(frozen=True)
class BatchSummary:
    """What a job has done, all runs together.

    Args:
        pictures, persons, failed: pictures and frames, persons on them, pictures that failed.
        partitions: how many are committed.
        done_now: pictures of this run, those that were tried again among them.
        seconds: of this run.
        report: address of the report.
    """

    pictures: int
    persons: int
    failed: int
    partitions: int
    done_now: int
    seconds: float
    report: str


Progress = Callable[[BatchProgress], object]


def estimate(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    options: BatchOptions | None = None,
    workers: Workers | None = None,
    *,
    progress: Progress | None = None,
    **model: Any,
) -> BatchSummary:
    """Poses of millions of pictures, on the machines of a Ray cluster.

    Args:
        sources: a source or a list of them: a picture, a folder, a glob, a manifest (.txt, .csv, .parquet), a tar
            shard, a video, on this machine or on an fsspec address.
        output: folder of the job, a path that all machines have, or an address.
        options: what is read and written.
        workers: the machines and processes.
        progress: called about twice a second.
        model: keywords of `vitruvian.load`, but ``threads``.

    Returns:
        What was done. A job that is finished already is left as it is.

    Raises:
        InputError: a source that isn't there, a folder with another job, another model than before, an unfinished job
            without ``resume``, packages that are missing.
        ModelError: the networks can't be loaded.
        OutputError: the folder can't be written.
        KeyboardInterrupt: Ctrl-C. What is committed stays; ``resume`` goes on.
    """
    import_ray()
    check_pyarrow()
    place = os.fspath(output)
    # Workers have other current folders.
    store = Store(place if is_address(place) else os.path.abspath(place))
    named = [os.fspath(one) for one in ([sources] if isinstance(sources, (str, os.PathLike)) else sources)]
    if not named:
        raise InputError("no source: give at least one")
    job = _Job(store, named, options or BatchOptions(), workers or Workers(), checked_model(model))
    with one_job(store) as check:
        return job.run(progress or (lambda state: None), check)


class _Job:
    def __init__(
        self, store: Store, sources: Sequence[str], options: BatchOptions, workers: Workers, model: dict[str, Any]
    ) -> None:
        self.store = store
        self.sources = list(sources)
        self.options = options
        self.workers = workers
        self.model = _placed(model, workers)
        self.before = read_job(store) if store.read(JOB) is not None else None
        # Relative paths are those of the first run.
        self.cwd = str((self.before or {}).get("cwd") or os.getcwd())
        self.totals = Totals()
        self.done_now = 0

    def run(self, progress: Progress, check: Callable[[], None] = lambda: None) -> BatchSummary:
        """Do it; `check` is called now and then, and may end it by an error."""
        started = time.perf_counter()
        self.check = check
        self._check_before()
        for folder in (DONE, PLAN, *FOLDERS):
            self.store.sweep(folder)
        plan = Plan(self.store, list_items(self.sources, self.options), self.options.partition)
        for manifest in self._manifests():
            self.totals.add(manifest)
        if plan.complete and not plan.left and not (self.options.retry_failed and self.totals.failed):
            return self._summary(started, plan)
        if self.before is not None and not (self.options.resume or self.options.retry_failed):
            raise InputError(
                f"{self.store.root} has an unfinished job: go on with it (--resume), or choose another folder"
            )
        relative = [one for one in self.sources if not is_address(one) and not os.path.isabs(one)]
        if relative and not plan.complete and self.cwd != os.getcwd():
            raise InputError(
                f"{relative[0]}: the job began in {self.cwd}; go on from there, as not all inputs are listed"
            )
        plan.start()
        try:
            plan.wait()
            with _ray(self.workers):
                self._work(plan, progress, started)
        finally:
            plan.stop()
        return self._summary(started, plan)

    def _manifests(self) -> Iterator[dict[str, Any]]:
        """The manifests of all committed partitions; several are fetched at once."""
        names = self.store.names(DONE)
        with ThreadPoolExecutor(_FETCHED) as pool:
            yield from pool.map(lambda name: read_record(self.store, f"{DONE}/{name}"), names)

    def _check_before(self) -> None:
        """Raises InputError where the folder has a job of other sources, settings or models."""
        if self.before is None:
            if self.options.retry_failed:
                raise InputError(f"{self.store.root} has no job whose pictures failed; leave out --retry-failed")
            if any(self.store.names(folder) for folder in (DONE, *FOLDERS)):
                raise InputError(f"{self.store.root} has files of something else; choose another folder")
            for name in self.store.names(PLAN):
                # Of a job that was ended before its networks were loaded.
                self.store.remove(f"{PLAN}/{name}")
            return
        settings = {**self.options.settings, **answers(self.model), "sources": self.sources}
        earlier = {**self.before["options"], **self.before["model"], "sources": self.before["sources"]}
        for name in sorted({*settings, *earlier}):
            if settings.get(name) != earlier.get(name):
                raise InputError(
                    f"{self.store.root} has a job with {name} {earlier.get(name)!r}, not {settings.get(name)!r}: give "
                    "the same as before, or choose another folder"
                )

    def _work(self, plan: Plan, progress: Progress, started: float) -> None:
        spec = WorkerSpec(self.model, self.options, self.workers, self.store.root, self.cwd)
        first = self.totals.pictures

        def done(manifest: dict[str, Any]) -> None:
            plan.mark(manifest["partition"])
            self.totals.add(manifest)
            self.done_now += manifest["pictures"]

        def tick() -> None:
            self.check()
            seconds = time.perf_counter() - started
            count = self.totals.pictures
            rate = (count - first) / seconds
            left = max(0, plan.pictures - count) / rate if rate and plan.complete else None
            numbers = self.totals.persons, self.totals.failed, pool.lost
            progress(BatchProgress(count, plan.pictures, plan.complete, *numbers, rate, left))

        pool = Pool(spec, self._check_model)
        pool.run(plan, done, tick)
        if self.options.retry_failed:
            self._retry(spec, progress)

    def _retry(self, spec: WorkerSpec, progress: Progress) -> None:
        failed: list[int] = []
        self.totals = Totals()
        for manifest in self._manifests():
            if manifest["failed"]:
                failed.append(manifest["partition"])
                self.done_now += manifest["failed"]
            else:
                self.totals.add(manifest)
        queue = _Queue(failed)

        def done(manifest: dict[str, Any]) -> None:
            queue.numbers.discard(manifest["partition"])
            self.totals.add(manifest)

        Pool(spec, self._check_model, retry=True).run(queue, done, self.check)

    def _check_model(self, found: Description) -> None:
        """Write job.json with the first worker's model, and compare later ones with it. Raises InputError."""
        if self.before is None:
            self.before = {
                "version": VERSION,
                "generator": f"vitruvian {__version__}",
                "sources": self.sources,
                "cwd": self.cwd,
                "options": self.options.settings,
                "model": answers(self.model),
                "fingerprint": found.fingerprint,
                **found.metadata,
            }
            self.store.write(JOB, json.dumps(self.before, indent=1).encode())
        if self.before["fingerprint"] != found.fingerprint:
            raise InputError(
                f"{self.store.root} has a job with another model: its files or settings have changed, or differ from "
                "machine to machine. Give the same model as before, or choose another folder"
            )

    def _summary(self, started: float, plan: Plan) -> BatchSummary:
        self.check()
        remove_leftovers(self.store)
        seconds, done_now = time.perf_counter() - started, self.done_now
        if done_now or self.store.read(REPORT) is None:
            rate = done_now / seconds if done_now else None
            self.store.write(REPORT, html(self.totals, self.store.root, self.before or {}, rate))
        totals = self.totals
        counts = totals.pictures, totals.persons, totals.failed, plan.partitions, done_now
        return BatchSummary(*counts, seconds, self.store.path(REPORT))


class _Queue:
    """Partitions whose failed pictures are tried again."""

    complete = True

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers = set(numbers)
        self._waiting = iter(numbers)

    @property
    def left(self) -> int:
        return len(self.numbers)

    def take(self) -> int | None:
        return next(self._waiting, None)

    def check(self) -> None:
        """Nothing: all numbers are known."""


def _placed(model: dict[str, Any], workers: Workers) -> dict[str, Any]:
    """The model's keywords with whole paths, which hold in every process, and on GPUs the device."""
    placed = dict(model)
    for name in ("pose", "detector", "skeleton"):
        value = placed.get(name)
        if isinstance(value, (str, os.PathLike)) and os.path.exists(value):
            placed[name] = os.path.abspath(value)
    if workers.gpus:
        placed.setdefault("device", "cuda")
    return placed


@contextmanager
def _ray(workers: Workers) -> Iterator[Any]:
    """Ray, started on this machine unless it runs or an address is known, and ended if it was started here.

    Raises:
        InputError: no cluster answers at the address, or this machine has no room for a worker.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    address = workers.address or os.environ.get("RAY_ADDRESS")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address:
        try:
            ray.init(address, **quiet)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"no Ray cluster answers at {address}: {reason}; check the address (--address)") from None
    else:
        memory = workers.store_memory or max(_STORE_MEMORY, _STORE_MEMORY_EACH * (workers.most or os.cpu_count() or 1))
        try:
            ray.init(address="local", include_dashboard=False, object_store_memory=memory, **quiet)
        except (ValueError, RuntimeError, OSError) as error:
            raise OutputError(f"Ray can't be started on this machine: {' '.join(str(error).split())[:300]}") from None
    try:
        if not address:
            check_room(ray.cluster_resources(), workers)
        yield ray
    finally:
        ray.shutdown()
