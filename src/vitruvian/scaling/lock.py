"""One job a folder: a lock that ends with its process, or on a store a file that is renewed."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import InputError, OutputError
from ..io import why_not_written
from ..stores import Store

_NAME = "job.lock"
# On stores: seconds between renewals, and after which a lock counts as left behind.
RENEWED = 20.0
LEFT_BEHIND = 90.0
# Seconds after which a lock is read back: who wrote it last has it.
SETTLED = 2.0


@contextmanager
def one_job(store: Store) -> Iterator[Callable[[], None]]:
    """Context in which no other job writes into the folder.

    Its value is to be called now and then: it raises OutputError once another job has the folder, as this one didn't
    renew its lock in time.

    Raises:
        InputError: another job does.
        OutputError: the folder can't be written.
    """
    if store.local:
        with _local(store):
            yield lambda: None
    else:
        with _renewed(store) as check:
            yield check


@contextmanager
def _local(store: Store) -> Iterator[None]:
    from filelock import FileLock, Timeout

    path = Path(store.root, f".{_NAME}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(str(path), timeout=0)
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{store.root}: another job is writing into it; wait for it, or choose another folder"
        ) from None
    except OSError as error:
        raise OutputError(why_not_written(str(path), error)) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _renewed(store: Store) -> Iterator[Callable[[], None]]:
    token = uuid.uuid4().hex
    ended, lost = threading.Event(), threading.Event()

    def other() -> dict[str, Any] | None:
        owner = _owner(store)
        return None if owner is None or owner["token"] == token else owner

    def renew() -> None:
        while not ended.wait(RENEWED):
            with suppress(OutputError, InputError):
                if other() is not None:
                    lost.set()
                    return
                _write(store, token)

    def check() -> None:
        if lost.is_set():
            raise OutputError(
                f"{store.root}: another job has taken the folder over, as this one stood still or its machine's clock "
                "is wrong; go on with either of them (--resume) when the other has ended"
            )

    _refuse(store)
    _write(store, token)
    time.sleep(SETTLED)
    if (owner := other()) is not None:
        raise _taken(store, owner)
    thread = threading.Thread(target=renew, name="vitruvian-lock", daemon=True)
    thread.start()
    try:
        yield check
    finally:
        ended.set()
        thread.join()
        with suppress(OutputError, InputError):
            if other() is None:
                store.remove(_NAME)


def _write(store: Store, token: str) -> None:
    owner = {"token": token, "host": socket.gethostname(), "pid": os.getpid(), "time": time.time()}
    store.write(_NAME, json.dumps(owner).encode())


def _owner(store: Store) -> dict[str, Any] | None:
    """Who wrote the lock; None where there is none, or no valid one."""
    data = store.read(_NAME)
    try:
        owner = json.loads(data or b"null")
        return {"time": float(owner["time"]), **{name: owner[name] for name in ("token", "host", "pid")}}
    except (ValueError, KeyError, TypeError):
        return None


def _refuse(store: Store) -> None:
    """Raises InputError where another job has the lock."""
    owner = _owner(store)
    if owner is not None and time.time() - owner["time"] < LEFT_BEHIND:
        raise _taken(store, owner)


def _taken(store: Store, owner: dict[str, Any]) -> InputError:
    left = max(0.0, owner["time"] + LEFT_BEHIND - time.time())
    return InputError(
        f"{store.root}: another job (process {owner['pid']} on {owner['host']}) is writing into it; wait for it, "
        f"or choose another folder. If it was killed, its lock ends in {left:.0f} seconds"
    )
