from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from tests.engine.test_engine import VALUES, batch, undisturbed
from tocsin.config import Config
from tocsin.engine.engine import Engine
from tocsin.store import schema
from tocsin.store.bulk import RESULTS
from tocsin.store.database import claim
from tocsin.store.retention import Retention

#: What is looked at: seq, the results, the event.
Rows = list[tuple[Any, ...]]


@contextmanager
def engine_on(url: str, folder: Path, **options: Any) -> Iterator[Engine]:
    with claim(url) as database:
        engine = Engine(database, msgspec.structs.replace(Config(data=str(folder)), **options))
        engine.start()
        try:
            yield engine
        finally:
            engine.stop()


def stored(engine: Engine, name: str = "m") -> Rows:
    c, m = schema.sample.c, schema.metric.c
    columns = [c.seq, *(c[result] for result in RESULTS), c.event]
    query = select(*columns).join(schema.metric, m.id == c.metric).where(m.name == name)
    with engine.database.connect() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(c.seq))]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_restart_goes_on_after_forgetting(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine_on(database_url, tmp_path) as engine:
        engine.submit(batch(VALUES[:500])).result(120)
    with monkeypatch.context() as dying:
        dying.setattr(Engine, "_save_all", lambda _: None)  # its states are lost
        with engine_on(database_url, tmp_path, keep_samples=50) as engine:
            until(lambda: len(stored(engine)) == 50)
            engine.submit(batch(VALUES[500:650], 500)).result(120)
    # One that would forget what is still to be replayed cannot go on with the same bits.
    with engine_on(database_url, tmp_path, keep_samples=10) as engine:
        until(lambda: stored(engine)[0][0] == 501)
        engine.submit(batch(VALUES[650:], 650)).result(120)
        found = stored(engine)
    assert found == undisturbed(VALUES)[500:]


def test_rules_say_otherwise(database_url: str, tmp_path: Path) -> None:
    names = ("short", "long", "plain")
    with engine_on(database_url, tmp_path) as engine:
        for name in names:
            engine.submit(batch(VALUES[:100], name=name)).result(120)
    watch = [
        {"match": "short", "keep_samples": 5},
        {"match": "long", "keep_samples": 1_000},
    ]
    with engine_on(database_url, tmp_path, keep_samples=20, watch=watch) as engine:
        until(lambda: [len(stored(engine, name)) for name in names] == [5, 100, 20])


def test_a_step_that_fails_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def fail(_: Retention) -> int:
        tried.append(1)
        raise RuntimeError("somebody reads")

    monkeypatch.setattr(Retention, "work", fail)
    url = f"sqlite:///{tmp_path / 'tocsin.db'}"
    with engine_on(url, tmp_path, keep_samples=5) as engine:
        assert engine.submit(batch(VALUES[:100])).result(120).accepted == 100
        until(lambda: len(tried) == 1)
        assert engine.submit(batch(VALUES[100:200], 100)).result(120).accepted == 100
        assert engine.trouble is None
        assert len(stored(engine)) == 200
    assert len(tried) == 1
