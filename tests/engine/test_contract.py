"""The engine's contract against a small model of it, through every story that hypothesis tells.

The model keeps a list of samples per metric and one plain `Detector`; the engine has groups,
threads, snapshots, restarts, and a database that refuses or does not answer.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import hypothesis
import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tocsin import Detector
from tocsin.config import Config
from tocsin.detect.result import NUMBERS
from tocsin.detect.settings import Settings
from tocsin.engine.batch import Batch, Receipt
from tocsin.engine.engine import Engine
from tocsin.errors import ActionRefusedError, StoreError
from tocsin.samples import SECOND_NS, Metric, Samples
from tocsin.store.commits import Commit, Writer
from tocsin.store.database import open_database

#: At full length (``make faults``).
LONG = os.environ.get("TOCSIN_FAULTS") == "long"
START = 1_700_000_000 * SECOND_NS
FUTURE = 9_000_000_000 * SECOND_NS
#: One's model is scored behind the commit; one is watched as a rate.
NAMES = ("a", "b", "slow", "counter")
SETTINGS = {
    "slow": Settings(model="htm", htm="small"),
    "counter": Settings(kind="counter"),
}
NEEDED = 100
_NUMBERS = list(NUMBERS)
_WAIT_S = 60

#: What a sample is, beside those that have come: news, or something that is not.
KINDS = ("news", "again", "conflict", "late", "nan", "infinite", "future", "past")


#: What is done to the saved states in a crash.
_STATES = {
    "as they are": "select 1",
    "all gone": "delete from snapshot",
    "the last ones gone": "delete from snapshot where seq = (select max(s.seq) from snapshot s "
    "where s.metric = snapshot.metric)",
    "one metric's gone": "delete from snapshot where metric = (select max(metric) from snapshot)",
}


@dataclass
class Generation:
    """What the engine must hold of one generation of a metric."""

    times: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    #: A row of `RESULT` per sample; None: never scored.
    results: list[tuple[Any, ...] | None] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)
    detector: Detector = field(init=False)
    learnt: int = 0
    learning: bool = True
    monitored: bool = True

    def __post_init__(self) -> None:
        self.detector = Detector(self.settings)

    @classmethod
    def of(cls, name: str) -> Generation:
        return cls(settings=SETTINGS.get(name, Settings()))

    @property
    def status(self) -> str:
        if not self.monitored:
            return "unmonitored"
        if not self.learning:
            return "paused"
        return "active" if self.learnt >= NEEDED else "warming_up"

    def take(self, times: list[int], values: list[float]) -> None:
        """Append accepted samples, and score them if this metric learns."""
        self.times += times
        self.values += values
        if not self.learning:
            self.results += [None] * len(times)
            return
        if times:
            found = self.detector.update_many(np.array(times), values, unit="ns")
            self.results += [_result(row) for row in found]
            self.learnt = self.detector.readiness.seen

    def forget(self) -> None:
        self.detector, self.learnt = Detector(self.settings), 0


def _result(row: np.void) -> tuple[Any, ...]:
    numbers = [None if np.isnan(row[name]) else float(row[name]) for name in _NUMBERS]
    return (*numbers, int(row["event"]))


def judge(known: Generation, samples: list[tuple[int, float]]) -> list[str]:
    """What becomes of one metric's samples of a batch, told sample by sample; takes the good."""
    told = [""] * len(samples)
    stored = dict(zip(known.times, known.values, strict=True))
    last = known.times[-1] if known.times else -1
    news: list[int] = []
    for place in sorted(range(len(samples)), key=lambda i: samples[i][0]):
        time, value = samples[place]
        if not np.isfinite(value):
            told[place] = "not_finite"
        elif time >= FUTURE:
            told[place] = "future"
        elif time <= 0:
            told[place] = "past"
        elif time in stored:
            told[place] = "duplicate" if stored[time] == value else "conflict"
        elif time < last:
            told[place] = "late"
        else:
            told[place], last = "accepted", time
            stored[time] = value
            news.append(place)
    known.take([samples[i][0] for i in news], [samples[i][1] for i in news])
    return told


class Unwilling:
    """A database that refuses some commits, or does not say that it has done them."""

    def __init__(self) -> None:
        self.plan: list[str] = []
        self.done = 0
        self._commit = Writer.commit

    def commit(self, writer: Writer, *whats: Commit, again: bool = False) -> None:
        kind = self.plan.pop(0) if self.plan else "well"
        if kind == "refused":
            raise StoreError("the disk is full")
        self._commit(writer, *whats, again=again)
        self.done += 1
        if kind == "unanswered":
            raise StoreError("the connection is gone")


