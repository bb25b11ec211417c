from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tocsin.bench.engine import Plan, _alone, measure
from tocsin.bench.stores import counted, new_database, plain_insert
from tocsin.cli.main import main
from tocsin.store.database import claim

SMALL = Plan(samples=12_000, metrics=20, restart_metrics=60, memory_mb=1)


def test_every_figure_is_measured(tmp_path: Path) -> None:
    told: list[str] = []
    figures = measure(None, SMALL, told.append)
    assert figures.samples == SMALL.samples + 1  # one goes before, to warm up
    assert min(figures.http, figures.alone, figures.plain, figures.cpu_us) > 0
    assert figures.rows_read < 0.01
    assert 0 < figures.restart_s < 120
    assert 0 < figures.replay_s < 120
    assert figures.states > 9 * figures.budget
    assert told
    assert msgspec.json.decode(msgspec.json.encode(figures.as_dict()))["store"] == "sqlite"


def test_the_ceiling_has_the_same_rows_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    with new_database(postgres_url, tmp_path) as url:
        alone, rows_read = _alone(url, tmp_path, SMALL)
        assert alone > 0
        assert rows_read < 0.01
        rows, seconds = plain_insert(url, postgres_url, tmp_path)
        assert rows == SMALL.samples
        assert seconds > 0


def test_rows_that_are_read_are_counted(tmp_path: Path) -> None:
    with claim(f"sqlite:///{tmp_path / 'x.db'}") as database:
        counter = counted(database)
        with database.connect() as connection:
            query = "with recursive n(i) as (select 1 union select i + 1 from n where i < 7) "
            assert len(connection.exec_driver_sql(query + "select i from n").all()) == 7
        assert counter.rows == 7


def test_a_server_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "bench",
        "engine",
        "--no-sqlite",
        "--postgres",
        "postgresql+psycopg://x@127.0.0.1:1/x",
    ]
    assert main(command) == 2
    assert "127.0.0.1" in capsys.readouterr().err
