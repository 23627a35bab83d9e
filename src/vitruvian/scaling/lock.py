"""One job a folder: a lock that ends with its process, or on a store a file that is renewed."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InputError, OutputError
from ..io import why_not_written
from ..stores import Store

_NAME = "job.lock"
# On stores: seconds between renewals, and after which a lock counts as left behind.
RENEWED = 20.0
LEFT_BEHIND = 90.0


@contextmanager
def one_job(store: Store) -> Iterator[None]:
    """Context in which no other job writes into the folder.

    Raises:
        InputError: another job does.
        OutputError: the folder can't be written.
    """
    if store.local:
        with _local(store):
            yield
    else:
        with _renewed(store):
            yield


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
def _renewed(store: Store) -> Iterator[None]:
    token = uuid.uuid4().hex
    _check(store, token)
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(RENEWED):
            with suppress(OutputError):
                _write(store, token)

    _write(store, token)
    thread = threading.Thread(target=renew, name="vitruvian-lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with suppress(OutputError):
            store.remove(_NAME)


def _write(store: Store, token: str) -> None:
    owner = {"token": token, "host": socket.gethostname(), "pid": os.getpid(), "time": time.time()}
    store.write(_NAME, json.dumps(owner).encode())


def _check(store: Store, token: str) -> None:
    data = store.read(_NAME)
    if data is None:
        return
    try:
        owner = json.loads(data)
        age, host, pid = time.time() - float(owner["time"]), owner["host"], owner["pid"]
    except (ValueError, KeyError, TypeError):
        return
    if age < LEFT_BEHIND:
        raise InputError(
            f"{store.root}: another job (process {pid} on {host}) is writing into it; wait for it, or choose another "
            f"folder. If it was killed, its lock ends in {LEFT_BEHIND - age:.0f} seconds"
        )
