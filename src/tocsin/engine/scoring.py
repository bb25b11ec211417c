"""One group of batches from arrival to commit; the only place where states change."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.fleet import Fleet
from tocsin.detect.result import RESULT
from tocsin.engine.batch import Batch, Receipt, Rejection
from tocsin.engine.events import Changed, Events
from tocsin.engine.order import REASONS, Group, LookUp, Verdict, arrange, screen
from tocsin.engine.registry import Registry, Status
from tocsin.engine.telemetry import Telemetry
from tocsin.samples import SECOND_NS
from tocsin.store.commits import Commit, Writer

__all__ = ["Committed", "Scoring"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_COLUMNS: Final = (
    "raw_score",
    "likelihood",
    "anomaly_score",
    "alert_score",
    "expected",
    "lower",
    "upper",
)
#: Marks a sample that was stored without being scored; NULL in the database.
_UNSCORED: Final = -1


@dataclass(frozen=True, slots=True)
class Committed:
    """Samples that were just stored, metric by metric, with their results, and events."""

    row: Ints
    seq: Ints
    timestamp: Ints
    value: Floats
    #: Rows of `RESULT`; event -1: stored, not scored.
    scored: NDArray[np.void]
    events: Sequence[Changed]


class Scoring:
    """Orders, scores and commits groups. One thread at a time.

    A commit that fails leaves memory as it was before the group.
    """

    def __init__(
        self,
        fleet: Fleet,
        registry: Registry,
        events: Events,
        writer: Writer,
        stored: LookUp,
        telemetry: Telemetry,
        *,
        max_future_s: float,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._fleet = fleet
        self._registry = registry
        self._events = events
        self._writer = writer
        self._stored = stored
        self._telemetry = telemetry
        self._ahead = int(max_future_s * SECOND_NS)
        self._clock = clock

    def process(self, batches: Sequence[Batch]) -> tuple[list[Receipt], Committed | None]:
        """Take a group: one receipt per batch, and what was committed, if anything.

        Errors: `StoreError`; nothing has changed then, and senders should try again.
        """
        began = time.perf_counter()
        now = self._clock()
        group, verdict = self._gather(batches, now + self._ahead)
        taken = arrange(group, verdict, self._registry.position, self._stored)
        committed = self._score(group, taken, now) if len(taken) else None
        receipts = _receipts(batches, group.batch, verdict)
        if committed is not None:
            self._count(committed, time.perf_counter() - began)
        return receipts, committed

    def _gather(self, batches: Sequence[Batch], newest: int) -> tuple[Group, NDArray[np.int8]]:
        """The group's columns, and what is to be said of each sample by itself."""
        timestamp = np.concatenate([batch.samples.timestamp for batch in batches])
        value = np.concatenate([batch.samples.value for batch in batches])
        number = np.repeat(np.arange(len(batches)), [len(batch) for batch in batches])
        verdict = screen(timestamp, value, newest)
        row = np.full(len(value), -1, dtype=np.int64)
        start = 0
        for batch in batches:
            part = slice(start, start + len(batch))
            row[part] = self._rows(batch, verdict[part] == Verdict.ACCEPTED)
            start = part.stop
        return Group(number, row, timestamp, value), verdict

    def _rows(self, batch: Batch, good: NDArray[np.bool_]) -> Ints:
        """Each sample's row; only metrics with a good sample are made."""
        rows = self._registry.find(batch.metrics)
        which = batch.samples.metric
        for new in np.unique(which[good & (rows[which] < 0)]).tolist():
            # Two entries of a batch may be the same metric.
            known = int(self._registry.find([batch.metrics[new]])[0])
            rows[new] = known if known >= 0 else self._registry.add(batch.metrics[new])
        missing = len(self._registry) - len(self._fleet)
        if missing:
            self._fleet.add(missing)
        return rows[which]

    def _score(self, group: Group, taken: Ints, now: int) -> Committed:
        rows, times, values = group.row[taken], group.timestamp[taken], group.value[taken]
        touched, first, counts = np.unique(rows, return_index=True, return_counts=True)
        last = first + counts - 1
        nth = np.arange(len(rows)) - np.repeat(first, counts)
        seq = np.repeat(self._registry.position["seq"][touched] + 1, counts) + nth
        before = self._fleet.take(touched)
        try:
            scored = self._update(rows, times, values)
            changed = self._events.feed(rows, times, values, scored)
            committed = Committed(rows, seq, times, values, scored, changed)
            ready = self._ready(touched)
            self._write(committed, touched, last, ready, now)
        except BaseException:
            self._fleet.put(touched, before)
            self._events.undo()
            raise
        self._advance(committed, touched, last, ready)
        return committed

    def _update(self, rows: Ints, times: Ints, values: Floats) -> NDArray[np.void]:
        """Score the samples of metrics that learn; the others' results say "not scored"."""
        learns = self._registry.position["learns"][rows]
        if learns.all():
            return self._fleet.update(rows, times, values)
        scored = np.zeros(len(rows), dtype=RESULT)
        for name in _COLUMNS:
            scored[name] = np.nan
        scored["event"] = _UNSCORED
        scored[learns] = self._fleet.update(rows[learns], times[learns], values[learns])
        return scored

    def _ready(self, touched: Ints) -> NDArray[np.bool_]:
        ready: NDArray[np.bool_] = self._registry.position["ready"][touched].copy()
        for i in np.flatnonzero(~ready):
            ready[i] = self._fleet.readiness(int(touched[i])).ready
        return ready

    def _write(
        self, what: Committed, touched: Ints, last: Ints, ready: NDArray[np.bool_], now: int
    ) -> None:
        ids = self._registry.position["id"]
        self._writer.commit(
            Commit(
                metrics=self._registry.new_rows(touched, now),
                samples=_sample_rows(ids[what.row], what),
                positions=self._positions(what, touched, last, ready),
                events=[_event_row(int(ids[c.row]), c) for c in what.events],
            )
        )

    def _positions(
        self, what: Committed, touched: Ints, last: Ints, ready: NDArray[np.bool_]
    ) -> list[dict[str, Any]]:
        columns = (
            self._registry.position["id"][touched].tolist(),
            what.seq[last].tolist(),
            what.timestamp[last].tolist(),
            what.value[last].tolist(),
            what.scored["anomaly_score"][last].tolist(),
            [self._status(int(row), now) for row, now in zip(touched, ready, strict=True)],
        )
        names = ("row", "seq", "timestamp", "value", "score", "now")
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _status(self, row: int, ready: bool) -> str:
        status = self._registry.status[row]
        return Status.ACTIVE.value if ready and status == Status.WARMING_UP else status

    def _advance(
        self, what: Committed, touched: Ints, last: Ints, ready: NDArray[np.bool_]
    ) -> None:
        position = self._registry.position
        position["seq"][touched] = what.seq[last]
        position["timestamp"][touched] = what.timestamp[last]
        position["value"][touched] = what.value[last]
        position["stored"][touched] = True
        for row in touched[ready & ~position["ready"][touched]].tolist():
            self._registry.status[row] = self._status(row, True)
        position["ready"][touched] = ready

    def _count(self, committed: Committed, seconds: float) -> None:
        scored = int(np.count_nonzero(committed.scored["event"] != _UNSCORED))
        self._telemetry.committed(scored, sum(c.new for c in committed.events), seconds)


