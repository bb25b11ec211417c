"""PostgreSQL: binary COPY, samples in one partition a month, one writer by an advisory lock."""

from __future__ import annotations

import datetime as dt
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import URL, Column, MetaData, Table, create_engine, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool

from tocsin.errors import MissingExtraError, StartError, StoreError
from tocsin.samples import SECOND_NS
from tocsin.store import schema
from tocsin.store.bulk import COLUMNS, RESULTS, UNSCORED, PositionColumns, SampleColumns

try:
    import psycopg
except ImportError as error:
    raise MissingExtraError("a PostgreSQL database", "postgres") from error

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from tocsin.store.commits import Writer

__all__ = [
    "PostgresBulk",
    "binary_rows",
    "connect",
    "create_tables",
    "drop_partitions",
    "lock_server",
    "month_of",
    "month_start",
    "months",
    "partitions",
    "summed",
]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
#: A column for COPY: its big-endian type, its values, and where it is NULL (None: nowhere).
Field = tuple[str, NDArray[Any], Mask | None]

#: What all connections are: dead ones are noticed, and a lock is not waited for endlessly.
_KEEPALIVE: Final = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "connect_timeout": 10,
    "tcp_user_timeout": 30_000,
    "application_name": "tocsin",
}


def connect(url: URL, busy_s: float) -> Engine:
    """An engine; a statement waits ``busy_s`` for a lock that another one holds."""
    options = f"-c lock_timeout={int(busy_s * 1000)} -c timezone=UTC"
    return create_engine(url, pool_pre_ping=True, connect_args=_KEEPALIVE | {"options": options})


# --- who may write ------------------------------------------------------------------------------

#: Any fixed number that is ours: "tocsin" as bytes.
_LOCK: Final = int.from_bytes(b"tocsin", "big")
_RENEW_S: Final = 5.0
_PATIENCE_S: Final = 1.0


@contextmanager
def lock_server(url: URL) -> Iterator[None]:
    """Hold a database for this process, by an advisory lock on a connection of its own.

    The lock goes with the connection: a thread looks after it and takes it again when the server
    was away. Errors: `StartError` when another process holds it, or the server is not there.
    """
    keeper = _Keeper(url)
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()


class _Keeper:
    """Keeps the advisory lock while it can; the owner's epoch guards the rest (see `Writer`)."""

    def __init__(self, url: URL) -> None:
        self._engine = create_engine(url, poolclass=NullPool, connect_args=_KEEPALIVE)
        self._where = url.render_as_string(hide_password=True)
        self._connection: Connection | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="tocsin-lock", daemon=True)

    def start(self) -> None:
        try:
            taken = self._take_soon()
        except DBAPIError as error:
            raise StartError(f"cannot use the database {self._where}: {error.orig}") from error
        if not taken:
            raise StartError(
                f"{self._where} is in use by another tocsin ({self._holder()}); "
                "stop it, or choose another database"
            )
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
        self._drop()
        self._engine.dispose()

    def _take_soon(self) -> bool:
        # The server may not have noticed yet that the last holder was killed.
        deadline = time.monotonic() + _PATIENCE_S
        while not self._take():
            if time.monotonic() > deadline:
                return False
            self._drop()
            time.sleep(0.1)
        return True

    def _take(self) -> bool:
        self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        return bool(
            self._connection.scalar(text("SELECT pg_try_advisory_lock(:id)"), {"id": _LOCK})
        )

    def _keep(self) -> None:
        while not self._ended.wait(_RENEW_S):
            try:
                if self._connection is not None:
                    self._connection.execute(select(1))
                elif not self._take():
                    # Another's by now? Then its epoch keeps us from writing.
                    self._drop()
            except DBAPIError:
                self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _holder(self) -> str:
        """Who holds the lock, as far as is known."""
        assert self._connection is not None
        try:
            who = self._connection.scalar(select(schema.owner.c.who))
        except DBAPIError:  # somebody is just making the tables
            who = None
        self._drop()
        self._engine.dispose()
        return who or "unknown"


def summed(
    connection: Connection, metric: int, value: str, low: int, high: int, size: int
) -> list[tuple[Any, ...]]:
    """See `tocsin.store.blocks.Blocks`."""
    told = {"metric": metric, "low": low, "high": high, "size": size}
    return [tuple(row) for row in connection.execute(text(_SUMMED.format(value=value)), told)]


