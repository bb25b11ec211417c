"""What must be true of a database, looked up in it: its own structure, then ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, Engine, text

from tocsin.detect.snapshot import OBJECT_MAGIC, unpack
from tocsin.errors import StateError
from tocsin.store.database import told_as_store_error

__all__ = ["CHECKS", "Checked", "check_database"]

#: Places named per check; the rest is only counted.
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """One check: what must hold, how often it does not, and where (the first few)."""

    what: str
    wrong: int
    places: Sequence[str]
    #: Why it was not looked at, if so.
    skipped: str | None = None


def check_database(engine: Engine) -> Iterator[Checked]:
    """Check everything, at one moment of the database; others may go on writing.

    Cost: reads every table. Errors: `StoreError`.
    """
    with told_as_store_error(), engine.connect() as connection:
        _at_one_moment(connection)
        for what, find in _STRUCTURE[engine.dialect.name].items():
            found = find(connection)
            yield found if isinstance(found, Checked) else _told(what, found)
        for what, query in CHECKS.items():
            rows = connection.execute(text(query))
            yield _told(what, (_place(row) for row in rows))
        yield _told("the ranges in the outbox can be read", _bad_ranges(connection))
        yield _told("the snapshots can be read", _bad_states(connection))


def _at_one_moment(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execution_options(isolation_level="REPEATABLE READ")
    else:
        connection.exec_driver_sql("BEGIN")


def _told(what: str, found: Iterator[str]) -> Checked:
    places: list[str] = []
    wrong = 0
    for place in found:
        wrong += 1
        if len(places) < _NAMED:
            places.append(place)
    return Checked(what, wrong, places)


def _place(row: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in row._mapping.items())


def _sqlite_structure(connection: Connection) -> Iterator[str]:
    told = connection.exec_driver_sql("PRAGMA integrity_check").scalars()
    return (line for line in told if line != "ok")


def _sqlite_references(connection: Connection) -> Iterator[str]:
    told = connection.exec_driver_sql("PRAGMA foreign_key_check")
    return (f"{row[0]} row {row[1]} refers to no {row[2]}" for row in told)


def _postgresql_structure(connection: Connection) -> Iterator[str] | Checked:
    what = "the indexes are whole"
    there = connection.execute(text("SELECT 1 FROM pg_extension WHERE extname = 'amcheck'"))
    if there.scalar() is None:
        return Checked(what, 0, (), "needs the extension: CREATE EXTENSION amcheck")
    return _broken_indexes(connection)


def _broken_indexes(connection: Connection) -> Iterator[str]:
    for name in connection.execute(text(_INDEXES)).scalars().all():
        try:
            with connection.begin_nested():
                connection.execute(text("SELECT bt_index_check(:name, true)"), {"name": name})
        except Exception as error:
            yield f"{name}: {error}"


_INDEXES: Final = (
    "SELECT i.indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'btree' AND c.relkind = 'i' "
    "AND c.relnamespace = current_schema()::regnamespace"
)
_Find = Callable[[Connection], Iterator[str] | Checked]
_STRUCTURE: Final[dict[str, dict[str, _Find]]] = {
    "sqlite": {
        "the file is whole": _sqlite_structure,
        "references lead somewhere": _sqlite_references,
    },
    "postgresql": {"the indexes are whole": _postgresql_structure},
}

#: What must hold: the query that finds where it does not. The same for all databases.
CHECKS: Final = {
    "every metric's seq has no gap": """
        SELECT metric, min(seq) AS first, max(seq) AS last, count(*) AS stored
        FROM sample GROUP BY metric HAVING count(*) <> max(seq) - min(seq) + 1""",
    "every metric's times rise": """
        SELECT metric, seq, timestamp FROM (
            SELECT metric, seq, timestamp,
                   lag(timestamp) OVER (PARTITION BY metric ORDER BY seq) AS before
            FROM sample) AS steps
        WHERE timestamp <= before""",
    "samples belong to a metric": """
        SELECT DISTINCT s.metric FROM sample s LEFT JOIN metric m ON m.id = s.metric
        WHERE m.id IS NULL""",
    "positions are those of the last sample": """
        SELECT m.id AS metric, p.last_seq, s.seq AS stored FROM metric m
        LEFT JOIN progress p ON p.metric = m.id
        LEFT JOIN (SELECT metric, max(seq) AS seq FROM sample GROUP BY metric) AS newest
          ON newest.metric = m.id
        LEFT JOIN sample s ON s.metric = newest.metric AND s.seq = newest.seq
        WHERE m.deleted IS NULL AND (p.last_seq IS NULL OR p.last_seq <> s.seq
          OR p.last_timestamp <> s.timestamp OR p.last_value <> s.value
          OR (s.seq IS NOT NULL AND (p.last_timestamp IS NULL OR p.last_value IS NULL)))""",
    "what is scored is told by the position": """
        SELECT p.metric, p.scored_seq, s.seq AS waiting
        FROM progress p JOIN metric m ON m.id = p.metric
        JOIN sample s ON s.metric = p.metric AND s.seq <= p.scored_seq AND s.event = -2
        WHERE m.deleted IS NULL
        UNION ALL SELECT metric, scored_seq, last_seq FROM progress WHERE scored_seq > last_seq""",
    "snapshots are of stored samples": """
        SELECT n.metric, n.seq, p.scored_seq FROM snapshot n JOIN metric m ON m.id = n.metric
        JOIN progress p ON p.metric = n.metric
        WHERE m.deleted IS NULL AND n.seq > p.scored_seq""",
    "events are in order": """
        SELECT id AS event, metric FROM event
        WHERE NOT (start <= peak AND peak <= "end") OR samples < 1""",
    "a metric has one open event at most": """
        SELECT metric, count(*) AS open FROM event WHERE open GROUP BY metric
        HAVING count(*) > 1""",
    "events' starts are stored, where samples of the time are kept": """
        SELECT e.id AS event, e.metric FROM event e
        JOIN metric m ON m.id = e.metric AND m.deleted IS NULL
        WHERE e.start >= (SELECT s.timestamp FROM sample s WHERE s.metric = e.metric
                          ORDER BY s.seq LIMIT 1)
          AND NOT EXISTS (SELECT 1 FROM sample s
                          WHERE s.metric = e.metric AND s.timestamp = e.start)""",
}


def _bad_ranges(connection: Connection) -> Iterator[str]:
    query = text("SELECT id, count AS counted, ranges FROM outbox ORDER BY id")
    for row in connection.execute(query, execution_options={"yield_per": 1_000}):
        raw = bytes(row.ranges)
        ranges = np.frombuffer(raw[: len(raw) // 24 * 24], "<i8").reshape(-1, 3)
        whole = len(raw) % 24 == 0 and bool(np.all(ranges[:, 1] <= ranges[:, 2]))
        if not whole or int(np.sum(ranges[:, 2] - ranges[:, 1] + 1)) != row.counted:
            yield f"position {row.id}"


def _bad_states(connection: Connection) -> Iterator[str]:
    query = text("SELECT metric, seq, state FROM snapshot ORDER BY metric, seq")
    for row in connection.execute(query, execution_options={"yield_per": 256}):
        state = bytes(row.state)
        if state.startswith(OBJECT_MAGIC):
            continue  # only the model it belongs to can read it
        try:
            unpack(state)
        except StateError as error:
            yield f"metric {row.metric}, seq {row.seq}: {error}"
