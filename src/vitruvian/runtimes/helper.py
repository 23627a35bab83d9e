"""Helper process that runs a network for a forked process, in which the network's engine can't run.

The two exchange pickles through pipes. The helper ends when its pipe does: with the process that it works for.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from ..errors import ModelError, VitruvianError

if TYPE_CHECKING:
    from .base import Array, Runtime

# The modules are looked for where this process found them, before anything else is imported.
_START = "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); from {0} import serve; serve()"


class Helper:
    """A helper process with a network.

    Args:
        runtime: the network, opened again in the helper.

    Raises:
        ModelError: it can't be opened there.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._path = runtime.path
        command = [sys.executable, "-c", _START.format(__name__)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._send(sys.path)
        self._send(pickle.dumps(runtime))
        self._receive()

    def __call__(self, batch: Array) -> tuple[Array, ...]:
        """The network's outputs for a batch, as `Runtime` returns them. Raises ModelError: it fails, or has ended."""
        self._send(batch)
        outputs: tuple[Array, ...] = self._receive()
        return outputs

    def _send(self, value: Any) -> None:
        assert self._process.stdin is not None
        try:
            pickle.dump(value, self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()
        except OSError as error:
            raise self._ended() from error

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        try:
            answer = pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError) as error:
            raise self._ended() from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _ended(self) -> ModelError:
        return ModelError(
            f"{self._path}: the helper process of this network has ended (exit code {self._process.poll()})"
        )


def serve() -> None:
    """Opens the network that comes first through the standard input, then answers batches until the input ends."""
    # Ctrl-C reaches every process of a terminal; this one ends with its pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whatever else is printed doesn't belong between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    network: Runtime | None = None
    while True:
        try:
            message = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        answer: object = None
        try:
            if network is None:
                network = pickle.loads(message)
            else:
                answer = network(message)
        except VitruvianError as error:
            answer = error
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()
