"""SQLite: one file, in WAL mode, for one process."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np
from sqlalchemy import URL, create_engine, event, select
from sqlalchemy.dialects import sqlite

from tocsin.errors import ConfigurationError, StartError, StoreError
from tocsin.store import schema
from tocsin.store.bulk import COLUMNS, RESULTS, UNSCORED, PositionColumns, SampleColumns

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

__all__ = ["SqliteBulk", "connect", "file_of", "for_upgrade", "lock_file", "summed"]


def file_of(url: URL) -> Path:
    """The file of a ``sqlite:///`` URL. Errors: `ConfigurationError` when there is none."""
    if url.database in (None, "", ":memory:"):
        raise ConfigurationError(
            "database: SQLite in memory would lose everything at the end; "
            "give sqlite:///path/to/tocsin.db"
        )
    return Path(str(url.database))


def connect(url: URL, busy_s: float) -> Engine:
    """An engine whose commits are on the disk when they return."""
    engine = create_engine(url, connect_args={"timeout": busy_s})
    event.listen(engine, "connect", _pragmas)
    return engine


def _pragmas(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # FULL syncs the log at every commit: what was acknowledged outlives a power cut. It is paid
    # once per group of batches, not once per sample.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # Metrics report by turns, so that the same pages are written again and again: enough of
    # them in memory (KiB), and in the log (pages) before they go to their places.
    cursor.execute("PRAGMA cache_size=-32768")
    cursor.execute("PRAGMA wal_autocheckpoint=10000")
    cursor.close()


def for_upgrade(engine: Engine) -> Engine:
    """An engine on the same file for changing its schema: all of it or nothing."""
    own = create_engine(engine.url)
    event.listen(own, "connect", _plain)
    event.listen(own, "begin", _begin)
    return own


def _plain(connection: Any, _record: object) -> None:
    # The driver would commit before every CREATE; and tables are replaced while others refer
    # to them, so foreign keys are not looked at.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=OFF")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


class SqliteBulk:
    """Many rows go to the driver in one statement; it stores NaN as NULL by itself.

    The driver gives the interpreter away at each statement, and waits to have it again for as
    long as others compute: with a statement for each row, a busy service would hardly write.
    """

    #: No lock: the file is locked against other processes while it is open for writing.
    epoch = select(schema.owner.c.epoch)

    def prepare(self, engine: Engine, samples: SampleColumns) -> None:
        """Nothing to make."""

    def forget_partitions(self) -> None:
        """There are none."""

    def new_metrics(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add new rows of `metric`."""
        names = ", ".join(rows[0])
        insert = f"INSERT INTO metric ({names}) VALUES ({', '.join('?' * len(rows[0]))})"
        connection.exec_driver_sql(insert, [tuple(row.values()) for row in rows])

    def insert(self, connection: Connection, samples: SampleColumns) -> None:
        """Add new rows of `sample`."""
        keys = (samples.metric, samples.seq, samples.timestamp, samples.value)
        columns = [*(column.tolist() for column in keys), *_results(samples)]
        _many(connection, _insert, columns)

    def rescore(self, connection: Connection, samples: SampleColumns) -> None:
        """Set the results of rows of `sample` that are there."""
        keys = samples.metric.tolist(), samples.seq.tolist()
        rows = list(zip(*_results(samples), *keys, strict=True))
        connection.exec_driver_sql(_RESCORE, rows)

    def move(self, connection: Connection, positions: PositionColumns) -> None:
        """Set rows of `progress`."""
        columns = [getattr(positions, name).tolist() for name in ("id", *_MOVING)]
        _many(connection, _move, columns)

    def upsert(self, table: Any) -> Any:
        """An INSERT that can say what to do when the row is there."""
        return sqlite.insert(table)


def _many(
    connection: Connection, statement: Callable[[int], str], columns: Sequence[list[Any]]
) -> None:
    """Run a statement over all rows, as many at once as one may have; ``statement(rows)``."""
    width, count = len(columns), len(columns[0])
    flat: list[Any] = [None] * (width * count)
    for place, column in enumerate(columns):
        flat[place::width] = column
    done = 0
    for rows in _AT_ONCE:
        text = statement(rows)
        while count - done >= rows:
            piece = flat[done * width : (done + rows) * width]
            connection.exec_driver_sql(text, tuple(piece))
            done += rows


@cache
def _insert(rows: int) -> str:
    values = ", ".join([_marks(len(COLUMNS))] * rows)
    return f"INSERT INTO sample ({', '.join(COLUMNS)}) VALUES {values}"


@cache
def _move(rows: int) -> str:
    # Twice as quick as an UPDATE from the same values, which are put aside first.
    names = ("metric", *_MOVING)
    values = ", ".join([_marks(len(names))] * rows)
    told = ", ".join(f"{name} = excluded.{name}" for name in _MOVING)
    return (
        f"INSERT INTO progress ({', '.join(names)}) VALUES {values} "
        f"ON CONFLICT (metric) DO UPDATE SET {told}"
    )


def _marks(count: int) -> str:
    return f"({', '.join('?' * count)})"


def _results(samples: SampleColumns) -> list[list[Any]]:
    codes: list[int | None] = samples.scored["event"].tolist()
    if np.any(samples.scored["event"] == UNSCORED):
        codes = [None if code == UNSCORED else code for code in codes]
    return [*(samples.scored[name].tolist() for name in RESULTS), codes]


def summed(
    connection: Connection, metric: int, value: str, low: int, high: int, size: int
) -> list[tuple[Any, ...]]:
    """See `tocsin.store.blocks.Blocks`. Cost: 0.8 µs a sample, 15 µs a block."""
    cursor = connection.connection.cursor()
    asked = _SUMMED.format(value=value)
    try:
        return [
            cursor.execute(asked, (metric, at, min(at + size, high))).fetchone()
            for at in range(low, high, size)
        ]
    except sqlite3.Error as error:
        raise StoreError(f"the database refused: {error}") from error
    finally:
        cursor.close()


# A query for each block: grouping all at once would sort them first, which takes longer.
_SUMMED: Final = (
    "SELECT min(timestamp), max(timestamp), count(*), min({value}), max({value}), "
    "total(expected), count(expected), min(lower), max(upper), max(anomaly_score) "
    "FROM sample WHERE metric = ? AND seq >= ? AND seq < ?"
)
_MOVING: Final = ("last_seq", "last_timestamp", "last_value", "anomaly_score", "scored_seq")
#: Rows of one statement; a statement may have 32,766 values.
_AT_ONCE: Final = (2_000, 1_000, 500, 200, 100, 50, 20, 10, 5, 2, 1)
_RESCORE: Final = (
    f"UPDATE sample SET {', '.join(f'{name} = ?' for name in (*RESULTS, 'event'))} "
    "WHERE metric = ? AND seq = ?"
)


@contextmanager
def lock_file(file: Path) -> Iterator[None]:
    """Hold a database file for this process; a folder that is missing is made.

    Errors: `StartError` when another process holds it or the folder cannot be written.
    """
    # Resolved: there may be several names for one file.
    beside = file.resolve().with_name(file.resolve().name + ".lock")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = beside.open("a+")
    except OSError as error:
        raise StartError(
            f"cannot write to {file.parent}: {error.strerror}; choose another folder with --data"
        ) from error
    with handle:
        if not _locked(handle):
            handle.seek(0)
            who = handle.read().strip() or "unknown"
            raise StartError(
                f"{file} is in use by another tocsin (process {who}); "
                "stop it, or choose another folder with --data"
            )
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


if sys.platform == "win32":
    import msvcrt

    def _locked(handle: IO[str]) -> bool:
        handle.seek(2**20)  # beyond the text, which stays readable to others
        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _locked(handle: IO[str]) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
