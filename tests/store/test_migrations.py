from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, select, text

from tests.store.making import MINUTE, a_metric, a_state, results, samples
from tests.store.released import make_first
from tocsin.errors import StartError
from tocsin.store import schema
from tocsin.store.checks import check_database
from tocsin.store.commits import Commit, Writer
from tocsin.store.database import claim, open_database
from tocsin.store.migrations.run import migrate
from tocsin.store.resume import Resume
from tocsin.store.revisions import HEAD, REVISIONS, revision, stamp
from tocsin.store.views import drop_views


def shape(url: str) -> dict[str, Any]:
    """Columns, keys and indexes of every table."""
    engine = open_database(url, upgrade=False)
    look = inspect(engine)
    found: dict[str, Any] = {}
    for table in look.get_table_names():
        # To SQLite they are the same: 64 bits.
        columns = {
            column["name"]: (
                str(column["type"]).replace("BIGINT", "INTEGER"),
                column["nullable"],
                str(column["default"] or "").strip("'"),
            )
            for column in look.get_columns(table)
        }
        unique = sorted(tuple(u["column_names"]) for u in look.get_unique_constraints(table))
        indexes = {index["name"]: tuple(index["column_names"]) for index in look.get_indexes(table)}
        foreign = {
            (tuple(f["constrained_columns"]), f["referred_table"])
            for f in look.get_foreign_keys(table)
        }
        keys = tuple(look.get_pk_constraint(table)["constrained_columns"])
        found[table] = (columns, keys, unique, indexes, foreign)
    with engine.connect() as connection:
        bare = "SELECT name FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID%' ORDER BY name"
        found["without rowid"] = connection.execute(text(bare)).scalars().all()
        views = "SELECT name, sql FROM sqlite_master WHERE type = 'view' ORDER BY name"
        found["views"] = [tuple(row) for row in connection.execute(text(views))]
    engine.dispose()
    return found


@pytest.fixture
def first(tmp_path: Path) -> str:
    """The URL of a database of the first release."""
    make_first(tmp_path / "first.db")
    return f"sqlite:///{tmp_path / 'first.db'}"


def test_an_upgraded_database_is_like_a_new_one(first: str, tmp_path: Path) -> None:
    new = f"sqlite:///{tmp_path / 'new.db'}"
    open_database(new).dispose()
    open_database(first).dispose()
    assert shape(first) == shape(new)


def test_the_data_is_kept(first: str) -> None:
    with claim(first) as engine:
        with engine.connect() as connection:
            assert revision(connection) == HEAD
            rows = connection.execute(select(schema.sample).order_by(schema.sample.c.seq)).all()
        assert [tuple(row) for row in rows] == [
            (1, 1, 10, 0.5, *[None] * 7, 0, None),
            (1, 2, 20, 1e-300, 1, 0.5, 0.25, 0, 1, 2, 3, 1, None),
            (1, 3, 30, 0.1, 1, 0.5, 0.25, 0, 1, 2, 3, None, None),
        ]
        resume = Resume(engine)
        one, two = resume.metrics()
        assert (one["uid"], one["last_seq"], one["scored_seq"], one["failures"]) == ("u1", 3, 3, 0)
        assert (two["labels"], two["last_timestamp"], two["scored_seq"]) == ('{"x":"1"}', None, 0)
        assert [tuple(s) for s in resume.snapshots()] == [(1, 2, "", b"\x01\x02")]
        assert [event["id"] for event in resume.open_events()] == [7]
        writer = Writer(engine)
        writer.commit(Commit(1, samples=samples(1, [40], first=4)))
        writer.save_snapshots([a_state(1, 4)], keep=2)


#: Columns that later revisions added.
_SINCE_2 = {
    "sample": ("rate",),
    "metric": ("counter",),
    "event": ("pattern", "why", "views", "muted", "because"),
    "annotation": ("signature", "since_seq", "until_seq"),
}
#: And tables.
_TABLES_SINCE_2 = (
    "incident",
    "incident_event",
    "incident_note",
    "calendar",
    "rule_set",
    "notification",
    "token",
    "audit",
    "pause",
    "status_change",
    "progress",
)
#: And columns that they took away.
_TAKEN_SINCE_2 = (
    "last_seq bigint NOT NULL DEFAULT 7",
    "last_timestamp bigint",
    "last_value double precision DEFAULT 0.5",
    "scored_seq bigint NOT NULL DEFAULT 6",
    "anomaly_score double precision",
)


def test_counters_are_told_apart_since_revision_3(tmp_path: Path) -> None:
    make_first(tmp_path / "second.db")
    url = f"sqlite:///{tmp_path / 'second.db'}"
    engine = create_engine(url)
    migrate(engine, "0002")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO snapshot VALUES (1, 3, 'h', 9, x'05')"))
        columns = {column["name"] for column in inspect(connection).get_columns("sample")}
        assert "rate" not in columns
    engine.dispose()
    _is_upgraded(url)
    with claim(url) as engine:
        assert [s.seq for s in Resume(engine).snapshots_of(1)] == [3, 2]


def test_counters_are_told_apart_since_revision_3_on_postgresql(postgres_url: str) -> None:
    with claim(postgres_url) as engine:
        Writer(engine).commit(Commit(metrics=[a_metric(1)], samples=samples(1, [MINUTE])))
        with engine.begin() as connection:  # as revision 2 was
            drop_views(connection)
            for table, columns in _SINCE_2.items():
                for name in columns:
                    connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {name}"))
            for table in _TABLES_SINCE_2:
                connection.execute(text(f"DROP TABLE {table}"))
            for column in _TAKEN_SINCE_2:
                connection.execute(text(f"ALTER TABLE metric ADD COLUMN {column}"))
            stamp(connection, "0002")
    _is_upgraded(postgres_url)
    with claim(postgres_url) as engine:
        moved = {row["id"]: row for row in Resume(engine).metrics()}[1]
        assert (moved["last_seq"], moved["last_value"], moved["scored_seq"]) == (7, 0.5, 6)
        assert {check.what for check in check_database(engine) if check.wrong} == {
            "positions are those of the last sample"  # they were made up
        }


