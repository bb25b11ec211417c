"""What comes in the wrong order, too late, twice or not at all: through a whole engine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sqlalchemy import text

from tests.signals import calm_then_spike
from tocsin.config import Config
from tocsin.engine.batch import Batch, Reason, Receipt
from tocsin.engine.engine import Engine
from tocsin.samples import SECOND_NS, Metric, Samples
from tocsin.store.database import claim

START = 1_700_000_000 * SECOND_NS
VALUES = calm_then_spike(700, 60)
PATIENCE_S = 120.0


@contextmanager
def engine_on(url: str, folder: Path, **options: Any) -> Iterator[Engine]:
    config = msgspec.structs.replace(Config(), database=url, data=str(folder), **options)
    with claim(config.url, busy_s=1.0) as database:
        engine = Engine(database, config)
        engine.start()
        try:
            yield engine
        finally:
            engine.stop()


def batch(samples: Sequence[tuple[float, float]], name: str = "m", **more: Any) -> Batch:
    """``samples``: seconds after the start, and values."""
    seconds, values = zip(*samples, strict=True) if samples else ((), ())
    times = START + (np.array(seconds, dtype=np.float64) * SECOND_NS).astype(np.int64)
    column = np.zeros(len(times), dtype=np.int64)
    return Batch(
        [Metric.of(name)],
        Samples(column, times, np.array(values, dtype=np.float64)),
        "test",
        **more,
    )


def send(engine: Engine, what: Batch) -> Receipt:
    return engine.submit(what).result(PATIENCE_S)


def rows(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.writer._engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def told(engine: Engine) -> str:
    return engine.telemetry.text().decode()


def scored(engine: Engine) -> list[tuple[Any, ...]]:
    return rows(engine, "select * from sample order by metric, seq")


def seconds_stored(engine: Engine, table: str = "sample") -> list[float]:
    times = rows(engine, f"select timestamp from {table} order by metric, timestamp")
    return [(timestamp - START) / SECOND_NS for (timestamp,) in times]


def until(engine: Engine, query: str, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while rows(engine, query) != [(count,)]:
        assert time.monotonic() < deadline, rows(engine, query)
        time.sleep(0.01)


def shuffled(window: int, seed: int) -> list[tuple[float, float]]:
    """All values at one a second, none further back than the window."""
    late = np.random.default_rng(seed).uniform(0, window - 1, len(VALUES))
    order = np.argsort(np.arange(len(VALUES)) + late)
    return [(float(i), VALUES[i]) for i in order.tolist()]


def test_shuffled_samples_score_the_same_bits_across_restarts(
    database_url: str, tmp_path: Path
) -> None:
    with engine_on(f"sqlite:///{tmp_path / 'plain.db'}", tmp_path) as engine:
        send(engine, batch([(float(i), value) for i, value in enumerate(VALUES)]))
        expected = scored(engine)
    arriving = shuffled(30, seed=4)
    for start in range(0, len(arriving), 200):
        with engine_on(database_url, tmp_path, reorder_s=30.0) as engine:
            # By the clock nothing is due in this time: what waits, waits in the database.
            part = arriving[start : start + 200]
            for first in range(0, len(part), 7):
                some = part[first : first + 7]
                assert send(engine, batch(some)) == Receipt(len(some), 0)
                assert send(engine, batch(some)) == Receipt(0, len(some))
            held = seconds_stored(engine, "held")
            assert 0 < len(held) <= 31
            assert f"tocsin_samples_held {len(held)}.0" in told(engine)
            stored = seconds_stored(engine)
            assert not set(held) & set(stored)
            assert sorted([*stored, *held]) == sorted(t for t, _ in arriving[: start + 200])
    with engine_on(database_url, tmp_path) as engine:
        until(engine, "select count(*) from held", 0)
        assert scored(engine) == expected


def test_a_metric_whose_samples_are_all_held_has_no_last_one(
    database_url: str, tmp_path: Path
) -> None:
    for at in (5.0, 6.0):  # also after a restart
        with engine_on(database_url, tmp_path, reorder_s=100.0) as engine:
            assert send(engine, batch([(at, 1.0), (4.0, 2.0)])).accepted
            asked = (
                "select name, last_seq, last_timestamp, last_value "
                "from metric join progress on metric = id"
            )
            assert rows(engine, asked) == [("m", 0, None, None)]
    with engine_on(database_url, tmp_path) as engine:
        until(engine, "select count(*) from held", 0)
        assert rows(engine, asked) == [("m", 3, START + 6 * SECOND_NS, 1.0)]


def test_the_clock_releases_what_nothing_newer_comes_for(database_url: str, tmp_path: Path) -> None:
    with engine_on(database_url, tmp_path, reorder_s=0.05) as engine:
        assert send(engine, batch([(5.0, 1.0)])) == Receipt(1, 0)
        assert send(engine, batch([(4.99, 2.0)], "other")) == Receipt(1, 0)
        until(engine, "select count(*) from sample", 2)
        assert rows(engine, "select count(*) from held") == [(0,)]
        # The outbox tells of them as of any others.
        assert rows(engine, "select sum(count) from outbox") == [(2,)]


def test_late_samples_are_kept_where_that_is_wanted(database_url: str, tmp_path: Path) -> None:
    late = batch([(1.0, 7.0), (1.0, 7.0), (1.0, 8.0), (2.0, 9.0), (10.0, 1.0)])
    with engine_on(database_url, tmp_path, late="store") as engine:
        send(engine, batch([(10.0, 1.0)]))
        receipt = send(engine, late)
        assert (receipt.accepted, receipt.duplicates, receipt.late) == (0, 2, 2)
        assert [(r.index, r.code) for r in receipt.rejected] == [(2, Reason.CONFLICT)]
        assert 'tocsin_samples_late_total{protocol="test"} 2.0' in told(engine)
    with engine_on(database_url, tmp_path, late="store") as engine:
        again = send(engine, late)
        assert (again.accepted, again.duplicates, again.late) == (0, 4, 0)
        assert seconds_stored(engine, "late") == [1.0, 2.0]
        assert seconds_stored(engine) == [10.0]
    with engine_on(database_url, tmp_path) as engine:
        dropped = send(engine, late)
        assert [r.code for r in dropped.rejected] == [Reason.LATE] * 4


def test_refused_samples_are_counted_for_good(database_url: str, tmp_path: Path) -> None:
    with engine_on(database_url, tmp_path, max_past_days=365.0) as engine:
        assert [r.code for r in send(engine, batch([(0.0, 1.0)])).rejected] == [Reason.TOO_OLD]
        # Nothing good has come of this metric: there is nothing to count under.
        assert rows(engine, "select count(*) from refusal") == [(0,)]
        assert rows(engine, "select count(*) from metric") == [(0,)]
    for _ in range(2):
        with engine_on(database_url, tmp_path) as engine:
            send(engine, batch([(0.0, 1.0)]))
            send(engine, batch([(0.0, 2.0), (-2.0, 4.0), (1e9, 1.0), (-1.0, 3.0)]))
            send(engine, batch([(5.0, np.nan), (6.0, -np.inf)]))
    with engine_on(database_url, tmp_path) as engine:
        found = rows(engine, "select reason, count, timestamp, value from refusal order by reason")
    assert found == [
        ("conflict", 2, START, "2.0"),
        ("future", 2, START + 10**9 * SECOND_NS, "1.0"),
        ("late", 4, START - SECOND_NS, "3.0"),
        ("not_finite", 4, START + 6 * SECOND_NS, "-inf"),
    ]


@pytest.mark.parametrize("source", ["sender", "http:key"])
def test_what_a_sender_repeats_is_answered_from_the_book(
    database_url: str, tmp_path: Path, source: str
) -> None:
    first = batch([(1.0, 1.0), (2.0, np.nan), (2.0, 2.0)], source=source, position=3)
    with engine_on(database_url, tmp_path) as engine:
        receipt = send(engine, first)
        assert (receipt.accepted, len(receipt.rejected)) == (2, 1)
        assert send(engine, first) == receipt
    with engine_on(database_url, tmp_path) as engine:
        assert send(engine, first) == receipt
        assert rows(engine, "select count from refusal") == [(1,)]
        assert send(engine, replace(first, position=4)).duplicates == 2
        assert rows(engine, "select source, position from delivery") == [(source, 4)]


def test_repeats_in_flight_together_have_effect_once(database_url: str, tmp_path: Path) -> None:
    with engine_on(database_url, tmp_path) as engine:
        parts = [batch([(float(i), 1.0)], source="s", position=i) for i in range(1, 40)]
        waiting = [engine.submit(part) for part in parts for _ in range(3)]
        answers = [future.result(PATIENCE_S) for future in waiting]
        assert answers == [Receipt(1, 0)] * len(answers)
        assert seconds_stored(engine) == [float(i) for i in range(1, 40)]
        assert 'tocsin_samples_accepted_total{protocol="test"} 39.0' in told(engine)
        assert "tocsin_batches_repeated_total 78.0" in told(engine)
