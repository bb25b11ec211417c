"""Worker: a process for models of somebody else's, with a deadline for everything it is asked.

It is a process apart, not a prison: what it runs has the rights of the service's user. Its
environment is the service's without ``TOCSIN_*`` (a token is nobody's business) and with one
thread for numerical libraries and fixed hashing, so that the same samples give the same bits.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from typing import IO, Final

import msgspec

from tocsin.config import PREFIX
from tocsin.engine.worker_messages import Answer, Hello, Request, read_frame, write_frame
from tocsin.errors import ModelError

__all__ = ["Worker"]

#: Seconds that a new worker has to be ready.
_START_S: Final = 60.0
#: Seconds for the system to clear a killed process away.
_END_S: Final = 10.0
#: Lines of what it said last that are kept, and how many letters of each.
_LINES: Final = 20
_LETTERS: Final = 200
_PROGRAM: Final = "from tocsin.engine.worker_main import main; main()"
_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_decode: Final = msgspec.msgpack.Decoder(Answer).decode
_encode: Final = msgspec.msgpack.Encoder().encode


class Worker:
    """One process, asked one thing at a time. Once it failed it is gone: start another."""

    def __init__(self, memory: int) -> None:
        """Start the process; ``memory``: bytes that it may use. Errors: `ModelError`."""
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(),
                # A group of its own: Ctrl-C is not for it, and its children end with it.
                start_new_session=True,
            )
        except OSError as error:
            raise ModelError(f"no worker can be started: {error}", reason="model_died") from error
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._said: deque[str] = deque(maxlen=_LINES)
        self._threads = [
            threading.Thread(target=work, name="tocsin-worker", daemon=True)
            for work in (self._carry, self._listen)
        ]
        for thread in self._threads:
            thread.start()
        self.ask(Hello([folder for folder in sys.path if folder], memory), _START_S)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def ask(self, request: Request, deadline_s: float) -> Answer:
        """Ask and wait for the answer, at most so many seconds.

        Errors: `ModelError` (``model_hung``, ``model_died``); the process is gone then.
        """
        self._requests.put(_encode(request))
        try:
            body = self._answers.get(timeout=deadline_s)
        except queue.Empty:
            self.kill()
            raise ModelError(f"no answer within {deadline_s:g} s", reason="model_hung") from None
        try:
            if body is not None:
                answer: Answer = _decode(body)
                return answer
            broken = ""
        except msgspec.DecodeError:
            broken = "its answer was no answer; "
        self.kill()
        raise ModelError(f"its process ended ({broken}{self._ending()})", reason="model_died")

    def kill(self) -> None:
        """End the process and all that it started, at once."""
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        self._requests.put(None)
        for thread in self._threads:
            thread.join(1.0)

    def _carry(self) -> None:
        """Carry requests and answers to and fro; None as the last answer."""
        into, out = self._process.stdin, self._process.stdout
        assert into is not None
        assert out is not None
        with suppress(OSError, EOFError, ValueError):
            while (request := self._requests.get()) is not None:
                write_frame(into, request)
                body = read_frame(out)
                if body is None:
                    break
                self._answers.put(body)
        self._answers.put(None)
        _close(into)
        _close(out)

    def _listen(self) -> None:
        """Keep the last of what the process says."""
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            while line := stream.readline(4096):
                self._said.append(line.decode(errors="replace").strip()[:_LETTERS])

    def _ending(self) -> str:
        code = self._process.returncode
        if code is not None and code < 0:
            with suppress(ValueError):
                return self._with_words(f"signal {signal.Signals(-code).name}")
        return self._with_words(f"exit code {code}")

    def _with_words(self, ending: str) -> str:
        told = [line for line in self._said if line]
        fatal = [line for line in told if line.startswith("Fatal")]
        last = (fatal or told)[-1:]
        return f"{ending}; {last[0]}" if last else ending


def _environment() -> dict[str, str]:
    kept = {key: text for key, text in os.environ.items() if not key.startswith(PREFIX)}
    return {**dict.fromkeys(_ONE_THREAD, "1"), **kept, "PYTHONHASHSEED": "0"}


def _close(stream: IO[bytes]) -> None:
    with suppress(OSError):  # what was not sent is of no use any more
        stream.close()