def _is_upgraded(url: str) -> None:
    """Old samples have no rate, old metrics are no counters, and new ones are kept."""
    with claim(url) as engine:
        with engine.connect() as connection:
            assert revision(connection) == HEAD
            old = connection.execute(select(schema.sample.c.rate)).scalars().all()
            assert set(old) == {None}
        writer, counter = Writer(engine), a_metric(9, counter=True)
        scored = results(1, rate=2.5)
        writer.commit(Commit(metrics=[counter], samples=samples(9, [MINUTE], scored=scored)))
        assert {m["id"]: m["counter"] for m in Resume(engine).metrics()} == (
            dict.fromkeys((m["id"] for m in Resume(engine).metrics()), False) | {9: True}
        )
        with engine.connect() as connection:
            of_new = select(schema.sample.c.rate).where(schema.sample.c.metric == 9)
            assert connection.execute(of_new).scalars().all() == [2.5]


def test_what_refers_to_nothing_after_an_upgrade_would_be_found(first: str) -> None:
    with claim(first) as engine:
        wrong = {c.what for c in check_database(engine) if c.wrong}
        assert wrong == {"the snapshots can be read"}  # this one never was one
        with pytest.raises(Exception, match="FOREIGN KEY"), engine.begin() as connection:
            connection.execute(schema.snapshot.insert().values(a_state(99, 1)))


def test_an_upgrade_that_fails_changes_nothing(first: str, tmp_path: Path) -> None:
    before = list(sqlite3.connect(tmp_path / "first.db").iterdump())
    broken = sqlite3.connect(tmp_path / "first.db")
    broken.execute("CREATE TABLE outbox (x)")  # in the way of the new one
    broken.commit()
    with pytest.raises(StartError, match="outbox"):
        open_database(first)
    broken.execute("DROP TABLE outbox")
    broken.commit()
    assert list(broken.iterdump()) == before
    broken.close()
    open_database(first).dispose()


def test_an_older_schema_is_named_where_it_is_not_upgraded(first: str) -> None:
    with pytest.raises(StartError, match=r"0001.*tocsin db upgrade"):
        open_database(first, upgrade=False)


def test_every_revision_has_its_file() -> None:
    import tocsin.store.migrations.versions as versions

    files = sorted(Path(versions.__path__[0]).glob("r*.py"))
    assert tuple(re.findall(r"r(\d+)_", " ".join(f.name for f in files))) == REVISIONS


def test_months_are_partitions_on_postgresql(postgres_url: str) -> None:
    from tocsin.store.postgresql import months, partitions

    day = 24 * 60 * MINUTE
    times = [1, 946_684_800 * 10**9 - 1, 946_684_800 * 10**9, 1_769_904_000 * 10**9, 2**63 - 1]
    times = sorted({*times, 1_769_904_000 * 10**9 - 1, 1_772_323_200 * 10**9 - day})
    with claim(postgres_url) as engine:
        Writer(engine).commit(Commit(metrics=[a_metric(1)], samples=samples(1, times)))
        with engine.connect() as connection:
            made = partitions(connection)
            place = text("SELECT tableoid::regclass::text FROM sample ORDER BY seq")
            lies = connection.execute(place).scalars().all()
    assert lies == [
        *["sample_far_off"] * 2,
        "sample_2000_01",
        "sample_2026_01",
        *["sample_2026_02"] * 2,
        "sample_far_off",
    ]
    assert made["sample_2026_02"] == 1_772_323_200 * 10**9
    # The next is made ahead.
    near = {"sample_2000_01", "sample_2026_01", "sample_2026_02", "sample_2026_03"}
    assert set(made) == near
    assert months(samples(1, times).timestamp).tolist()[:3] == [-1, -1, 360]


def test_whoever_reads_does_not_hold_up_samples(postgres_url: str) -> None:
    """A backup takes long, and locks all partitions that there are."""
    months_end = 1_769_903_940 * 10**9
    with claim(postgres_url, busy_s=0.3) as engine:
        writer = Writer(engine)
        writer.commit(Commit(metrics=[a_metric(1)], samples=samples(1, [months_end])))
        with engine.connect() as reader:
            reader.execute(text("SELECT count(*) FROM sample")).all()
            writer.commit(Commit(samples=samples(1, [months_end + 2 * MINUTE], first=2)))
        assert Resume(engine).samples_after(1, 0, 9)["seq"].tolist() == [1, 2]
        with engine.connect() as connection:
            query = text("SELECT tableoid::regclass::text FROM sample ORDER BY seq")
            lies = connection.execute(query).scalars().all()
    assert lies == ["sample_2026_01", "sample_2026_02"]


def test_a_partition_that_somebody_dropped(postgres_url: str) -> None:
    """Its month's rows go elsewhere, and nothing stops, now or after a restart."""
    months_end = 1_769_903_940 * 10**9
    with claim(postgres_url) as engine:
        writer = Writer(engine)
        writer.commit(Commit(metrics=[a_metric(1)], samples=samples(1, [months_end])))
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE sample_2026_01"))
        writer.commit(Commit(samples=samples(1, [months_end + 1], first=2)))
        Writer(engine).commit(Commit(samples=samples(1, [months_end + 2], first=3)))
        assert Resume(engine).samples_after(1, 0, 9)["seq"].tolist() == [2, 3]