_SUMMED: Final = (
    "SELECT min(timestamp), max(timestamp), count(*), min({value}), max({value}), "
    "coalesce(sum(expected), 0), count(expected), min(lower), max(upper), max(anomaly_score) "
    "FROM sample WHERE metric = :metric AND seq >= :low AND seq < :high "
    "GROUP BY (seq - :low) / :size ORDER BY 1"
)


# --- binary COPY --------------------------------------------------------------------------------

_HEAD: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TAIL: Final = b"\xff\xff"


def binary_rows(fields: Sequence[Field]) -> bytes:
    """Rows in PostgreSQL's binary COPY format, without head and tail.

    Rows that are NULL in the same columns have the same layout, so each such group is filled in
    as one structured array. Rows come out group by group. Cost: O(bytes).
    """
    count = len(fields[0][1])
    pattern = np.zeros(count, np.int64)
    for i, (_, _, null) in enumerate(fields):
        if null is not None:
            pattern |= null.astype(np.int64) << i
    found, first = np.unique(pattern, return_index=True)
    if len(found) == 1:
        return _filled(fields, slice(None), count, int(pattern[first[0]]))
    places = [np.flatnonzero(pattern == code) for code in found]
    parts = zip(places, found.tolist(), strict=True)
    return b"".join(_filled(fields, place, len(place), code) for place, code in parts)


def _filled(fields: Sequence[Field], place: Any, count: int, pattern: int) -> bytes:
    """The rows at these places, all of which have this pattern of NULLs."""
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for i, (kind, _, _) in enumerate(fields):
        layout.append((f"size{i}", ">i4"))
        if not pattern >> i & 1:
            layout.append((f"value{i}", kind))
    rows = np.empty(count, np.dtype(layout))
    rows["fields"] = len(fields)
    for i, (kind, values, _) in enumerate(fields):
        if pattern >> i & 1:
            rows[f"size{i}"] = -1
        else:
            rows[f"size{i}"] = np.dtype(kind).itemsize
            rows[f"value{i}"] = values[place]
    return rows.tobytes()


def _ints(values: NDArray[Any]) -> Field:
    return ">i8", values, None


def _floats(values: NDArray[Any]) -> Field:
    null = np.isnan(values)
    return ">f8", values, null if null.any() else None


def _result_fields(samples: SampleColumns) -> list[Field]:
    event = samples.scored["event"]
    codes: Field = (">i2", event, event == UNSCORED)
    return [*(_floats(samples.scored[name]) for name in RESULTS), codes]


def _copy(connection: Connection, into: str, fields: Sequence[Field]) -> None:
    raw = connection.connection.driver_connection
    assert raw is not None
    try:
        with raw.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(_HEAD + binary_rows(fields) + _TAIL)
    except psycopg.Error as error:
        if raw.closed:
            connection.invalidate()
        lasting = isinstance(error, psycopg.DataError | psycopg.IntegrityError)
        raise StoreError(f"the database refused: {error}", lasting=lasting) from error


