"""ModelHost: a worker that is started when it is needed, and which objects are in it."""

from __future__ import annotations

from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from tocsin.engine.worker import Worker
from tocsin.engine.worker_messages import (
    Answer,
    Failed,
    Forget,
    Make,
    Save,
    Saved,
    Score,
    Scored,
)
from tocsin.errors import ModelError, StateError

__all__ = ["ModelHost"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_log: Final = structlog.get_logger("tocsin.engine")

#: Seconds for importing and making an object; some libraries take long.
_MAKE_S: Final = 60.0


class ModelHost:
    """Objects of somebody else's by key. One thread at a time.

    A worker that hangs or dies is ended, and all objects in it are lost: `holds` says so.
    """

    def __init__(self, name: str, deadline_s: float, memory: int) -> None:
        """``deadline_s``: for each thing asked; ``memory``: bytes for a worker."""
        self._name = name
        self._deadline_s = deadline_s
        self._memory = memory
        self._worker: Worker | None = None
        self._held: set[int] = set()
        self._closed = False
        #: How many workers have come to a bad end.
        self.failures = 0

    def holds(self, key: int) -> bool:
        """Whether an object is there."""
        return key in self._held and self._worker is not None and self._worker.alive

    def make(self, key: int, model: str, most: float, state: bytes | None = None) -> None:
        """Make an object, or restore it. Errors: `ModelError`; `StateError` for a bad state."""
        limit = max(_MAKE_S, self._deadline_s)
        self._ask(Make(key, model, most, state, limit), limit)
        self._held.add(key)

    def score(self, key: int, timestamp: Ints, value: Floats, most: float) -> Floats:
        """Raw scores of samples, which are learnt. Errors: `ModelError`; the object is gone."""
        if not self.holds(key):
            raise ModelError("its worker ended and took the state along", reason="model_lost")
        request = Score(
            key,
            timestamp.astype("<i8").tobytes(),
            value.astype("<f8").tobytes(),
            self._deadline_s,
        )
        answer = self._ask(request, self._deadline_s)
        raw = np.frombuffer(answer.raw if isinstance(answer, Scored) else b"", dtype="<f8")
        if len(raw) != len(value) or not ((raw >= 0.0) & (raw <= most)).all():
            self._failed("it gave no usable answer")
            raise ModelError("its process gave no usable answer", reason="model_died")
        return raw

    def save(self, key: int) -> bytes | None:
        """An object's state; None when it is not there or cannot give it. Errors: `ModelError`."""
        if not self.holds(key):
            return None
        answer = self._ask(Save(key, self._deadline_s), self._deadline_s)
        return answer.state if isinstance(answer, Saved) else None

    def forget(self, key: int) -> None:
        """Let go of an object."""
        if self.holds(key):
            self._held.discard(key)
            try:
                self._ask(Forget(key, self._deadline_s), self._deadline_s)
            except ModelError as error:
                _log.warning("model_forgotten_badly", worker=self._name, reason=str(error))

    def close(self) -> None:
        """End the worker, if there is one, and start no other."""
        self._closed = True
        self._end()

    @property
    def worker(self) -> Worker | None:
        """The process at present; None when none was needed yet, or the last was ended."""
        return self._worker

    def _ask(self, request: Make | Score | Save | Forget, deadline_s: float) -> Answer:
        worker = self._running()
        try:
            answer = worker.ask(request, deadline_s)
        except ModelError as error:
            self._failed(str(error))
            raise
        if isinstance(answer, Failed):
            self._held.discard(request.key)
            raise _error(answer)
        return answer

    def _running(self) -> Worker:
        if self._worker is not None and not self._worker.alive:
            self._failed("it was ended by somebody else")
        if self._closed:
            raise ModelError("the service stops", reason="model_lost")
        if self._worker is None:
            self._worker = Worker(self._memory)
        return self._worker

    def _end(self) -> None:
        self._held.clear()
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()

    def _failed(self, reason: str) -> None:
        _log.warning("worker_ended", worker=self._name, reason=reason)
        self.failures += 1
        self._end()


def _error(answer: Failed) -> ModelError | StateError:
    if answer.reason == "state":
        return StateError(answer.detail)
    raw = np.frombuffer(answer.raw, dtype="<f8")
    return ModelError(answer.detail, reason=answer.reason, row=len(raw), raw=raw)