def _sample_rows(ids: Ints, what: Committed) -> list[tuple[Any, ...]]:
    """Rows of the table `sample`, in its columns' order; NaN becomes NULL in SQLite."""
    event = what.scored["event"]
    codes: list[int | None] = event.tolist()
    if event.min() == _UNSCORED:
        codes = [None if code == _UNSCORED else code for code in codes]
    columns = [what.scored[name].tolist() for name in _COLUMNS]
    lists = (ids.tolist(), what.seq.tolist(), what.timestamp.tolist(), what.value.tolist())
    return list(zip(*lists, *columns, codes, strict=True))


def _event_row(metric_id: int, changed: Changed) -> dict[str, Any]:
    event = changed.event

    def known(value: float) -> float | None:
        return None if math.isnan(value) else value

    return {
        "id": changed.id,
        "metric": metric_id,
        "start": event.start,
        "peak": event.peak,
        "end": event.end,
        "open": event.open,
        "value": event.value,
        "expected": known(event.expected),
        "lower": known(event.lower),
        "upper": known(event.upper),
        "anomaly_score": known(event.anomaly_score),
        "likelihood": known(event.likelihood),
        "samples": event.samples,
    }


def _receipts(batches: Sequence[Batch], number: Ints, verdict: NDArray[np.int8]) -> list[Receipt]:
    def count(of: Verdict) -> list[int]:
        counts: list[int] = np.bincount(number[verdict == of], minlength=len(batches)).tolist()
        return counts

    pairs = zip(count(Verdict.ACCEPTED), count(Verdict.DUPLICATE), strict=True)
    receipts = [Receipt(accepted, duplicates) for accepted, duplicates in pairs]
    starts = np.cumsum([0, *(len(batch) for batch in batches)])
    for place in np.flatnonzero(verdict > Verdict.DUPLICATE).tolist():
        batch = int(number[place])
        code, detail = REASONS[Verdict(int(verdict[place]))]
        receipts[batch].rejected.append(Rejection(place - int(starts[batch]), code, detail))
    return receipts
