from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, delete, text

from tests.store.making import (
    MINUTE,
    MONTHS_END,
    a_metric,
    a_state,
    an_event,
    joined,
    position,
    samples,
)
from tests.store.released import make_first
from tocsin.cli.main import main
from tocsin.detect.detector import Detector
from tocsin.store import schema
from tocsin.store.checks import check_database
from tocsin.store.commits import Commit, Writer
from tocsin.store.database import claim
from tocsin.store.revisions import HEAD
from tocsin.store.sizes import table_sizes

TIMES = [MONTHS_END + i * MINUTE for i in range(6)]


def fill(engine: Engine) -> None:
    writer = Writer(engine)
    event = an_event(1, start=TIMES[1], peak=TIMES[1], end=TIMES[2])
    writer.commit(
        Commit(
            1,
            metrics=[a_metric(1), a_metric(2), a_metric(3)],
            samples=joined(samples(1, TIMES), samples(2, TIMES[3:], first=4)),
            positions=position(1, 6, TIMES[-1]),
            events=[event],
            ranges=np.array([[1, 1, 6], [2, 4, 6]]),
        )
    )
    writer.commit(Commit(positions=position(2, 6, TIMES[-1])))
    writer.save_snapshots([a_state(1, 6, Detector().to_bytes())], keep=2)


def wrong(engine: Engine) -> dict[str, list[str]]:
    return {c.what: list(c.places) for c in check_database(engine) if c.wrong}


def test_a_whole_database(database: Engine) -> None:
    fill(database)
    assert wrong(database) == {}


#: What is broken, how, and which check must say so, about what.
BROKEN = [
    ("DELETE FROM sample WHERE metric = 1 AND seq = 3", "no gap", "metric 1, first 1, last 6"),
    ("UPDATE sample SET timestamp = 5 WHERE metric = 1 AND seq = 4", "times rise", "seq 4"),
    (
        "UPDATE progress SET last_seq = 5, scored_seq = 5 WHERE metric = 1",
        "last sample",
        "stored 6",
    ),
    ("UPDATE progress SET last_value = 7 WHERE metric = 2", "last sample", "metric 2"),
    ("DELETE FROM metric WHERE id = 2", "belong to a metric", "metric 2"),
    ("UPDATE sample SET event = -2 WHERE metric = 2", "is scored", "waiting 4"),
    ("UPDATE progress SET scored_seq = 7 WHERE metric = 3", "is scored", "metric 3"),
    ("UPDATE progress SET scored_seq = 5 WHERE metric = 1", "stored samples", "metric 1, seq 6"),
    ("DELETE FROM progress WHERE metric = 3", "last sample", "metric 3"),
    ("UPDATE event SET peak = 0", "in order", "event 1"),
    ("UPDATE event SET start = start + 1, peak = peak + 1", "starts are stored", "event 1"),
    ("UPDATE outbox SET count = 8", "outbox", "position 1"),
]


def test_what_does_not_fit_is_found(database: Engine) -> None:
    for breaking, check, place in BROKEN:
        fill(database)
        with database.begin() as connection:
            connection.execute(text(breaking))
        found = wrong(database)
        named = [place in told[0] for what, told in found.items() if check in what]
        assert named == [True], (breaking, found)
        with database.begin() as connection:
            for table in reversed(schema.metadata.sorted_tables):
                if table is not schema.owner:
                    connection.execute(delete(table))


def test_damaged_states_are_found(database: Engine) -> None:
    fill(database)
    whole = bytearray(Detector().to_bytes())
    whole[-20] ^= 1
    Writer(database).save_snapshots([a_state(1, 5, bytes(whole))], keep=2)
    ((place,),) = wrong(database).values()
    assert place.startswith("metric 1, seq 5: this state is damaged")


def test_two_open_events(database: Engine) -> None:
    fill(database)
    Writer(database).commit(
        Commit(events=[an_event(n, start=TIMES[n], peak=TIMES[n], end=TIMES[n]) for n in (2, 3)])
    )
    assert list(wrong(database)) == ["a metric has one open event at most"]


def test_a_damaged_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tocsin.db"
    with claim(f"sqlite:///{file}") as engine:
        fill(engine)
    whole = bytearray(file.read_bytes())
    page = whole.rindex(b"u1", 4096) // 4096 * 4096  # one of the table of metrics
    whole[page : page + 16] = bytes(range(16))
    file.write_bytes(whole)
    assert main(["db", "check", "--data", str(tmp_path)]) != 0
    told = capsys.readouterr()
    assert "WRONG" in told.out or "malformed" in told.err


def test_indexes_are_checked_on_postgresql(postgres_url: str) -> None:
    with claim(postgres_url) as engine:
        fill(engine)
        (skipped,) = [c for c in check_database(engine) if c.skipped]
        assert "CREATE EXTENSION amcheck" in str(skipped.skipped)
        with engine.begin() as connection:
            there = "SELECT 1 FROM pg_available_extensions WHERE name = 'amcheck'"
            if not connection.execute(text(there)).scalar():
                pytest.skip("this PostgreSQL comes without the extension amcheck")
            connection.execute(text("CREATE EXTENSION amcheck"))
        found = list(check_database(engine))
        assert [c for c in found if c.skipped or c.wrong] == []
        assert found[0].what == "the indexes are whole"


def test_sizes(database: Engine) -> None:
    fill(database)
    sizes = {size.table: size for size in table_sizes(database)}
    assert (sizes["sample"].rows, sizes["metric"].rows, sizes["late"].rows) == (9, 3, 0)
    assert all(size.bytes is not None and size.bytes >= 4096 for size in sizes.values())


def test_the_command(
    database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    there = ["--database", database_url]
    with claim(database_url) as engine:
        fill(engine)
        assert main(["db", "check", *there]) == 0  # while the service runs
        told = capsys.readouterr().out
        assert "ok: every metric's seq has no gap" in told
        assert "WRONG" not in told
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM sample WHERE metric = 1 AND seq = 3"))
        assert main(["db", "check", *there]) == 1
        assert "WRONG (1): every metric's seq has no gap: metric 1" in capsys.readouterr().out
        assert main(["db", "stats", *there]) == 0
        assert "sample" in capsys.readouterr().out
        assert main(["db", "upgrade", *there]) == 2
        assert "in use by another tocsin" in capsys.readouterr().err
    assert main(["db", "upgrade", *there]) == 0


def test_the_command_upgrades(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_first(tmp_path / "tocsin.db")
    for command in ("check", "stats"):
        assert main(["db", command, "--data", str(tmp_path)]) == 2
        assert "tocsin db upgrade" in capsys.readouterr().err
    assert main(["db", "upgrade", "--data", str(tmp_path)]) == 0
    assert f"has schema {HEAD}" in capsys.readouterr().out
    assert main(["db", "stats", "--data", str(tmp_path)]) == 0


def test_a_database_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("check", "stats", "upgrade"):
        assert main(["db", command, "--data", str(tmp_path / "new")]) == 2
        assert "there is no database" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
