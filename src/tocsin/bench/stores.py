"""Fresh databases to measure on, and the ceiling: plain bulk inserts of the same rows."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine as Database
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from tocsin.errors import StartError
from tocsin.store import schema
from tocsin.store.database import open_database

__all__ = ["Counter", "counted", "kind_of", "new_database", "plain_insert"]

#: Rows that one plain transaction inserts: as many as the largest commit.
_CHUNK: Final = 50_000


def kind_of(url: str) -> str:
    """``sqlite`` or ``postgresql``."""
    return make_url(url).get_backend_name()


@contextmanager
def new_database(server: str | None, folder: Path) -> Iterator[str]:
    """The URL of a new database: a file in ``folder``, or one on a PostgreSQL ``server``.

    The latter is dropped at the end.
    """
    name = f"tocsin_bench_{secrets.token_hex(4)}"
    if server is None:
        yield f"sqlite:///{folder / name}.db"
        return
    _on_server(server, f"CREATE DATABASE {name}")
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        _on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


def _on_server(url: str, statement: str) -> None:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(statement))
    except DBAPIError as error:
        raise StartError(f"cannot use the server {make_url(url)!r}: {error.orig}") from error
    finally:
        engine.dispose()


class Counter:
    """How many rows the database has given us."""

    def __init__(self) -> None:
        self.rows = 0

    def take(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """Count one."""
        self.rows += 1
        return tuple(row)


def counted(database: Database) -> Counter:
    """Count every row that is read through ``database`` from now on."""
    counter = Counter()
    sqlite = database.dialect.name == "sqlite"

    def connect(connection: Any, _record: object) -> None:
        # Both drivers make every row that is fetched with a function of the connection's.
        if sqlite:
            connection.row_factory = lambda _cursor, row: counter.take(row)
        else:
            connection.row_factory = lambda _cursor: counter.take

    event.listen(database, "connect", connect)
    database.dispose()  # connections from before do not count
    return counter


def plain_insert(source: str, server: str | None, folder: Path) -> tuple[int, float]:
    """Insert the samples that are in ``source``, in chunks in order of time, somewhere else.

    What is inserted is made ready beforehand, so this is the ceiling. Returns rows and seconds.
    """
    with new_database(server, folder) as url:
        read, write = open_database(source), open_database(url)
        try:
            copy = _sqlite if kind_of(source) == "sqlite" else _postgresql
            return copy(read, write)
        finally:
            read.dispose()
            write.dispose()


def _sqlite(read: Database, write: Database) -> tuple[int, float]:
    count, seconds = 0, 0.0
    insert = f"INSERT INTO sample VALUES ({', '.join('?' * len(schema.sample.c))})"
    raw = write.raw_connection()
    with read.connect() as connection:
        for start, end in _spans(connection):
            query = text(
                "SELECT * FROM sample WHERE timestamp >= :a AND timestamp < :b ORDER BY metric, seq"
            )
            rows = [tuple(row) for row in connection.execute(query, {"a": start, "b": end})]
            began = time.perf_counter()
            raw.cursor().executemany(insert, rows)
            raw.commit()
            seconds += time.perf_counter() - began
            count += len(rows)
    raw.close()
    return count, seconds


def _postgresql(read: Database, write: Database) -> tuple[int, float]:
    count, seconds = 0, 0.0
    with write.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE plain (LIKE sample)")
        connection.exec_driver_sql("ALTER TABLE plain ADD PRIMARY KEY (metric, seq)")
    raw = write.raw_connection()
    with read.connect() as connection:
        spans = list(_spans(connection))
        out: Any = connection.connection
        for start, end in spans:
            data = _copied_out(out, start, end)
            began = time.perf_counter()
            cursor = raw.cursor()
            with cursor.copy("COPY plain FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(data)
            raw.commit()
            seconds += time.perf_counter() - began
            count += cursor.rowcount
    raw.close()
    return count, seconds


def _copied_out(connection: Any, start: int, end: int) -> bytes:
    query = (
        f"COPY (SELECT * FROM sample WHERE timestamp >= {start} AND timestamp < {end} "
        "ORDER BY metric, seq) TO STDOUT (FORMAT BINARY)"
    )
    with connection.cursor().copy(query) as copy:
        return b"".join(bytes(piece) for piece in copy)


def _spans(connection: Any) -> Iterator[tuple[int, int]]:
    """Stretches of time with about ``_CHUNK`` samples each (samples come at an even pace)."""
    query = text("SELECT count(*), min(timestamp), max(timestamp) FROM sample")
    count, first, last = connection.execute(query).one()
    parts = max(1, -(-count // _CHUNK))
    step = -(-(last + 1 - first) // parts)
    for start in range(first, last + 1, step):
        yield start, start + step
