from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from tests.postgres import Server
from tests.store.making import a_metric, joined, samples
from tocsin.store.commits import Commit, Writer
from tocsin.store.database import claim
from tocsin.store.queries import Reader

#: Times with irregular steps; the value is the place.
TIMES = [i * 100 + (i * i) % 37 for i in range(1, 3_001)]


# why not the fixtures of one test: the examples share what is stored
@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'tocsin.db'}"
    else:
        server: Server = request.getfixturevalue("postgres_server")
        url = server.new_database()
    with claim(url) as engine:
        rows = joined(samples(1, TIMES), samples(3, TIMES[:5], first=41))
        metrics = [a_metric(number) for number in (1, 2, 3)]
        Writer(engine).commit(Commit(metrics=metrics, samples=rows))
        yield engine


def times_of(database: Engine, metric: int = 1, **query: Any) -> list[int]:
    given = {"start": None, "end": None, "after": None, "limit": 10_000} | query
    return [row["timestamp"] for row in Reader(database).samples(metric, **given)]


@given(start=st.integers(0, 301_000), end=st.integers(0, 301_000))
def test_ranges_are_those_of_a_scan(database: Engine, start: int, end: int) -> None:
    expected = [time for time in TIMES if start <= time < end]
    assert times_of(database, start=start, end=end) == expected
    assert times_of(database, start=start, end=end, order="desc") == expected[::-1]


@given(
    places=st.lists(st.integers(0, 3_100), min_size=1, max_size=20, unique=True),
    near=st.booleans(),
)
def test_values_are_found_at_their_times(database: Engine, places: list[int], near: bool) -> None:
    times = sorted(2_990 * 100 + p if near else p * 100 + (p * p) % 37 for p in places)
    expected = {time: float(TIMES.index(time) + 1) for time in times if time in TIMES}
    found = Reader(database).values_at(1, times)
    assert {time: found[time] for time in times if time in found} == expected


def test_a_metric_without_samples_or_without_its_first_ones(database: Engine) -> None:
    assert times_of(database, 2, start=5) == []
    assert Reader(database).values_at(2, [1, 2]) == {}
    assert times_of(database, 3, start=TIMES[1], end=TIMES[3]) == TIMES[1:3]


def test_metrics_are_found_by_their_title(tmp_path: Path) -> None:
    with claim(f"sqlite:///{tmp_path / 'tocsin.db'}") as engine:
        names = ["cpu_load", "cpuXload", "CPU%"]
        rows = [a_metric(i, name=name, title=name) for i, name in enumerate(names, 1)]
        Writer(engine).commit(Commit(metrics=rows))
        reader = Reader(engine)

        def found(match: str) -> list[int]:
            return [row["id"] for row in reader.metrics(match, 0, 10)]

        assert found("cpu_") == [1]
        assert found("cpu?load") == [1, 2]
        assert found("cpu*") == [1, 2, 3]
        assert found("%") == [3]
