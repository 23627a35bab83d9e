"""Signals that end a run: the first one as Ctrl-C does, so that files are completed, and further ones without harm."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

EXIT_CODE = 130
# Seconds that threads have to end after an interruption: one may be inside of a network that never returns.
_GRACE = 3.0
_NOTE = b"vitruvian: completing the files; Ctrl-\\ ends at once\n"


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Context in which SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt once; what follows must not lose files.

    Signals that are ignored, as under nohup, stay so. In another thread than the main one nothing changes.
    """
    noted = interrupted = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal noted, interrupted
        if not interrupted:
            interrupted = True
            raise KeyboardInterrupt
        if not noted:
            noted = True
            with contextlib.suppress(OSError):
                os.write(2, _NOTE)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            # What is left to do is to leave: a late signal must not change how.
            signal.signal(number, signal.SIG_IGN if interrupted else handler)


def end_in_any_case(code: int) -> None:
    """End this process soon, even if one of its threads never does, and Python waits for it."""
    timer = threading.Timer(_GRACE, os._exit, (code,))
    timer.daemon = True
    timer.start()
