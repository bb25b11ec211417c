"""One group of batches from arrival to what is to be committed; the engine's thread alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from tocsin.detect.settings import Settings
from tocsin.engine.admission import Newcomers
from tocsin.engine.aside import Arranged, Aside
from tocsin.engine.batch import Batch, Receipt
from tocsin.engine.committed import UNSCORED, WAITING, Behind, Committed, unscored
from tocsin.engine.deliveries import Deliveries
from tocsin.engine.events import Changed, Events
from tocsin.engine.lanes import Lanes
from tocsin.engine.lifecycle import Action, Standing, after
from tocsin.engine.order import Group, Known, Policy, Verdict, arrange, screen
from tocsin.engine.quarantine import refusal_rows
from tocsin.engine.registry import Registry
from tocsin.engine.rows import event_row, new_metric_rows, positions_of, ranges_of
from tocsin.engine.telemetry import Telemetry
from tocsin.engine.verdicts import receipts
from tocsin.errors import MetricNotActiveError
from tocsin.samples import Metric
from tocsin.store.commits import Commit, SampleColumns

__all__ = ["Admission", "Intaken", "Prepared", "Scoring"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: The row of a metric that its sender may not make now.
_UNWELCOME: Final = -2

_log: Final = structlog.get_logger("tocsin.engine")


class Admission(Protocol):
    """Whether and how a new metric is watched."""

    def __call__(self, metric: Metric, counter: bool) -> tuple[Standing, Settings]:
        """How it begins, and its settings; ``counter``: its sender declares it as one."""
        ...


@dataclass(slots=True)
class Intaken:
    """What decides which samples are taken."""

    policy: Policy
    known: Known
    book: Deliveries
    held: Aside
    newcomers: Newcomers


@dataclass(slots=True)
class Prepared:
    """What one group changes, ready to be written; memory has moved on already."""

    commit: Commit
    committed: Committed
    #: One per batch, and which batches were news.
    receipts: list[Receipt]
    fresh: list[int]
    #: Stored samples that are to be scored behind: rows, seqs, times, values.
    waiting: tuple[Ints, Ints, Ints, Floats]
    scored: int
    began: float

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write: every sample was known."""
        c = self.commit
        rows = (c.metrics, c.statuses, c.deliveries, c.held_add, c.held_drop, c.late, c.refusals)
        return c.samples is None and c.scored is None and c.positions is None and not any(rows)


@dataclass(slots=True)
class _Part:
    """Samples with their results, metric by metric."""

    row: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    seq: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    timestamp: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    value: Floats = field(default_factory=lambda: np.empty(0))
    scored: NDArray[np.void] = field(default_factory=lambda: unscored(0, UNSCORED))

    def __len__(self) -> int:
        return len(self.row)

    def only(self, which: Flags) -> _Part:
        return _Part(
            self.row[which],
            self.seq[which],
            self.timestamp[which],
            self.value[which],
            self.scored[which],
        )

    @classmethod
    def of(cls, behind: Sequence[Behind]) -> _Part:
        if not behind:
            return cls()
        return cls(
            np.repeat([one.row for one in behind], [len(one.seq) for one in behind]),
            np.concatenate([one.seq for one in behind]),
            np.concatenate([one.timestamp for one in behind]),
            np.concatenate([one.value for one in behind]),
            np.concatenate([one.scored for one in behind]),
        )

    def then(self, other: _Part) -> _Part:
        if not len(other):
            return self
        return _Part(
            np.concatenate([self.row, other.row]),
            np.concatenate([self.seq, other.seq]),
            np.concatenate([self.timestamp, other.timestamp]),
            np.concatenate([self.value, other.value]),
            np.concatenate([self.scored, other.scored]),
        )

    def columns(self, ids: Ints) -> SampleColumns | None:
        if not len(self):
            return None
        return SampleColumns(ids[self.row], self.seq, self.timestamp, self.value, self.scored)


