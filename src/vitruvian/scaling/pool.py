"""The pool of workers: it grows with the cluster, hands out partitions, and outlives workers that are lost."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..errors import InputError, ModelError, OutputError, VitruvianError
from .options import Workers
from .partition import Attempt, InputsMissing, StoreDown
from .worker import Description, Witness, Worker, WorkerSpec, import_ray

# Seconds between looks at workers, plan and cluster.
_TICK = 0.5
_LOOK = 5.0
# Seconds without any worker that has started, after which a warning says so.
_PENDING = 60.0
# Workers in a row that were lost before they had loaded the networks.
_STARTS = 4
# Careful tries at a partition that were lost at the same picture, until that is set aside.
_LOSSES = 3
# Tries at a partition of which nobody knows why they are lost.
_TRIES = 30
# A partition whose store is down: tries, and seconds of waiting, which double.
_STORE_TRIES = 5
_STORE_WAIT = 2.0
_STORE_WAIT_MOST = 60.0
# Tries if the store fails of which the rows are.
_OUTPUT_TRIES = 8
# Seconds that a partition waits for another machine, which may have its inputs.
_ELSEWHERE = 120.0
# Machines without its inputs, after which nobody is thought to have them.
_MACHINES = 3
# Errors of engines in a row, without a partition that was done, that mean that no worker can do any.
_MODEL_ERRORS = 10


class Partitions(Protocol):
    """Numbers of partitions that are still to be done."""

    @property
    def complete(self) -> bool: ...
    @property
    def left(self) -> int: ...
    def take(self) -> int | None:
        """The next one; None if there is none, or none yet."""
        ...

    def check(self) -> None:
        """Called when nothing is left and not all are known; raises if no more will come."""
        ...


@dataclass(eq=False)
class _Member:
    actor: Any
    starting: Any
    node: str = ""
    busy: Any = None
    attempt: Attempt | None = None


@dataclass
class _History:
    """What happened to a partition that isn't done."""

    losses: int = 0
    suspects: dict[tuple[int, int], int] = field(default_factory=dict)
    set_aside: dict[tuple[int, int], str] = field(default_factory=dict)
    store_failures: int = 0
    without: set[str] = field(default_factory=set)
    """Machines that have not its inputs."""