class PostgresBulk:
    """Rows go by COPY; updates by COPY into a temporary table and one UPDATE from it."""

    #: With a lock: a new owner waits for the commit under way, and so does a repeated commit for
    #: its first try, of which only the connection was lost.
    epoch = select(schema.owner.c.epoch).with_for_update(key_share=True)

    def __init__(self) -> None:
        self._made: set[int] = set()
        self._tried: set[int] = set()

    def prepare(self, engine: Engine, samples: SampleColumns) -> None:
        """Make the partitions of all months that these samples lie in, and the one after."""
        found = _months_of(samples.timestamp)
        for month in found:
            if month not in self._made:
                self._make(engine, month)
        # Making one waits for everybody who reads (a backup, say): better long before it is
        # needed, and then no more than a moment.
        after = found[-1] + 1
        if after not in self._made and after not in self._tried:
            self._tried.add(after)
            with suppress(DBAPIError):
                self._make(engine, after, "SET LOCAL lock_timeout = 100")

    def _make(self, engine: Engine, month: int, first: str = "SELECT 1") -> None:
        # Refused where somebody dropped a partition by hand, and rows of that month have gone
        # with the far-off ones since: they can stay there.
        with suppress(IntegrityError), engine.begin() as connection:
            if month in _NEAR:
                connection.exec_driver_sql(first)
                connection.exec_driver_sql(_PARTITION.format(**_named(month)))
        self._made.add(month)

    def forget_partitions(self) -> None:
        """Some may have been dropped: look again before the next commit."""
        self._made.clear()
        self._tried.clear()

    def new_metrics(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add new rows of `metric`."""
        connection.execute(schema.metric.insert(), rows)

    def insert(self, connection: Connection, samples: SampleColumns) -> None:
        """Add new rows of `sample`."""
        keys = [_ints(samples.metric), _ints(samples.seq), _ints(samples.timestamp)]
        fields = [*keys, _floats(samples.value), *_result_fields(samples)]
        _copy(connection, f"sample ({_NAMES})", fields)

    def rescore(self, connection: Connection, samples: SampleColumns) -> None:
        """Set the results of rows of `sample` that are there."""
        keys = [_ints(samples.metric), _ints(samples.seq), _ints(samples.timestamp)]
        first, last = int(samples.timestamp.min()), int(samples.timestamp.max())
        connection.exec_driver_sql(_RESCORED)
        connection.exec_driver_sql("DELETE FROM rescored")
        _copy(connection, "rescored", [*keys, *_result_fields(samples)])
        # By the primary key: a plan that reads whole partitions looks cheap while they are small.
        connection.exec_driver_sql("SET LOCAL enable_hashjoin = off")
        connection.exec_driver_sql("SET LOCAL enable_mergejoin = off")
        connection.exec_driver_sql(f"{_RESCORE} AND s.timestamp BETWEEN {first} AND {last}")
        connection.exec_driver_sql("SET LOCAL enable_hashjoin = on")
        connection.exec_driver_sql("SET LOCAL enable_mergejoin = on")

    def move(self, connection: Connection, positions: PositionColumns) -> None:
        """Set rows of `progress`."""
        fields = [
            _ints(positions.id),
            _ints(positions.last_seq),
            _ints(positions.last_timestamp),
            _floats(positions.last_value),
            _floats(positions.anomaly_score),
            _ints(positions.scored_seq),
        ]
        connection.exec_driver_sql(_MOVED)
        connection.exec_driver_sql("DELETE FROM moved")
        _copy(connection, "moved", fields)
        connection.exec_driver_sql(_MOVE)

    def upsert(self, table: Any) -> Any:
        """An INSERT that can say what to do when the row is there."""
        return postgresql.insert(table)


_NAMES: Final = ", ".join(COLUMNS)
_MOVING: Final = ("last_seq", "last_timestamp", "last_value", "anomaly_score", "scored_seq")
# Temporary tables live as long as the connection and are emptied by every commit; in a transaction
# of several commits they are emptied before they are filled.
_RESCORED: Final = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS rescored (metric bigint, seq bigint, timestamp bigint, "
    + "".join(f"{name} double precision, " for name in RESULTS)
    + "event smallint) ON COMMIT DELETE ROWS"
)
_RESCORE: Final = (
    "UPDATE sample s SET "
    + ", ".join(f"{name} = n.{name}" for name in (*RESULTS, "event"))
    + " FROM rescored n WHERE s.metric = n.metric AND s.seq = n.seq AND s.timestamp = n.timestamp"
)
_MOVED: Final = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS moved (id bigint, last_seq bigint, "
    "last_timestamp bigint, last_value double precision, anomaly_score double precision, "
    "scored_seq bigint) ON COMMIT DELETE ROWS"
)
_MOVE: Final = (
    "UPDATE progress p SET "
    + ", ".join(f"{name} = n.{name}" for name in _MOVING)
    + " FROM moved n WHERE p.metric = n.id"
)


# --- tables -------------------------------------------------------------------------------------


def create_tables(connection: Connection) -> None:
    """Make the present schema in an empty database."""
    others = [t for t in schema.metadata.sorted_tables if t is not schema.sample]
    schema.metadata.create_all(connection, tables=others)
    _partitioned_sample().create(connection)
    connection.exec_driver_sql("CREATE TABLE sample_far_off PARTITION OF sample DEFAULT")
    # It moves with every commit: room on the same page spares the index.
    connection.exec_driver_sql("ALTER TABLE progress SET (fillfactor = 50)")


def _partitioned_sample() -> Table:
    """`schema.sample`, with the time in its primary key, as partitioning by it demands."""
    keys = ("metric", "seq", "timestamp")
    columns = [
        Column(c.name, c.type, primary_key=c.name in keys, nullable=c.nullable, autoincrement=False)
        for c in schema.sample.c
    ]
    return Table("sample", MetaData(), *columns, postgresql_partition_by="RANGE (timestamp)")


# --- partitions ---------------------------------------------------------------------------------

#: Months are counted from January 1970. Samples outside of these years lie in one partition
#: together: nothing that a clock gone mad sends can make thousands of partitions.
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2100
_FAR_OFF: Final = -1
_PARTITION: Final = (
    "CREATE TABLE IF NOT EXISTS {name} PARTITION OF sample FOR VALUES FROM ({start}) TO ({end})"
)


def month_of(year: int, month: int) -> int:
    """Months since January 1970.

    >>> month_of(1971, 2)
    13
    """
    return (year - 1970) * 12 + month - 1


_NEAR: Final = range(month_of(_FIRST_YEAR, 1), month_of(_LAST_YEAR, 1))


def months(timestamps: Ints) -> Ints:
    """The month of each time (ns), counted from January 1970; -1 for far-off ones."""
    found = timestamps.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    near = (found >= _NEAR.start) & (found < _NEAR.stop)
    return np.where(near, found, _FAR_OFF)


def _months_of(timestamps: Ints) -> list[int]:
    """The months that these times lie in, rising."""
    ends = months(np.array([timestamps.min(), timestamps.max()]))
    if ends[0] == ends[1] != _FAR_OFF:  # nearly always, and quick
        return [int(ends[0])]
    found: list[int] = np.unique(months(timestamps)).tolist()
    return found


def _start_of(month: int) -> int:
    """The first nanosecond of a month."""
    first = dt.datetime(1970 + month // 12, month % 12 + 1, 1, tzinfo=dt.UTC)
    return int(first.timestamp()) * SECOND_NS


def _named(month: int) -> dict[str, Any]:
    name = f"sample_{1970 + month // 12}_{month % 12 + 1:02}"
    return {"name": name, "start": _start_of(month), "end": _start_of(month + 1)}


def month_start(timestamp: int) -> int:
    """The first nanosecond of a time's month; far-off times: themselves."""
    month = int(months(np.array([timestamp]))[0])
    return timestamp if month == _FAR_OFF else _start_of(month)


def partitions(connection: Connection) -> dict[str, int]:
    """Names of the partitions of months, and where (ns) each ends."""
    found = connection.execute(_PARTITIONS).scalars()
    named = ((name, re.fullmatch(r"sample_(\d{4})_(\d\d)", name)) for name in found)
    return {name: _start_of(month_of(int(m[1]), int(m[2])) + 1) for name, m in named if m}


def drop_partitions(
    writer: Writer, ends: Mapping[str, int], oldest: Mapping[int, int], floors: Mapping[int, int]
) -> int:
    """Drop these (name: its end in ns) in turn, until one has a row that must stay.

    By metric id: ``oldest``, the first time (ns) that stays; ``floors``, the last seq that may
    go. Returns how many were dropped. Cost: a look into the primary key per metric and partition.
    """

    def work(connection: Connection) -> int:
        # Commits wait behind this: rather another time than long.
        connection.exec_driver_sql("SET LOCAL lock_timeout = 200")
        for dropped, (name, end) in enumerate(ends.items()):
            longer = {metric: 0 for metric, start in oldest.items() if start < end}
            beyond = dict(floors) | longer
            if _older_ones(connection, end) or _needed(connection, name, beyond):
                return dropped
            connection.exec_driver_sql(f"DROP TABLE {name}")
        return len(ends)

    try:
        return writer.write(work)
    finally:
        writer.forget_partitions()


def _older_ones(connection: Connection, end: int) -> bool:
    """Whether there are samples of times that no partition of a month holds."""
    there = text("SELECT EXISTS (SELECT 1 FROM sample_far_off WHERE timestamp < :end)")
    return bool(connection.execute(there, {"end": end}).scalar())


def _needed(connection: Connection, name: str, beyond: Mapping[int, int]) -> bool:
    """Whether a metric has a row in this partition after the seq given for it."""
    query = text(
        f"SELECT EXISTS (SELECT 1 FROM unnest(:metrics ::bigint[], :seqs ::bigint[]) AS b (id, seq)"
        f" WHERE EXISTS (SELECT 1 FROM {name} p WHERE p.metric = b.id AND p.seq > b.seq))"
    )
    told = {"metrics": list(beyond), "seqs": list(beyond.values())}
    return bool(connection.execute(query, told).scalar())


_PARTITIONS: Final = text(
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = 'sample'::regclass"
)