class Scoring:
    """Orders and scores groups; what it returns must be committed, in order."""

    def __init__(
        self,
        registry: Registry,
        lanes: Lanes,
        events: Events,
        intake: Intaken,
        admission: Admission,
        telemetry: Telemetry,
        *,
        position: int,
        isolate: Callable[[int], None],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """``position``: the last one committed; ``isolate``: builds a row's state anew."""
        self._registry = registry
        self._lanes = lanes
        self.events = events
        self._known = intake.known
        self._policy = intake.policy
        self._book = intake.book
        self._newcomers = intake.newcomers
        self.held = intake.held
        self._admission = admission
        self._telemetry = telemetry
        self._isolate = isolate
        self._clock = clock
        self.position = position

    def prepare(self, batches: Sequence[Batch], behind: Sequence[Behind] = ()) -> Prepared:
        """Take a group: what is to be committed, and one receipt per batch for afterwards.

        Everything that was prepared before must be in the database if a look-up may be needed.
        Errors: `StoreError` from a look-up; nothing has changed then.
        """
        began, now = time.perf_counter(), self._clock()
        with self._telemetry.stage("order"):
            admitted = self._book.admit(batches, now)
            news = [batches[place] for place in admitted.fresh]
            group, verdict = self._gather(news, now)
            position = self._registry.position
            taken = arrange(
                group, verdict, position, self._known, self.held, policy=self._policy, now=now
            )
        self.held = taken.held
        self.position += 1
        commit = Commit(position=self.position, at=now)
        with self._telemetry.stage("score"):
            fresh, statuses = self._take(taken)
        good = self._active(behind)
        late = _Part.of(good)
        for part in (fresh, late):
            self.events.lower(part.row, part.seq, part.timestamp, part.value, part.scored)
        final = fresh.only(fresh.scored["event"] != WAITING).then(late)
        statuses += self._catch_up(good)
        events = self.events.feed(final.row, final.seq, final.timestamp, final.value, final.scored)
        self._fill(commit, fresh, late, final, taken, statuses, events, now)
        answers = admitted.answers(receipts(news, group.batch, verdict))
        commit.refusals = refusal_rows(group, verdict, self._registry.position, now)
        commit.deliveries = self._book.record(batches, admitted, answers, now)
        waiting = fresh.only(fresh.scored["event"] == WAITING)
        return Prepared(
            commit,
            Committed(
                self.position,
                final.row,
                final.seq,
                final.timestamp,
                final.value,
                final.scored,
                events,
            ),
            answers,
            admitted.fresh,
            (waiting.row, waiting.seq, waiting.timestamp, waiting.value),
            int(np.count_nonzero(final.scored["event"] != UNSCORED)),
            began,
        )

    def held_for(self, now: int) -> int | None:
        """In how many ns a sample that is held for older ones is due; None: none is held."""
        return self.held.wait(now, self._policy.window)

    def check_active(self, behind: Behind) -> None:
        """Whether results may be written.

        Errors: `MetricNotActiveError` when the metric is not being scored (any more), is another
        generation, or has moved on; nothing is written then.
        """
        row = self._registry.row_of_id(behind.metric)
        if row < 0 or row != behind.row:
            raise MetricNotActiveError(f"metric {behind.metric} is deleted")
        after(self._registry.standings[row].status, Action.RESULT)
        record = self._registry.position[row]
        if record["scored_seq"] != behind.after or record["epoch"] != behind.epoch:
            raise MetricNotActiveError(f"metric {behind.metric} has moved on")

    def _gather(self, batches: Sequence[Batch], now: int) -> tuple[Group, NDArray[np.int8]]:
        """The group's columns, and what is to be said of each sample by itself."""
        if not batches:
            return Group.empty(), np.empty(0, dtype=np.int8)
        timestamp = np.concatenate([batch.samples.timestamp for batch in batches])
        # Databases do not all keep the sign of zero, and replays must give the same bits.
        value = np.concatenate([batch.samples.value for batch in batches]) + 0.0
        number = np.repeat(np.arange(len(batches)), [len(batch) for batch in batches])
        verdict = screen(timestamp, value, self._policy.newest(now), self._policy.oldest(now))
        row = np.full(len(value), -1, dtype=np.int64)
        start = 0
        for batch in batches:
            part = slice(start, start + len(batch))
            row[part] = self._rows(batch, verdict[part] == Verdict.ACCEPTED, now)
            start = part.stop
        verdict[(verdict == Verdict.ACCEPTED) & (row == _UNWELCOME)] = Verdict.TOO_MANY_NEW
        row[row == _UNWELCOME] = -1
        return Group(number, row, timestamp, value), verdict

    def _rows(self, batch: Batch, good: Flags, now: int) -> Ints:
        """Each sample's row; only metrics with a good sample are made."""
        rows = self._registry.find(batch.metrics)
        which = batch.samples.metric
        for new in np.unique(which[good & (rows[which] < 0)]).tolist():
            # Two entries of a batch may be the same metric.
            known = self._registry.row_of(batch.metrics[new])
            rows[new] = known if known >= 0 else self._admit(batch, new, now)
        return rows[which]

    def _admit(self, batch: Batch, new: int, now: int) -> int:
        if self._registry.full:
            return -1
        if not self._newcomers.take(batch.sender or batch.protocol, now):
            return _UNWELCOME
        metric, counter = batch.metrics[new], new in batch.counters
        standing, settings = self._admission(metric, counter)
        row = self._registry.add(metric, standing, counter=counter)
        if standing.learns:
            self._lanes.place(row, settings)
        return row

    def _take(self, taken: Arranged) -> tuple[_Part, list[dict[str, Any]]]:
        """Number and score what was accepted, and move memory on."""
        if not len(taken):
            return _Part(), []
        rows, times, values = taken.row, taken.timestamp, taken.value
        touched, first, counts = np.unique(rows, return_index=True, return_counts=True)
        nth = np.arange(len(rows)) - np.repeat(first, counts)
        record = self._registry.position
        seq = np.repeat(record["seq"][touched] + 1, counts) + nth
        inline, waiting = self._modes(touched)
        part = _Part(rows, seq, times, values, unscored(len(rows), UNSCORED))
        failed = self._score(part, np.repeat(inline, counts))
        if failed:
            gone = np.isin(touched, failed)
            inline, waiting = inline & ~gone, waiting | gone
        part.scored["event"][np.repeat(waiting, counts)] = WAITING
        statuses = self._advance(part, touched, first + counts - 1, inline, waiting)
        told = "the model failed; the log says how"
        return part, statuses + [self._fail(row, "model_raised", told) for row in failed]

    def _modes(self, touched: Ints) -> tuple[Flags, Flags]:
        """Which rows are scored now, and which later; the others never."""
        record = self._registry.position
        learns, waits = record["learns"][touched], record["waits"][touched]
        current = record["scored_seq"][touched] == record["seq"][touched]
        inline = learns & ~record["slow"][touched] & ~record["relearns"][touched] & current
        return inline, (learns & ~inline) | waits

    def _score(self, part: _Part, inline: Flags) -> list[int]:
        """Fill in results; returns rows whose model failed."""
        which = slice(None) if inline.all() else inline
        rows, times, values = part.row[which], part.timestamp[which], part.value[which]
        if not len(rows):
            return []
        try:
            part.scored[which] = self._lanes.update(rows, times, values)
        except Exception as error:
            _log.error("scoring_failed", reason=str(error), exc_info=True)
        else:
            return []
        failed = []
        scored = unscored(len(rows), UNSCORED)
        for row in np.unique(rows).tolist():
            mine = rows == row
            try:
                # Whatever was learnt of this group is forgotten first.
                self._isolate(row)
                scored[mine] = self._lanes.update(rows[mine], times[mine], values[mine])
            except Exception:
                failed.append(row)
        part.scored[which] = scored
        return failed

    def _fail(self, row: int, reason: str, detail: str) -> dict[str, Any]:
        _log.warning("metric_failed", metric=str(self._registry.metrics[row]), reason=reason)
        now = self._clock()
        return self._registry.step(row, Action.FAIL, now=now, reason=reason, detail=detail)

    def _advance(
        self, part: _Part, touched: Ints, last: Ints, inline: Flags, waiting: Flags
    ) -> list[dict[str, Any]]:
        record = self._registry.position
        never = ~inline & ~waiting & (record["scored_seq"][touched] == record["seq"][touched])
        for place in np.flatnonzero(never & (record["lane"][touched] >= 0)).tolist():
            end = last[place]
            self._lanes.pass_over(touched[place], part.timestamp[end], part.value[end])
        seq = part.seq[last]
        for name, column in (("timestamp", part.timestamp), ("value", part.value)):
            record[name][touched] = column[last]
        record["seq"][touched] = seq
        done = inline | never
        record["scored_seq"][touched[done]] = seq[done]
        record["score"][touched[inline]] = part.scored["anomaly_score"][last[inline]]
        # Rows that have not seen enough by their number of samples need not be asked.
        maybe = inline & ~record["ready"][touched] & (record["ready_at"][touched] <= seq)
        return self._now_ready(touched[maybe])

    def _now_ready(self, rows: Ints) -> list[dict[str, Any]]:
        """Rows whose warm-up is over become active."""
        note, step = self._registry.note_readiness, self._registry.step
        ready = [row for row in rows.tolist() if note(row, self._lanes.readiness(row))]
        return [step(row, Action.READY) for row in ready]

    def _active(self, behind: Sequence[Behind]) -> list[Behind]:
        good = []
        for one in behind:
            try:
                self.check_active(one)
            except MetricNotActiveError as error:
                one.refused = True
                self._telemetry.results_refused.inc(max(1, len(one.seq)))
                _log.info("results_refused", reason=str(error), samples=len(one.seq))
            else:
                good.append(one)
        return good

    def _catch_up(self, behind: Sequence[Behind]) -> list[dict[str, Any]]:
        """Move rows on whose stored samples were scored now."""
        record = self._registry.position
        statuses = []
        for one in behind:
            if one.failure is not None:
                statuses.append(self._fail(one.row, *one.failure))
                continue
            mine = record[one.row]
            mine["scored_seq"] = one.upto
            if len(one.seq):
                mine["score"] = one.scored["anomaly_score"][-1]
            if self._registry.standings[one.row].failures and len(one.seq):
                statuses.append(self._registry.step(one.row, Action.RESULT))
            if self._registry.note_readiness(one.row, one.readiness):
                statuses.append(self._registry.step(one.row, Action.READY))
        return statuses

    def _fill(
        self,
        commit: Commit,
        fresh: _Part,
        behind: _Part,
        final: _Part,
        taken: Arranged,
        statuses: list[dict[str, Any]],
        events: Sequence[Changed],
        now: int,
    ) -> None:
        position = self._registry.position
        ids = position["id"]
        touched = np.unique(np.concatenate([taken.rows, behind.row]))
        commit.metrics = new_metric_rows(self._registry, self._lanes, touched, now)
        position["stored"][touched] = True
        commit.held_add, commit.held_drop = taken.added.rows(ids), taken.dropped.keys(ids)
        commit.late = taken.late.rows(ids)
        commit.samples, commit.scored = fresh.columns(ids), behind.columns(ids)
        # A metric whose samples are all held has no last one yet.
        commit.positions = positions_of(position[touched[position["seq"][touched] > 0]])
        commit.statuses = statuses
        commit.events = [event_row(int(ids[change.row]), change) for change in events]
        commit.ranges = ranges_of(ids[final.row], final.seq)