class Pool:
    """Workers on a Ray cluster.

    Args:
        spec: what workers are made of.
        checked: called with the description of each new worker; it may refuse by an error.
        retry: pictures that failed are tried again, and the others are kept.
        worker: class of the actors.

    Attributes:
        lost: how many workers were lost.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        checked: Callable[[Description], object],
        retry: bool = False,
        worker: type = Worker,
    ) -> None:
        self._ray = import_ray()
        self._spec = spec
        self._checked = checked
        self._retry = retry
        limits = spec.workers
        resources = {"num_cpus": limits.cpus, "num_gpus": limits.gpus, "max_restarts": 0, "max_task_retries": 0}
        self._class = self._ray.remote(**resources)(worker)
        self._witness: Any = None
        self._members: list[_Member] = []
        self._waiting: deque[tuple[float, Attempt]] = deque()
        self._history: dict[int, _History] = {}
        self._failed_starts = self._model_errors = 0
        self._room, self._looked = 1, 0.0
        self._running, self._warned = time.monotonic(), False
        self.lost = 0

    def run(self, plan: Partitions, done: Callable[[dict[str, Any]], object], tick: Callable[[], object]) -> None:
        """Do all partitions.

        Args:
            plan: the partitions.
            done: called with each manifest.
            tick: called about twice a second.

        Raises:
            VitruvianError: what no other try would change: networks that can't be loaded, rows that can't be written,
                inputs that can't be listed.
        """
        try:
            while True:
                # Before: what is listed last may come in between.
                complete = plan.complete
                if not self._assign(plan):
                    if complete:
                        return
                    plan.check()
                waits = {member.busy or member.starting: member for member in self._members if self._pending(member)}
                if waits:
                    ready, _ = self._ray.wait(list(waits), num_returns=1, timeout=_TICK)
                    for reference in ready:
                        self._arrived(waits[reference], reference, done)
                else:
                    time.sleep(_TICK / 5)
                self._warn_without_workers()
                tick()
        finally:
            self.stop()

    def stop(self) -> None:
        """End all workers."""
        for member in self._members:
            self._ray.kill(member.actor)
        if self._witness is not None:
            self._ray.kill(self._witness)
        self._members, self._witness = [], None

    @staticmethod
    def _pending(member: _Member) -> bool:
        return member.busy is not None or member.starting is not None

    def _assign(self, plan: Partitions) -> bool:
        """Give partitions to idle workers; whether anything is left to do or to wait for."""
        idle = [member for member in self._members if not self._pending(member)]
        for member in list(idle):
            attempt = self._next(plan, member)
            if attempt is not None:
                idle.remove(member)
                self._begin(member, attempt)
        busy = sum(member.attempt is not None for member in self._members)
        left = plan.left - busy
        if idle and plan.complete and left <= len(self._waiting):
            # Workers that will get no more work make room for other jobs.
            for member in idle[: max(0, len(self._members) - max(self._spec.workers.least, left))]:
                self._dismiss(member)
        starting = sum(member.starting is not None for member in self._members)
        # Idle ones that left such work have not its inputs.
        due = any(when <= time.monotonic() for when, _ in self._waiting)
        if (due or not idle) and not starting and left > 0 and len(self._members) < self._most():
            self._members.append(self._new())
        return busy > 0 or bool(self._waiting) or left > 0

    def _next(self, plan: Partitions, member: _Member) -> Attempt | None:
        now = time.monotonic()
        for _ in range(len(self._waiting)):
            when, attempt = self._waiting.popleft()
            if when <= now and (
                member.node not in self._without(attempt) or now - when > _ELSEWHERE or not self._others(attempt)
            ):
                return attempt
            self._waiting.append((when, attempt))
        number = plan.take()
        return None if number is None else Attempt(number, retry=self._retry)

    def _without(self, attempt: Attempt) -> set[str]:
        history = self._history.get(attempt.partition)
        return set() if history is None else history.without

    def _others(self, attempt: Attempt) -> set[str]:
        """Machines that may have the partition's inputs; none after so many had not."""
        without = self._without(attempt)
        if len(without) >= _MACHINES:
            return set()
        nodes = {node["NodeID"] for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU")}
        return nodes.union(member.node for member in self._members if member.node) - without

    def _most(self) -> int:
        """Workers that the cluster has room for, and no more than were asked for."""
        workers, now = self._spec.workers, time.monotonic()
        if now - self._looked > _LOOK:
            self._looked = now
            # More would leave no room for the tasks that decode, and wait for them forever.
            self._room = max(workers.least, room(self._ray.cluster_resources(), workers))
        return self._room if workers.most is None else min(workers.most, self._room)

    def _warn_without_workers(self) -> None:
        now = time.monotonic()
        if not self._members or any(member.starting is None for member in self._members):
            self._running = now
        elif now - self._running > _PENDING and not self._warned:
            self._warned = True
            logging.getLogger("vitruvian").warning(
                "no worker has started for %d seconds: the cluster may have no room for one, which takes %s",
                *(now - self._running, needs(self._spec.workers)),
            )

    def _new(self) -> _Member:
        actor = self._class.remote(self._spec)
        return _Member(actor, actor.describe.remote())

    def _begin(self, member: _Member, attempt: Attempt) -> None:
        if self._witness is None:
            self._witness = self._ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Witness).remote()
        elsewhere = member.node not in self._without(attempt) and bool(self._others(attempt) - {member.node})
        member.attempt = attempt = replace(attempt, elsewhere=elsewhere)
        member.busy = member.actor.process.remote(attempt, self._witness)

    def _dismiss(self, member: _Member) -> None:
        self._members.remove(member)
        self._ray.kill(member.actor)

    def _arrived(self, member: _Member, reference: Any, done: Callable[[dict[str, Any]], object]) -> None:
        errors = self._ray.exceptions
        attempt = member.attempt
        try:
            value = self._ray.get(reference)
        except errors.RayActorError:
            self._after_loss(member)
            return
        except errors.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, StoreDown) and attempt is not None:
                member.busy = member.attempt = None
                self._later(attempt, cause)
                return
            if isinstance(cause, InputsMissing) and attempt is not None:
                member.busy = member.attempt = None
                self._history.setdefault(attempt.partition, _History()).without.add(member.node)
                self._waiting.append((time.monotonic(), attempt))
                return
            if isinstance(cause, ModelError) and attempt is not None:
                # Of its GPU or its memory perhaps, and otherwise of a picture.
                self._model_errors += 1
                if self._model_errors >= _MODEL_ERRORS:
                    raise cause from None
                self._after_loss(member, str(cause))
                return
            if isinstance(cause, VitruvianError):
                raise cause from None
            raise VitruvianError(f"a worker failed: {cause!r}") from error
        except errors.RayError as error:
            raise VitruvianError(f"Ray failed: {error}") from error
        if member.starting is not None:
            member.starting, member.node = None, value.node
            self._failed_starts = 0
            self._checked(value)
            return
        member.busy = member.attempt = None
        self._model_errors = 0
        self._history.pop(value["partition"], None)
        done(value)

    def _later(self, attempt: Attempt, error: StoreDown) -> None:
        history = self._history.setdefault(attempt.partition, _History())
        history.store_failures += 1
        if history.store_failures >= _OUTPUT_TRIES:
            raise OutputError(str(error)) from None
        wait = min(_STORE_WAIT * 2**history.store_failures, _STORE_WAIT_MOST)
        lenient = history.store_failures >= _STORE_TRIES
        self._waiting.append((time.monotonic() + wait, replace(attempt, lenient=lenient)))

    def _after_loss(self, member: _Member, reason: str = "it ended the process") -> None:
        self.lost += 1
        self._dismiss(member)
        attempt = member.attempt
        if attempt is None:
            self._failed_starts += 1
            if self._failed_starts >= _STARTS:
                raise ModelError(
                    f"{_STARTS} workers in a row ended while they loaded the networks: there may be too little memory "
                    "for them, so take fewer (--workers), or a network may end the process"
                )
            return
        history = self._history.setdefault(attempt.partition, _History())
        history.losses += 1
        if history.losses > _TRIES:
            raise VitruvianError(
                f"partition {attempt.partition} ended its worker {_TRIES} times, at different pictures: there may be "
                "too little memory; take fewer workers (--workers), or a smaller --batch"
            )
        if self._alive(member.node):
            if attempt.careful:
                self._suspect(attempt.partition, history, reason)
            attempt = replace(attempt, careful=True, set_aside=dict(history.set_aside))
        # Otherwise the machine was lost, of which no picture is to blame.
        self._waiting.append((time.monotonic(), attempt))

    def _suspect(self, partition: int, history: _History, reason: str) -> None:
        try:
            at = self._ray.get(self._witness.last.remote(partition))
        except self._ray.exceptions.RayError:
            at = None
        if at is None:
            return
        history.suspects[at] = history.suspects.get(at, 0) + 1
        if history.suspects[at] >= _LOSSES:
            history.set_aside[at] = f"{reason} {_LOSSES} times; it is set aside"

    def _alive(self, node: str) -> bool:
        return any(known["NodeID"] == node and known["Alive"] for known in self._ray.nodes())


def room(resources: Mapping[str, float], workers: Workers) -> int:
    """How many workers fit into a cluster with these resources, with a decoding task for each."""
    cpus = int(resources.get("CPU", 0) / (workers.cpus + workers.decode_cpus) + 1e-6)
    return min(cpus, int(resources.get("GPU", 0) / workers.gpus + 1e-6)) if workers.gpus else cpus


def check_room(resources: Mapping[str, float], workers: Workers) -> None:
    """Raises InputError where a machine with these resources has no room for a worker."""
    if room(resources, workers) < 1:
        has = f"{resources.get('CPU', 0):g} CPUs and {resources.get('GPU', 0):g} GPUs"
        raise InputError(f"a worker takes {needs(workers)}, and this machine has {has}")


def needs(workers: Workers) -> str:
    """What Ray sets aside for a worker and its decoding, in words."""
    cpus = f"{workers.cpus + workers.decode_cpus:g} CPUs (--threads)"
    return f"{cpus} and {workers.gpus:g} GPUs (--gpus)" if workers.gpus else cpus
