"""Lanes of models that are somebody else's: objects in worker processes.

The object lives in the worker and gives raw scores; what makes them likelihoods and events is
ours and lives here. A metric whose object raises, hangs or takes its process down gets a
`ModelError`; its state is dropped then, and learnt anew from what is stored. Objects of other
metrics that were in that process are lost, too, and come back the same way; so whoever took a
process down goes on in another one, where it can only harm its like.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.config import Config
from tocsin.detect.fleet import Fleet
from tocsin.detect.models.foreign.names import permitted
from tocsin.detect.models.foreign.scorer import highest, raw_scores
from tocsin.detect.objects import pack, unpack
from tocsin.detect.result import RESULT, Readiness
from tocsin.detect.settings import Settings
from tocsin.engine.model_host import ModelHost
from tocsin.errors import ModelError, StateError

__all__ = ["TAKES_DOWN", "ForeignLane", "Workshop"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Microseconds per sample before anything was measured.
_FIRST_COST: Final = 1000.0
#: The deadline is for a piece, which is to take about this long; most samples in one.
_QUICK_S: Final = 0.2
_SLOW_S: Final = 0.8
_LARGEST: Final = 4096
#: Failures that take a worker, and with it other metrics' objects, down.
TAKES_DOWN: Final = ("model_hung", "model_died")


class Workshop:
    """Makes the lanes of foreign models, and ends their processes.

    Two threads may use the lanes: one for the `suspects`, one for the others.
    """

    def __init__(self, config: Config) -> None:
        self.allowed = tuple(config.allow_models)
        memory = config.model_memory_mb * 2**20
        self._hosts = [
            ModelHost(name, config.model_deadline_s, memory) for name in ("common", "suspects")
        ]
        #: Metrics whose object took its process down. Replaced, never changed: threads read it.
        self.suspects: frozenset[int] = frozenset()
        self._keys = count(1)

    def lane(self, settings: Settings) -> ForeignLane | None:
        """A lane for these settings; None: the model is one of ours."""
        return ForeignLane(self, settings) if settings.foreign else None

    def stop(self) -> None:
        """End all processes, and start no more."""
        for host in self._hosts:
            host.close()

    def host(self, metric: int) -> ModelHost:
        """Where a metric's object is, or is to be."""
        return self._hosts[metric in self.suspects]

    def suspect(self, metric: int) -> None:
        """A metric's object took its process down: the next one gets another place."""
        self.suspects |= {metric}

    def key(self) -> int:
        """A number for an object that no other object ever had."""
        return next(self._keys)

    @property
    def failures(self) -> int:
        """How many workers have come to a bad end."""
        return sum(host.failures for host in self._hosts)


