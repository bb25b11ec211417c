"""Scoring behind the commit: models that cannot keep up with what arrives, in a thread beside it.

Samples are stored first, marked as waiting. A thread takes metrics by turns, scores a piece of
each from what is stored, in order, and hands the results to the engine, which writes them. A
metric whose model fails, or is slow, delays no other more than by its turn.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from tocsin.detect.result import Readiness
from tocsin.engine.committed import WAITING, Behind
from tocsin.engine.lanes import Lane, Lanes
from tocsin.engine.registry import Registry
from tocsin.engine.states import States
from tocsin.errors import ModelError, StoreError
from tocsin.store.resume import Resume

__all__ = ["Follower"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_log: Final = structlog.get_logger("tocsin.engine")

#: About how long one metric's turn takes, and the most samples in it.
_TURN_S: Final = 0.05
_PIECE: Final = 4_096
#: Results that may be on their way to the database.
_UNDER_WAY: Final = 256
#: Samples that are remembered so that they need not be read back.
_REMEMBERED: Final = 200_000
#: A state is saved when learning what it knows anew would take so many times as long as saving.
_WORTH: Final = 5.0
_PAUSE_S: Final = 0.5


class Follower:
    """One thread over some of the lanes; it alone touches their states."""

    def __init__(
        self,
        name: str,
        registry: Registry,
        lanes: Lanes,
        states: States,
        resume: Resume,
        hand_on: Callable[[Behind], None],
        mine: Callable[[int], bool] = lambda _row: True,
    ) -> None:
        """``mine``: whether a row is (still) this thread's to work on."""
        self._registry = registry
        self._lanes = lanes
        self._states = states
        self._resume = resume
        self._hand_on = hand_on
        self._mine = mine
        self._turns: OrderedDict[int, None] = OrderedDict()
        self._away: set[int] = set()
        self._forget: deque[tuple[Lane, int]] = deque()
        self._recent: OrderedDict[int, list[tuple[Ints, Ints, Floats]]] = OrderedDict()
        self._remembered = 0
        self._saved: dict[int, int] = {}
        self._save_s: dict[int, float] = {}
        #: Metrics that failed: the most samples in their next piece.
        self._careful: dict[int, int] = {}
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"tocsin-{name}", daemon=True)
        #: The row being worked on.
        self.working_on: int | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present turn; what waits is stored and goes on at the next start."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout=30)

    @property
    def waiting(self) -> int:
        """How many metrics wait for a turn."""
        return len(self._turns)

    def wake(self, row: int) -> None:
        """A row has samples that wait to be scored."""
        with self._changed:
            if row not in self._away:
                self._turns.setdefault(row)
                self._changed.notify_all()

    def stored(self, rows: Ints, seq: Ints, timestamp: Ints, value: Floats) -> None:
        """Samples that were just stored, metric by metric, wait to be scored."""
        touched, first, count = np.unique(rows, return_index=True, return_counts=True)
        for row, start, length in zip(
            touched.tolist(), first.tolist(), count.tolist(), strict=True
        ):
            mine = slice(start, start + length)
            self._remember(row, (seq[mine], timestamp[mine], value[mine]))
            self.wake(row)

    def written(self, behind: Behind) -> None:
        """Results are in the database, or were refused: the metric may have its next turn."""
        with self._changed:
            self._away.discard(behind.row)
            if behind.refused:
                lane = self._lanes.of(behind.row)
                if lane is not None:
                    self._forget.append((lane, behind.metric))
            self._changed.notify_all()
        self._again(behind.row)

    def forget(self, row: int) -> None:
        """A row's state is of no use any more. Call it before the row leaves its lane."""
        lane = self._lanes.of(row)
        with self._changed:
            self._turns.pop(row, None)
            self._drop_recent(row)
            if lane is not None:
                self._forget.append((lane, int(self._registry.position[row]["id"])))
                self._changed.notify_all()

    def _lags(self, row: int) -> bool:
        record = self._registry.position[row]
        lags = bool(record["learns"] and record["scored_seq"] < record["seq"])
        return lags and self._mine(row)

    def _remember(self, row: int, piece: tuple[Ints, Ints, Floats]) -> None:
        with self._changed:
            self._recent.setdefault(row, []).append(piece)
            self._remembered += len(piece[0])
            while self._remembered > _REMEMBERED:
                self._drop_recent(next(iter(self._recent)))

    def _drop_recent(self, row: int) -> None:
        for piece in self._recent.pop(row, []):
            self._remembered -= len(piece[0])

    def _run(self) -> None:
        while (row := self._next()) is not None:
            self.working_on = row
            try:
                self._turn(row)
            except StoreError as error:
                _log.warning("behind_waits", reason=str(error))
                self._again(row)
                time.sleep(_PAUSE_S)
            except Exception as error:
                _log.error("engine_work_failed", reason=str(error), exc_info=True)
                self._again(row)
                time.sleep(_PAUSE_S)
            self.working_on = None

    def _next(self) -> int | None:
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._closed or self._forget or self._may_go_on())
                while self._forget:
                    lane, metric = self._forget.popleft()
                    lane.forget(metric)
                    self._saved.pop(metric, None)
                    self._careful.pop(metric, None)
                if self._closed:
                    return None
                if self._may_go_on():
                    row, _ = self._turns.popitem(last=False)
                    self._away.add(row)
                    return row

    def _may_go_on(self) -> bool:
        return bool(self._turns) and len(self._away) < _UNDER_WAY

    def _again(self, row: int) -> None:
        with self._changed:
            self._away.discard(row)
        if self._lags(row):
            self.wake(row)

    def piece_of(self, row: int) -> Behind | None:
        """Score the next piece of what waits of a metric; None: nothing does.

        For the thread that owns the metric's lane. Errors: `StoreError`.
        """
        record = self._registry.position[row].copy()
        lane = self._lanes.of(row)
        if lane is None or not record["learns"] or record["scored_seq"] >= record["seq"]:
            return None
        metric, after = int(record["id"]), int(record["scored_seq"])
        told = Behind(row, metric, int(record["epoch"]), after, after, Readiness(0, 0))
        try:
            if not lane.holds(metric):
                self._saved[metric] = self._states.learn(lane, row)
            self._score(told, lane, after)
        except StoreError:
            raise
        except Exception as error:
            ours = not isinstance(error, ModelError)
            _log.warning("model_failed", metric=metric, reason=str(error), exc_info=ours)
            lane.forget(metric)
            # What came before the bad sample gets its results at the next try.
            self._careful[metric] = max(1, error.row if isinstance(error, ModelError) else 1)
            # A new one: what was to be scored has no results.
            told = Behind(row, metric, told.epoch, after, after, Readiness(0, 0))
            told.failure = _failure(error)
        return told

    def _turn(self, row: int) -> None:
        told = self.piece_of(row) if self._mine(row) else None
        if told is None:
            self._again(row)
        else:
            told.back = self.written
            self._hand_on(told)

    def _score(self, told: Behind, lane: Lane, after: int) -> None:
        most = int(min(_PIECE, max(1.0, _TURN_S * 1e6 / lane.cost)))
        careful = self._careful.get(told.metric)
        most = most if careful is None else min(most, careful)
        told.upto, told.seq, told.timestamp, told.value = self._piece(told, after, most)
        if len(told.seq):
            began = time.perf_counter()
            told.scored = lane.update(told.metric, told.timestamp, told.value)
            took = (time.perf_counter() - began) * 1e6 / len(told.seq)
            lane.cost += 0.1 * (took - lane.cost)
        if careful is not None:
            self._trust(told.metric, careful)
        told.readiness = lane.readiness(told.metric)
        told.snapshot = self._state(lane, told)

    def _trust(self, metric: int, careful: int) -> None:
        """A piece went well: larger ones again."""
        if careful < _PIECE:
            self._careful[metric] = 2 * careful
        else:
            del self._careful[metric]

    def _piece(self, told: Behind, after: int, most: int) -> tuple[int, Ints, Ints, Floats]:
        """The next samples that wait: from memory if they are there, else from the database."""
        pieces = self._take_recent(told.row)
        if pieces and int(pieces[0][0][0]) == after + 1:
            seq, times, values = (np.concatenate(column) for column in zip(*pieces, strict=True))
            if len(seq) > most:
                self._remember_first(told.row, (seq[most:], times[most:], values[most:]))
            return int(seq[:most][-1]), seq[:most], times[:most], values[:most]
        stored = self._resume.samples_after(told.metric, after, most)
        if not len(stored):
            return after, *(np.empty(0, dtype=np.int64),) * 2, np.empty(0)
        wait = stored[stored["event"] == WAITING]
        columns = (wait[name].copy() for name in ("seq", "timestamp", "value"))
        return int(stored["seq"][-1]), *columns

    def _take_recent(self, row: int) -> list[tuple[Ints, Ints, Floats]]:
        with self._changed:
            pieces = self._recent.get(row, [])
            self._drop_recent(row)
            # A gap: something between them is only in the database.
            for before, piece in itertools.pairwise(pieces):
                if piece[0][0] != before[0][-1] + 1:
                    return []
            return pieces

    def _remember_first(self, row: int, piece: tuple[Ints, Ints, Floats]) -> None:
        with self._changed:
            self._recent.setdefault(row, []).insert(0, piece)
            self._remembered += len(piece[0])

    def _state(self, lane: Lane, told: Behind) -> bytes | None:
        """The state, when learning it anew would cost much more than saving it."""
        metric = told.metric
        unsaved_s = (told.upto - self._saved.get(metric, 0)) * lane.cost * 1e-6
        key = id(lane)
        if unsaved_s < _WORTH * self._save_s.get(key, 0.002):
            return None
        began = time.perf_counter()
        state = lane.to_bytes(metric)
        if state is not None:
            self._save_s[key] = time.perf_counter() - began + len(state) * 1e-8
            self._saved[metric] = told.upto
        return state


def _failure(error: Exception) -> tuple[str, str]:
    if isinstance(error, ModelError):
        return error.reason, str(error)
    return "model_raised", f"{type(error).__name__}: {error}"
