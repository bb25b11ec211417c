from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.signals import calm_then_spike
from tocsin import Detector
from tocsin.config import Config
from tocsin.detect.result import NUMBERS
from tocsin.engine.batch import Batch
from tocsin.engine.committed import Committed
from tocsin.engine.engine import Engine
from tocsin.engine.queue import Queue
from tocsin.errors import QueueFullError, StoreError
from tocsin.samples import SECOND_NS, Metric, Samples
from tocsin.store.commits import Commit, Writer
from tocsin.store.database import open_database

START = 1_700_000_000 * SECOND_NS
VALUES = calm_then_spike(700, 60)


@contextmanager
def engine_on(folder: Path, **options: Any) -> Iterator[Engine]:
    database = open_database(f"sqlite:///{folder / 'tocsin.db'}", busy_s=0.1)
    engine = Engine(database, msgspec.structs.replace(Config(data=str(folder)), **options))
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()
        database.dispose()


def batch(
    values: list[float], first: int = 0, name: str = "m", sender: str = "", bulk: bool = False
) -> Batch:
    times = START + np.arange(first, first + len(values), dtype=np.int64) * SECOND_NS
    column = np.zeros(len(values), dtype=np.int64)
    return Batch(
        [Metric.of(name)],
        Samples(column, times, np.array(values)),
        "test",
        sender=sender,
        bulk=bulk,
    )


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(folder / "tocsin.db", isolation_level=None)
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def scores(folder: Path) -> list[tuple[Any, ...]]:
    return rows(
        folder,
        "select seq, rate, raw_score, likelihood, anomaly_score, alert_score, expected, lower, "
        "upper, event from sample where metric = 1 order by seq",
    )


def undisturbed(values: list[float]) -> list[tuple[Any, ...]]:
    times = START + np.arange(len(values)) * SECOND_NS
    found = Detector().update_many(times, values, unit="ns")
    columns = [[None if np.isnan(x) else float(x) for x in found[name]] for name in NUMBERS]
    return list(zip(range(1, len(values) + 1), *columns, found["event"].tolist(), strict=True))


def test_batches_of_any_size_give_the_same_bits(tmp_path: Path) -> None:
    with engine_on(tmp_path) as engine:
        sizes = np.random.default_rng(2)
        at = 0
        receipts = []
        while at < len(VALUES):
            size = int(sizes.integers(1, 60))
            receipts.append(engine.submit(batch(VALUES[at : at + size], at)))
            at += size
        assert sum(receipt.result(120).accepted for receipt in receipts) == len(VALUES)
    assert scores(tmp_path) == undisturbed(VALUES)


def test_a_commit_that_fails_is_repeated_until_it_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine_on(tmp_path) as engine:
        engine.submit(batch(VALUES[:701])).result(120)
        assert rows(tmp_path, "select * from event")  # the spike has begun
        monkeypatch.setattr(Writer, "commit", _refuse)
        waiting = [engine.submit(batch(VALUES[701:], 701)), engine.submit(batch([1.0], name="new"))]
        again = [engine.submit(batch(VALUES[701:], 701)), engine.submit(batch([1.0], name="new"))]
        _until(lambda: engine.trouble is not None)
        assert engine.trouble == "the disk is full"
        assert not any(receipt.done() for receipt in waiting + again)
        monkeypatch.undo()
        assert [receipt.result(120).accepted for receipt in waiting] == [len(VALUES) - 701, 1]
        assert [receipt.result(120).duplicates for receipt in again] == [len(VALUES) - 701, 1]
        assert engine.trouble is None
    assert scores(tmp_path) == undisturbed(VALUES)
    ids = [event[0] for event in rows(tmp_path, "select id from event order by id")]
    assert ids == list(range(1, len(ids) + 1))
    assert rows(
        tmp_path, "select name, last_seq from metric join progress on metric = id order by id"
    ) == [
        ("m", len(VALUES)),
        ("new", 1),
    ]


def _refuse(_writer: Writer, *_whats: Commit, again: bool) -> None:
    raise StoreError("the disk is full")