@hypothesis.settings(max_examples=150 if LONG else 6, stateful_step_count=40 if LONG else 25)
class Contract(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.unwilling = Unwilling()
        self.stack.enter_context(mock.patch.object(Writer, "commit", self._commit()))
        self.stack.enter_context(mock.patch("tocsin.engine.committing._FIRST_PAUSE_S", 0.001))
        self.metrics: dict[str, Generation] = {}
        self.gone: dict[str, int] = {}
        self.counted: tuple[Batch, Receipt] | None = None
        self.position = 0
        self.copies = 0
        self.file = self.folder / "0.db"

    def _commit(self) -> Callable[..., None]:
        unwilling = self.unwilling

        def commit(writer: Writer, *whats: Commit, again: bool = False) -> None:
            unwilling.commit(writer, *whats, again=again)

        return commit

    @initialize()
    def begin(self) -> None:
        self.database = open_database(f"sqlite:///{self.file}", busy_s=1.0)
        config = msgspec.structs.replace(
            Config(),
            data=str(self.folder / "data"),
            snapshot_s=0.01,
            restart_s=0.001,
            watch=[
                {"match": "slow", "model": "htm", "htm": "small"},
                {"match": "counter", "kind": "counter"},
            ],
        )
        self.engine = Engine(self.database, config)
        self.engine.start()

    def _end(self) -> None:
        self.engine.stop()
        self.database.dispose()

    def teardown(self) -> None:
        try:
            if hasattr(self, "engine"):
                self._end()
        finally:
            self.stack.close()

    # What senders do

    @rule(
        data=st.data(),
        parts=st.lists(
            st.tuples(st.sampled_from(NAMES), st.integers(1, 70)), min_size=1, max_size=4
        ),
        trouble=st.lists(st.sampled_from(["refused", "unanswered", "well"]), max_size=3),
        counts=st.booleans(),
    )
    def send(
        self,
        data: st.DataObject,
        parts: list[tuple[str, int]],
        trouble: list[str],
        counts: bool,
    ) -> None:
        """Batches with everything in them; the database may be in trouble meanwhile."""
        batches, promised = [], []
        self.unwilling.plan = list(trouble)
        for name, count in parts:
            samples = self._make(data, name, count)
            batch = self._batch(name, samples, counts)
            batches.append((name, samples, batch))
            promised.append(self.engine.submit(batch))
        for (name, samples, batch), future in zip(batches, promised, strict=True):
            receipt = future.result(_WAIT_S)
            self._compare(name, samples, receipt)
            if counts:
                self.counted = batch, receipt
        self.unwilling.plan = []

    @precondition(lambda self: self.counted is not None)
    @rule()
    def send_again(self) -> None:
        """What a sender that counts sends again has the same answer and no effect."""
        assert self.counted is not None
        batch, receipt = self.counted
        assert self.engine.submit(batch).result(_WAIT_S) == receipt

    def _make(self, data: st.DataObject, name: str, count: int) -> list[tuple[int, float]]:
        """Mostly news, and a few samples that are none."""
        known = self.metrics.get(name, Generation())
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
        last = max(known.times[-1] if known.times else START, getattr(self, f"_at_{name}", START))
        times = last + np.cumsum(rng.integers(1, 4, count)) * 10 * SECOND_NS
        values = rng.normal(size=count).round(2)
        values[rng.random(count) < 0.01] += 100
        samples = [(int(t), float(v)) for t, v in zip(times, values, strict=True)]
        setattr(self, f"_at_{name}", int(times[-1]))
        for kind in data.draw(st.lists(st.sampled_from(KINDS[1:]), max_size=3), label="not news"):
            place = int(rng.integers(0, len(samples) + 1))
            samples.insert(place, _odd(kind, known, samples, rng))
        return samples

    def _batch(self, name: str, samples: list[tuple[int, float]], counts: bool) -> Batch:
        times, values = zip(*samples, strict=True)
        columns = Samples(np.zeros(len(samples), dtype=np.int64), np.array(times), np.array(values))
        self.position += 1
        source = "counts" if counts else None
        return Batch([Metric.of(name)], columns, "test", source=source, position=self.position)

    def _compare(self, name: str, samples: list[tuple[int, float]], receipt: Receipt) -> None:
        known = self.metrics.get(name)
        told = judge(known or Generation.of(name), samples)
        if known is None and "accepted" in told:
            self.metrics[name] = fresh = Generation.of(name)
            assert judge(fresh, samples) == told
        assert receipt.accepted == told.count("accepted")
        assert receipt.duplicates == told.count("duplicate")
        refused = [
            (i, code) for i, code in enumerate(told) if code not in ("accepted", "duplicate")
        ]
        assert [(r.index, str(r.code)) for r in receipt.rejected] == refused

    # What people do

    @precondition(lambda self: self.metrics)
    @rule(
        data=st.data(),
        what=st.sampled_from(["pause", "resume", "reset", "monitor", "unmonitor"]),
        trouble=st.lists(st.sampled_from(["refused", "unanswered"]), max_size=2),
    )
    def act(self, data: st.DataObject, what: str, trouble: list[str]) -> None:
        name = data.draw(st.sampled_from(sorted(self.metrics)), label="metric")
        known = self.metrics[name]
        refused = (what in ("pause", "resume", "reset") and not known.monitored) or (
            what == "monitor" and known.status == "paused"
        )
        self.unwilling.plan = list(trouble)
        action = getattr(self.engine.actions, what)
        future = self.engine.control(lambda: action(self._uid(name)))
        error = future.exception(_WAIT_S)
        self.unwilling.plan = []
        assert isinstance(error, ActionRefusedError) if refused else error is None, error
        if not refused:
            self._act(known, what)

    def _act(self, known: Generation, what: str) -> None:
        if what == "pause":
            known.learning = False
        elif what == "resume":
            known.learning = True
        elif what == "reset":
            known.forget()
        elif what == "monitor" and not known.monitored:
            known.monitored = known.learning = True
            known.forget()
        elif what == "unmonitor":
            known.monitored = known.learning = False
            known.forget()

    @precondition(lambda self: self.metrics)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.metrics)), label="metric")
        uid = self._uid(name)
        self.engine.control(lambda: self.engine.actions.delete(uid)).result(_WAIT_S)
        self.gone[name] = self.gone.get(name, 0) + 1
        del self.metrics[name]

    def _uid(self, name: str) -> str:
        (row,) = self.engine.registry.find([Metric.of(name)]).tolist()
        uid: str = self.engine.registry.uids[row]
        return uid

    # What happens

    @rule()
    def restart(self) -> None:
        self._end()
        self.begin()

    @rule(states=st.sampled_from(sorted(_STATES)))
    def crash(self, states: str) -> None:
        """Go on with the database as it is at this moment, whatever the process would still do.

        Some or all states may not have been saved yet, or lie further back.
        """
        self.copies += 1
        copy = self.folder / f"{self.copies}.db"
        with sqlite3.connect(self.file) as source, sqlite3.connect(copy) as target:
            source.backup(target)
            target.execute(_STATES[states])
        source.close()
        target.close()
        self._end()
        self.file = copy
        self.begin()

    # What must be true at any time

    @invariant()
    def everything_is_as_it_should_be(self) -> None:
        if not hasattr(self, "engine"):
            return
        connection = sqlite3.connect(self.file)
        try:
            self._wait_scored(connection)
            rows = connection.execute(
                "select name, id, generation, status, last_seq, scored_seq "
                "from metric join progress on metric = id where deleted is null"
            ).fetchall()
            assert sorted(row[0] for row in rows) == sorted(self.metrics)
            for name, metric, generation, status, last, scored in rows:
                known = self.metrics[name]
                assert (generation, status) == (self.gone.get(name, 0) + 1, known.status)
                assert last == scored == len(known.times)
                self._check_samples(connection, metric, known)
                self._check_outbox(connection, metric, last)
        finally:
            connection.close()

    def _wait_scored(self, connection: sqlite3.Connection) -> None:
        deadline = time.monotonic() + _WAIT_S
        query = (
            "select count(*) from metric join progress on metric = id "
            "where deleted is null and scored_seq < last_seq"
        )
        while connection.execute(query).fetchone() != (0,):
            assert time.monotonic() < deadline, "is never scored"
            time.sleep(0.002)

    def _check_samples(
        self, connection: sqlite3.Connection, metric: int, known: Generation
    ) -> None:
        columns = ", ".join(_NUMBERS)
        stored = connection.execute(
            f"select seq, timestamp, value, {columns}, event from sample where metric = ? "
            "order by seq",
            [metric],
        ).fetchall()
        nothing = (None,) * (len(_NUMBERS) + 1)
        expected = [
            (seq, time, value, *(result or nothing))
            for seq, (time, value, result) in enumerate(
                zip(known.times, known.values, known.results, strict=True), 1
            )
        ]
        assert stored == expected
        (events,) = connection.execute(
            "select count(*) from event where metric = ?", [metric]
        ).fetchone()
        assert events == sum(result is not None and result[-1] == 1 for result in known.results)

    def _check_outbox(self, connection: sqlite3.Connection, metric: int, last: int) -> None:
        """Every sample left once, in order."""
        reached = 0
        for (ranges,) in connection.execute("select ranges from outbox order by id"):
            for who, first, end in np.frombuffer(ranges, "<i8").reshape(-1, 3).tolist():
                if who == metric:
                    assert first == reached + 1
                    reached = end
        assert reached == last


def _odd(
    kind: str, known: Generation, samples: list[tuple[int, float]], rng: np.random.Generator
) -> tuple[int, float]:
    """A sample that is not news. Where there is nothing to be odd about: one that is no number."""
    newest = samples[-1][0] if samples else START
    if kind == "infinite":
        return newest, float(rng.choice([np.inf, -np.inf]))
    if kind == "future":
        return FUTURE + int(rng.integers(0, 100)), 1.0
    if kind == "past":
        return -int(rng.integers(0, 100)), 1.0
    if kind in ("again", "conflict", "late") and known.times:
        place = int(rng.integers(0, len(known.times)))
        time, value = known.times[place], known.values[place]
        if kind == "late":
            return time - SECOND_NS, value
        return time, value + (kind == "conflict")
    return newest, float("nan")


# Making a failing story short takes its time.
TestContract = pytest.mark.timeout(7_200 if LONG else 900)(Contract.TestCase)
