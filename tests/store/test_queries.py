from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from tocsin.errors import ConfigurationError, StartError, StoreError
from tocsin.store.commits import Commit, Writer
from tocsin.store.database import database_file, lock, open_database
from tocsin.store.queries import Reader

#: Times with irregular steps; the value is the place.
TIMES = [i * 100 + (i * i) % 37 for i in range(1, 3_001)]


def a_metric(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "uid": f"u{number}",
        "name": f"m{number}",
        "labels": "{}",
        "title": f"m{number}",
        "generation": 1,
        "status": "active",
        "last_seq": 0,
        "created": 1,
    }


def some_samples(metric: int, times: list[int], first: int = 1) -> list[tuple[Any, ...]]:
    return [
        (metric, seq, time, float(seq), *[None] * 7, 0) for seq, time in enumerate(times, first)
    ]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('store') / 'tocsin.db'}")
    rows = some_samples(1, TIMES) + some_samples(3, TIMES[:5], first=41)
    metrics = [a_metric(number) for number in (1, 2, 3)]
    Writer(engine).commit(Commit(metrics=metrics, samples=rows))
    yield engine
    engine.dispose()


def times_of(database: Engine, metric: int = 1, **query: Any) -> list[int]:
    given = {"start": None, "end": None, "after": None, "limit": 10_000} | query
    return [row["timestamp"] for row in Reader(database).samples(metric, **given)]


@given(st.integers(0, 301_000), st.integers(0, 301_000))
def test_ranges_are_those_of_a_scan(database: Engine, start: int, end: int) -> None:
    expected = [time for time in TIMES if start <= time < end]
    assert times_of(database, start=start, end=end) == expected
    assert times_of(database, start=start, end=end, order="desc") == expected[::-1]


@given(st.lists(st.integers(0, 3_100), min_size=1, max_size=20, unique=True), st.booleans())
def test_values_are_found_at_their_times(database: Engine, places: list[int], near: bool) -> None:
    times = sorted(2_990 * 100 + p if near else p * 100 + (p * p) % 37 for p in places)
    expected = {time: float(TIMES.index(time) + 1) for time in times if time in TIMES}
    found = Reader(database).values_at(1, times)
    assert {time: found[time] for time in times if time in found} == expected


def test_a_metric_without_samples_or_without_its_first_ones(database: Engine) -> None:
    assert times_of(database, 2, start=5) == []
    assert Reader(database).values_at(2, [1, 2]) == {}
    assert times_of(database, 3, start=TIMES[1], end=TIMES[3]) == TIMES[1:3]


def test_a_commit_is_all_or_nothing(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'tocsin.db'}")
    writer, reader = Writer(engine), Reader(engine)
    twice = some_samples(1, [10, 20]) + some_samples(1, [10])
    with pytest.raises(StoreError):
        writer.commit(Commit(metrics=[a_metric(1)], samples=twice))
    assert reader.metrics(None, 0, 10) == []
    with pytest.raises(StoreError):
        writer.commit(Commit(samples=some_samples(9, [10])))  # no such metric
    writer.commit(Commit(metrics=[a_metric(1)], samples=some_samples(1, [10, 20])))
    assert len(reader.metrics(None, 0, 10)) == 1
    engine.dispose()


def test_commits_are_synced(database: Engine) -> None:
    with database.connect() as connection:
        assert connection.exec_driver_sql("pragma journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("pragma synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("pragma foreign_keys").scalar() == 1


def test_one_process_holds_a_database(tmp_path: Path) -> None:
    file = tmp_path / "new" / "tocsin.db"
    with lock(file), pytest.raises(StartError, match="in use"), lock(file):
        raise AssertionError("locked twice")
    with lock(file):
        assert file.with_name("tocsin.db.lock").exists()


@pytest.mark.parametrize("url", ["nonsense", "mysql://h/d", "sqlite://", "sqlite:///:memory:"])
def test_databases_that_cannot_be_vouched_for_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"sqlite:///|is not a database URL"):
        database_file(url)
