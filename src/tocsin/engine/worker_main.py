"""The worker process: holds objects of somebody else's and calls them when it is asked to.

It reads requests from its standard input and answers on its standard output, which the objects
never see: what they print goes to the standard error. It ends when its input does; should an
object never come back and the service be gone, an alarm of the system ends it.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from contextlib import suppress
from typing import BinaryIO, Final

import msgspec
import numpy as np

from tocsin.detect.models.foreign.scorer import Scorer
from tocsin.engine.worker_messages import (
    Answer,
    Done,
    Failed,
    Forget,
    Hello,
    Make,
    Request,
    Save,
    Saved,
    Score,
    Scored,
    read_frame,
    write_frame,
)
from tocsin.errors import ModelError, StateError

__all__ = ["Held", "main"]

#: Seconds that the service has for ending a worker before the worker ends itself.
_GRACE_S: Final = 3
_TOLD: Final = 300


class Held:
    """The objects of this process by their keys, and what is done with them."""

    def __init__(self) -> None:
        self._scorers: dict[int, Scorer] = {}

    def answer(self, request: Request) -> Answer:
        """Do what is asked; whatever an object raises becomes an answer, and ends the object."""
        if isinstance(request, Hello):
            _begin(request)
            return Done()
        try:
            return self._do(request)
        except ModelError as error:
            scores = b"" if error.raw is None else error.raw.tobytes()
            return self._failed(request.key, Failed(error.reason, str(error), scores))
        except StateError as error:
            return self._failed(request.key, Failed("state", str(error)))
        except (Exception, SystemExit) as error:
            detail = f"raised {type(error).__name__}: {error}"[:_TOLD]
            return self._failed(request.key, Failed("model_raised", detail))

    def _do(self, request: Make | Score | Save | Forget) -> Answer:
        if isinstance(request, Make):
            self._scorers[request.key] = Scorer.make(
                request.model, request.state, most=request.most
            )
            return Done()
        if isinstance(request, Score):
            times = np.frombuffer(request.timestamps, dtype="<i8")
            values = np.frombuffer(request.values, dtype="<f8")
            return Scored(self._scorers[request.key].raw(times, values).astype("<f8").tobytes())
        if isinstance(request, Save):
            return Saved(self._scorers[request.key].to_bytes())
        self._scorers.pop(request.key, None)
        return Done()

    def _failed(self, key: int, what: Failed) -> Failed:
        self._scorers.pop(key, None)
        return what


def main() -> None:
    """Answer requests until the input ends."""
    requests, answers = _streams()
    faulthandler.enable()  # the last words of a crash are the service's error text
    decode = msgspec.msgpack.Decoder(Request).decode
    encode = msgspec.msgpack.Encoder().encode
    held = Held()
    while (body := read_frame(requests)) is not None:
        request = decode(body)
        _alarm(0 if isinstance(request, Hello) else int(request.deadline_s) + 1 + _GRACE_S)
        answer = held.answer(request)
        _alarm(0)
        write_frame(answers, encode(answer))
    # No clean-up of objects: whoever wrote them may hang there, too.
    os._exit(0)


def _streams() -> tuple[BinaryIO, BinaryIO]:
    """The two streams for ourselves; everybody else's input is empty and output is the errors'."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return requests, answers


def _begin(hello: Hello) -> None:
    known = set(sys.path)
    sys.path += [folder for folder in hello.path if folder not in known]
    with suppress(ImportError, ValueError, OSError):  # not every system can
        import resource

        most = resource.RLIMIT_DATA
        _, hard = resource.getrlimit(most)
        limit = hello.memory if hard == resource.RLIM_INFINITY else min(hello.memory, hard)
        resource.setrlimit(most, (limit, hard))


def _alarm(seconds: int) -> None:
    """Have the system end this process after so many seconds (0: not), even inside C code."""
    if hasattr(signal, "alarm"):
        if seconds:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)


if __name__ == "__main__":
    main()
