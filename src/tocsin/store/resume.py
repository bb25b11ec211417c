"""What a start needs to go on where the last one stopped."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    MetaData,
    Select,
    Table,
    func,
    or_,
    select,
)

from tocsin.store import schema
from tocsin.store.database import told_as_store_error
from tocsin.store.queries import WHOLE_METRIC, seq_at

__all__ = ["REPLAYED", "Begun", "Resume", "State"]

Ints = NDArray[np.int64]

#: One row per stored sample, as `Resume.replay` and `Resume.samples_after` give them.
REPLAYED: Final = np.dtype(
    [("metric", "i8"), ("seq", "i8"), ("timestamp", "i8"), ("value", "f8"), ("event", "i8")]
)
#: In ``event``: NULL in the database.
_UNSCORED: Final = -1


class State(NamedTuple):
    """A stored snapshot: the state after sample ``seq``."""

    metric: int
    seq: int
    settings_hash: str
    state: bytes


class Begun(NamedTuple):
    """What the samples of an open event say."""

    #: What was expected at its first; not-a-number: not known.
    expected: float
    #: Its anomaly score, and the samples since the last anomalous one.
    score: float
    quiet: int
    #: Values from its peak on.
    since_peak: Sequence[float]


class Resume:
    """Reads everything once, at the start. Every method: errors `StoreError`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def metrics(self) -> Sequence[Mapping[Any, Any]]:
        """All metrics that are not deleted, by id."""
        c = schema.metric.c
        return self._all(WHOLE_METRIC.where(c.deleted.is_(None)).order_by(c.id))

    def generations(self) -> dict[tuple[str, str], int]:
        """The last generation of every (name, labels) that was ever deleted."""
        c = schema.metric.c
        gone = select(c.name, c.labels, func.max(c.generation).label("last"))
        rows = self._all(gone.where(c.deleted.is_not(None)).group_by(c.name, c.labels))
        return {(row["name"], row["labels"]): row["last"] for row in rows}

    def deleted(self) -> Sequence[Mapping[Any, Any]]:
        """Deleted metrics of which data may be left (their deletion did not finish)."""
        c = schema.metric.c
        # A deletion that was cut off may have left any of these, samples first.
        tables = (schema.sample, schema.event, schema.snapshot)
        left = [select(table.c.metric).where(table.c.metric == c.id).exists() for table in tables]
        gone = select(schema.metric).where(c.deleted.is_not(None), or_(*left))
        return self._all(gone.order_by(c.id))

    def snapshots(self) -> Iterator[State]:
        """Every snapshot, metric by metric, each metric's newest first; read piece by piece."""
        c = schema.snapshot.c
        query = select(c.metric, c.seq, c.settings_hash, c.state)
        # Both descending: so the primary key gives them in order.
        query = query.order_by(c.metric.desc(), c.seq.desc())
        piecewise = {"yield_per": 256}
        with (
            told_as_store_error(),
            self._engine.connect() as connection,
            connection.execute(query, execution_options=piecewise) as found,
        ):
            for row in found:
                yield State(row.metric, row.seq, row.settings_hash, row.state)

    def snapshots_of(self, metric: int) -> list[State]:
        """One metric's snapshots, the newest first."""
        c = schema.snapshot.c
        query = select(c.metric, c.seq, c.settings_hash, c.state)
        rows = self._all(query.where(c.metric == metric).order_by(c.seq.desc()))
        return [State(**row) for row in rows]

    def replay(
        self, metric: Ints, seq: Ints, chunk: int = 100_000
    ) -> Generator[NDArray[np.void], None, None]:
        """Samples of all these metrics after each one's ``seq``, but for those that wait.

        Rows of `REPLAYED` (event -1: not scored), ordered by metric and seq; at most ``chunk`` at
        once.
        Cost: one query, O(metrics log stored + rows).
        """
        c, after = schema.sample.c, _AFTER.c
        query = (
            select(c.metric, c.seq, c.timestamp, c.value, func.coalesce(c.event, _UNSCORED))
            .select_from(_AFTER)
            .join(schema.sample, (c.metric == after.metric) & (c.seq > after.seq))
            .where(or_(c.event >= 0, c.event.is_(None)))
            .order_by(c.metric, c.seq)
        )
        if not len(metric):
            return
        with told_as_store_error(), self._engine.connect() as connection:
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {_AFTER.name}")
            _AFTER.create(connection, checkfirst=False)
            rows = zip(metric.tolist(), seq.tolist(), strict=True)
            connection.execute(_AFTER.insert(), [{"metric": m, "seq": s} for m, s in rows])
            yield from _chunks(connection, query, chunk)
            connection.rollback()

    def samples_after(self, metric: int, seq: int, limit: int) -> NDArray[np.void]:
        """The next ``limit`` samples of a metric after ``seq``, whatever became of them.

        Rows of `REPLAYED`; event -1: will never be scored, -2: waits to be.
        """
        c = schema.sample.c
        query = (
            select(c.metric, c.seq, c.timestamp, c.value, func.coalesce(c.event, _UNSCORED))
            .where(c.metric == metric, c.seq > seq)
            .order_by(c.seq)
            .limit(limit)
        )
        with told_as_store_error(), self._engine.connect() as connection:
            return _columns(connection.execute(query).all())

    def open_events(self) -> Sequence[Mapping[Any, Any]]:
        """Events that are not over."""
        return self._all(select(schema.event).where(schema.event.c.open))

    def begun(self, event: Mapping[str, Any], most: int) -> Begun:
        """What the samples of an open event say; ``most``: how many from its peak on.

        ``event``: a row of `event`. Cost: O(log samples + most).
        """
        metric, c = event["metric"], schema.sample.c
        mine = c.metric == metric
        with told_as_store_error(), self._engine.connect() as connection:
            start = seq_at(connection, metric, event["start"])
            first = select(c.expected, c.anomaly_score).where(mine, c.seq == start)
            told = connection.execute(first).one_or_none() or (None, None)
            peak = seq_at(connection, metric, event["peak"])
            since = (
                select(func.coalesce(c.rate, c.value))
                .where(mine, c.seq >= peak, c.event > 0)
                .order_by(c.seq)
            )
            values = connection.execute(since.limit(most)).scalars().all()
            end = seq_at(connection, metric, event["end"])
            after = select(func.count()).where(mine, c.seq > end, c.event > 0)
            quiet = connection.execute(after).scalar_one()
        expected, score = (math.nan if number is None else number for number in told)
        return Begun(expected, score, quiet, values)

    def held(self) -> Sequence[Mapping[Any, Any]]:
        """Samples that wait in the reorder window, by metric and time."""
        c = schema.held.c
        return self._all(select(schema.held).order_by(c.metric, c.timestamp))

    def deliveries(self) -> Sequence[Mapping[Any, Any]]:
        """How far every sender that counts has been taken."""
        return self._all(select(schema.delivery))

    def last_event(self) -> int:
        """The largest event id given so far; 0 before the first."""
        return self._largest(schema.event.c.id)

    def last_metric(self) -> int:
        """The largest metric id given so far, deleted ones too; 0 before the first."""
        return self._largest(schema.metric.c.id)

    def last_position(self) -> int:
        """The largest outbox position given so far; 0 before the first."""
        # Rows that everybody has read are pruned; who has read them knows how far they went.
        ours, theirs = schema.outbox.c.id, schema.subscriber.c.position
        return max(self._largest(ours), self._largest(theirs))

    def _largest(self, column: Column[Any]) -> int:
        with told_as_store_error(), self._engine.connect() as connection:
            return connection.execute(select(func.max(column))).scalar() or 0

    def _all(self, query: Select[Any]) -> Sequence[Mapping[Any, Any]]:
        with told_as_store_error(), self._engine.connect() as connection:
            return connection.execute(query).mappings().all()


def _chunks(connection: Connection, query: Select[Any], chunk: int) -> Iterator[NDArray[np.void]]:
    with connection.execute(query, execution_options={"yield_per": chunk}) as found:
        for rows in found.partitions():
            yield _columns(rows)


def _columns(rows: Sequence[Any]) -> NDArray[np.void]:
    return np.fromiter(map(tuple, rows), REPLAYED, len(rows))


_AFTER = Table(
    "replay_after",
    MetaData(),
    Column("metric", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    prefixes=["TEMPORARY"],
)