def _until(true: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(2400):
        if true():
            return
        pause.wait(0.05)
    pytest.fail("it did not come true within two minutes")


def test_a_commit_whose_answer_was_lost_is_not_made_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, lost = Writer.commit, []

    def write_and_fail(writer: Writer, *whats: Commit, again: bool = False) -> None:
        real(writer, *whats, again=again)
        if whats[0].position and not again:
            lost.append(whats[0].position)
            raise StoreError("the connection broke after the commit")

    monkeypatch.setattr(Writer, "commit", write_and_fail)
    with engine_on(tmp_path) as engine:
        for at in range(0, len(VALUES), 100):
            assert engine.submit(batch(VALUES[at : at + 100], at)).result(120).accepted
    assert len(lost) == -(-len(VALUES) // 100)
    assert scores(tmp_path) == undisturbed(VALUES)


def test_groups_that_wait_are_written_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sync to the disk for all of them; each has its own place in the outbox."""
    real, free, written = Writer.commit, threading.Event(), list[int]()

    def write(writer: Writer, *whats: Commit, again: bool = False) -> None:
        assert free.wait(30)
        real(writer, *whats, again=again)
        written.append(len(whats))

    monkeypatch.setattr(Writer, "commit", write)
    with engine_on(tmp_path) as engine:
        told: list[Committed] = []
        engine.listeners.append(told.append)
        first = engine.submit(batch(VALUES[:100]))
        _until(partial(_at, engine, 1))
        others = []
        for at in range(100, 500, 100):
            others.append(engine.submit(batch(VALUES[at : at + 100], at)))
            _until(partial(_at, engine, 1 + at // 100))
        assert not any(receipt.done() for receipt in (first, *others))
        free.set()
        assert [receipt.result(120).accepted for receipt in (first, *others)] == [100] * 5
    assert [one.position for one in told] == [1, 2, 3, 4, 5]
    assert written in ([1, 4], [5])
    assert scores(tmp_path) == undisturbed(VALUES)[:500]
    assert rows(tmp_path, "select id, count from outbox") == [(i, 100) for i in range(1, 6)]


def _at(engine: Engine, position: int) -> bool:
    return engine.scoring.position == position


def test_there_may_be_only_so_many_metrics(tmp_path: Path) -> None:
    for _ in range(2):  # also after a restart
        with engine_on(tmp_path, max_metrics=2) as engine:
            for name in ("a", "b"):
                engine.submit(batch([1.0], name=name)).result(120)
            receipt = engine.submit(batch([1.0, 2.0], name="c")).result(120)
            assert receipt.accepted == 0
            assert [r.code for r in receipt.rejected] == ["too_many_metrics"] * 2
            assert rows(tmp_path, "select name from metric") == [("a",), ("b",)]


def test_a_metric_without_a_good_sample_is_not_made(tmp_path: Path) -> None:
    with engine_on(tmp_path) as engine:
        receipt = engine.submit(batch([np.nan, np.inf])).result(120)
        assert [r.code for r in receipt.rejected] == ["not_finite"] * 2
        assert len(engine.registry) == 0


def test_a_paused_metric_is_stored_but_not_scored(tmp_path: Path) -> None:
    with engine_on(tmp_path) as engine:
        engine.submit(batch(VALUES[:300])).result(120)
    rows(tmp_path, "update metric set status = 'paused'")
    with engine_on(tmp_path) as engine:
        engine.submit(batch(VALUES[300:400], 300)).result(120)
    assert scores(tmp_path)[300:] == [(i, *[None] * 9) for i in range(301, 401)]
    # Watched again, it goes on from what it had learnt, also when that is learnt anew.
    rows(tmp_path, "update metric set status = 'active'")
    rows(tmp_path, "delete from snapshot")
    with engine_on(tmp_path) as engine:
        engine.submit(batch(VALUES[400:500], 400)).result(120)
    times = START + np.array([*range(300), *range(400, 500)]) * SECOND_NS
    values = VALUES[:300] + VALUES[400:500]
    alone = Detector().update_many(times, values, unit="ns")
    found = [row[2] for row in scores(tmp_path) if row[9] is not None]
    assert found == alone["raw_score"].tolist()


def test_snapshots_are_written_while_it_runs(tmp_path: Path) -> None:
    with engine_on(tmp_path, snapshot_s=0.05, restart_s=1e-5) as engine:
        engine.submit(batch(VALUES[:10])).result(120)
        _until(lambda: rows(tmp_path, "select seq from snapshot") == [(10,)])
        assert rows(tmp_path, "select metric, seq from snapshot") == [(1, 10)]


def test_other_settings_learn_anew_and_close_events_that_never_were(tmp_path: Path) -> None:
    with engine_on(tmp_path) as engine:
        engine.submit(batch([1.0] * 20)).result(120)
    rows(
        tmp_path,
        "insert into event (id, metric, start, peak, end, open, value, samples) "
        f"values (1, 1, {START}, {START}, {START}, 1, 1.0, 1)",
    )
    with engine_on(tmp_path, detect={"false_alarms_per_week": 3.0}) as engine:
        assert engine.readiness(1).seen == 20
    assert rows(tmp_path, "select open from event") == [(0,)]


def test_listeners_are_told_what_was_committed(tmp_path: Path) -> None:
    told: list[Committed] = []
    with engine_on(tmp_path) as engine:
        engine.listeners.append(_fail)
        engine.listeners.append(told.append)
        engine.submit(batch([1.0, 2.0])).result(120)
        engine.submit(batch([1.0, 2.0])).result(120)  # duplicates are no news
        engine.submit(batch([3.0], 2)).result(120)
    assert [c.value.tolist() for c in told] == [[1.0, 2.0], [3.0]]
    assert [c.seq.tolist() for c in told] == [[1, 2], [3]]


def _fail(_committed: Committed) -> None:
    raise RuntimeError("a listener's own trouble")


def test_a_stopped_engine_has_stored_what_waited_and_takes_no_more(tmp_path: Path) -> None:
    with engine_on(tmp_path) as engine:
        receipts = [engine.submit(batch([float(i)], i)) for i in range(200)]
        engine.stop()
        assert sum(receipt.result(0).accepted for receipt in receipts) == 200
        with pytest.raises(StoreError):
            engine.submit(batch([1.0]))


def test_a_sender_that_went_away_harms_nobody(tmp_path: Path) -> None:
    with engine_on(tmp_path) as engine:
        futures = [engine.submit(batch([float(i)], i)) for i in range(50)]
        cancelled = [future.cancel() for future in futures]
        last = engine.submit(batch([99.0], 50)).result(120)
        assert last.accepted == 1
        for future, gone in zip(futures, cancelled, strict=True):
            assert gone or future.result(120).accepted == 1


@pytest.mark.parametrize("size", [10, 11])
def test_a_full_queue_pushes_back(size: int) -> None:
    queue = Queue(10)
    queue.put(batch([1.0] * size))  # one always fits
    with pytest.raises(QueueFullError):
        queue.put(batch([1.0]))
    assert len(queue) == size
    assert len(queue.take(5, 0).entries) == 1
    queue.put(batch([1.0]))


def test_the_queue_gives_what_has_arrived_up_to_a_size() -> None:
    queue = Queue(100)
    for size in (3, 4, 5):
        queue.put(batch([1.0] * size))
    taken = [sum(len(entry.batch) for entry in queue.take(8, 0).entries) for _ in range(3)]
    assert taken == [7, 5, 0]


def test_a_backlog_leaves_room_for_others() -> None:
    queue = Queue(1_000)
    for i in range(10):
        queue.put(batch([1.0] * 40, 40 * i, sender="loader", bulk=True))
    for name in ("a", "b"):
        queue.put(batch([1.0] * 10, name=name, sender=name))
    first = [entry.batch.sender for entry in queue.take(100, 0).entries]
    assert first == ["a", "b", "loader", "loader"]
    with pytest.raises(QueueFullError):
        queue.put(batch([1.0] * 200, sender="loader", bulk=True))
    queue.put(batch([1.0] * 200, sender="a"))


def test_senders_take_turns() -> None:
    queue = Queue(1_000)
    for i in range(6):
        queue.put(batch([1.0] * 10, 10 * i, sender="eager"))
    queue.put(batch([1.0] * 10, sender="other"))
    taken = [entry.batch.sender for entry in queue.take(30, 0).entries]
    assert taken == ["eager", "other", "eager"]


def test_a_stop_does_not_wait_for_ever_for_a_database_that_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.engine.committing._PATIENCE_S", 0.3)
    with engine_on(tmp_path) as engine:
        engine.submit(batch(VALUES[:100])).result(120)
        monkeypatch.setattr(Writer, "commit", _refuse)
        # More than may be under way at once: the engine's thread waits, too.
        lost = [engine.submit(batch([float(i)], 100 + i)) for i in range(5)]
        _until(lambda: engine.trouble is not None)
        engine.stop()
        for receipt in lost:
            with pytest.raises(StoreError):
                receipt.result(0)
        monkeypatch.undo()
    with engine_on(tmp_path) as engine:  # they were not acknowledged, and come again
        assert engine.submit(batch(VALUES[:300])).result(120).accepted == 200
    assert scores(tmp_path) == undisturbed(VALUES[:300])