class ForeignLane:
    """The metrics of one `Settings` whose model is somebody else's; see `engine.lanes.Lane`."""

    slow = True
    foreign = True

    def __init__(self, workshop: Workshop, settings: Settings) -> None:
        self.settings = settings
        self.cost = _FIRST_COST
        self._workshop = workshop
        self._allowed = permitted(settings.model, workshop.allowed)
        self._most = highest(settings.likelihood)
        self._fleet = Fleet(settings)
        self._slots: dict[int, int] = {}
        self._free: list[int] = []
        self._keys: dict[int, int] = {}
        self._pieces: dict[int, int] = {}
        # Held for what is quick, never while a worker is asked.
        self._lock = threading.Lock()

    def holds(self, metric: int) -> bool:
        """Whether the state is here, or is that of a metric that has learnt nothing."""
        if metric not in self._slots:
            return False
        fresh = self._fleet.seen(self._slots[metric]) == 0
        return fresh or self._workshop.host(metric).holds(self._keys[metric])

    def open(self, metric: int) -> None:
        """Make a state that has learnt nothing, in place of any that is here."""
        self.forget(metric)
        with self._lock:
            slot = self._free.pop() if self._free else int(self._fleet.add()[0])
            self._fleet.clear(slot)
            self._slots[metric], self._keys[metric] = slot, self._workshop.key()

    def forget(self, metric: int) -> None:
        """Drop the state, if it is here."""
        with self._lock:
            slot = self._slots.pop(metric, None)
            if slot is None:
                return
            self._free.append(slot)
            self._pieces.pop(metric, None)
            key = self._keys.pop(metric)
        self._workshop.host(metric).forget(key)

    def update(self, metric: int, timestamp: Ints, value: Floats) -> NDArray[np.void]:
        """Score and learn one metric's samples, in order; rows of `RESULT`.

        Errors: `ModelError`; the state is gone then. Its ``row`` says how many samples were fine
        where that is known.
        """
        done = 0
        scored: list[NDArray[np.void]] = [np.empty(0, dtype=RESULT)]
        try:
            self._have(metric)
            while done < len(value):
                part = slice(done, done + self._pieces.get(metric, 1))
                scored.append(self._piece(metric, timestamp[part], value[part]))
                done += len(scored[-1])
        except ModelError as error:
            error.row += done
            self._failed(metric, error)
            raise
        return np.concatenate(scored)

    def readiness(self, metric: int) -> Readiness:
        """How far warm-up is."""
        return self._fleet.readiness(self._slots[metric])

    def to_bytes(self, metric: int) -> bytes | None:
        """The state; None when the object cannot give it. Errors: `ModelError`."""
        try:
            state = self._workshop.host(metric).save(self._keys[metric])
        except ModelError as error:
            self._failed(metric, error)
            raise
        with self._lock:
            likelihood = self._fleet.to_bytes(self._slots[metric])
        return None if state is None else pack(likelihood, state)

    def load(self, metric: int, data: bytes) -> None:
        """Set the state of a metric that is open. Errors: `StateError`; it is as new then."""
        likelihood, state = unpack(data)
        self.open(metric)
        with self._lock:
            self._fleet.load(self._slots[metric], likelihood)
        try:
            self._make(metric, state)
        except (ModelError, StateError) as error:
            if isinstance(error, ModelError):
                self._failed(metric, error)
            self.open(metric)
            raise StateError(f"this state cannot be used: {error}") from error

    def _have(self, metric: int) -> None:
        """See to it that the object is there."""
        held = self._workshop.host(metric).holds(self._keys[metric])
        if not held and self._fleet.seen(self._slots[metric]) == 0:
            self._make(metric, None)

    def _make(self, metric: int, state: bytes | None) -> None:
        if not self._allowed:
            raise ModelError(
                f"{self.settings.model} may not be run: the configuration's allow_models does "
                "not name it",
                reason="model_not_allowed",
            )
        host = self._workshop.host(metric)
        host.make(self._keys[metric], self.settings.model, self._most, state)

    def _piece(self, metric: int, timestamp: Ints, value: Floats) -> NDArray[np.void]:
        began = time.monotonic()
        host = self._workshop.host(metric)
        score = partial(host.score, self._keys[metric], most=self._most)
        with self._lock:
            watched = self._fleet.watched(self._slots[metric], timestamp, value)
        raw = raw_scores(score, timestamp, watched)
        self._adapt(metric, len(value), time.monotonic() - began)
        slots = np.full(len(value), self._slots[metric], dtype=np.int64)
        with self._lock:
            return self._fleet.judge(slots, timestamp, value, raw)

    def _adapt(self, metric: int, size: int, took: float) -> None:
        """The deadline is for a piece: a slow model gets small ones."""
        piece = self._pieces.get(metric, 1)
        if took > _SLOW_S:
            self._pieces[metric] = max(1, piece // 2)
        elif took < _QUICK_S and size == piece:
            self._pieces[metric] = min(_LARGEST, 2 * piece)

    def _failed(self, metric: int, error: ModelError) -> None:
        self.forget(metric)
        if error.reason in TAKES_DOWN:
            self._workshop.suspect(metric)
