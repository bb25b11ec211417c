"""The one durable write: new metrics, samples with scores, positions and events together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, bindparam, delete, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.dml import Insert

from tocsin.store import schema
from tocsin.store.database import told_as_store_error

__all__ = ["Commit", "Writer"]

Row = Mapping[str, Any]


@dataclass(slots=True)
class Commit:
    """What one group of batches changes; rows are dicts by column, samples tuples in its order."""

    metrics: Sequence[Row] = ()
    samples: Sequence[tuple[Any, ...]] = ()
    #: ``id`` and the columns of `metric` that moved on.
    positions: Sequence[Row] = ()
    events: Sequence[Row] = field(default_factory=tuple)


class Writer:
    """Writes; used by one thread at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # Compiled once: samples are by far the most rows, and go to the driver as tuples.
        self._insert_sample = str(schema.sample.insert().compile(dialect=engine.dialect))

    def commit(self, what: Commit) -> None:
        """Write all of it or nothing. Cost: O(rows), one sync to disk.

        Errors: `StoreError`; nothing was written then.
        """
        with told_as_store_error(), self._engine.begin() as connection:
            if what.metrics:
                connection.execute(schema.metric.insert(), list(what.metrics))
            if what.samples:
                connection.exec_driver_sql(self._insert_sample, list(what.samples))
            if what.positions:
                connection.execute(_MOVE, list(what.positions))
            if what.events:
                connection.execute(_EVENT, list(what.events))

    def save_snapshots(self, rows: Sequence[Row]) -> None:
        """Write states (``metric``, ``seq``, ``state``) over older ones. Errors: `StoreError`."""
        with told_as_store_error(), self._engine.begin() as connection:
            connection.execute(_SNAPSHOT, list(rows))

    def drop_snapshot(self, metric: int) -> None:
        """Forget a state that cannot be used. Errors: `StoreError`."""
        with told_as_store_error(), self._engine.begin() as connection:
            connection.execute(delete(schema.snapshot).where(schema.snapshot.c.metric == metric))

    def close_event(self, event: int) -> None:
        """Say that an event is over. Errors: `StoreError`."""
        closing = update(schema.event).where(schema.event.c.id == event).values(open=False)
        with told_as_store_error(), self._engine.begin() as connection:
            connection.execute(closing)


_MOVE = (
    update(schema.metric)
    .where(schema.metric.c.id == bindparam("row"))
    .values(
        last_seq=bindparam("seq"),
        last_timestamp=bindparam("timestamp"),
        last_value=bindparam("value"),
        anomaly_score=bindparam("score"),
        status=bindparam("now"),
    )
)


def _upsert_event() -> Insert:
    insert = sqlite.insert(schema.event)
    changing = [c.name for c in schema.event.c if c.name not in ("id", "metric", "start")]
    return insert.on_conflict_do_update(
        index_elements=["id"], set_={name: insert.excluded[name] for name in changing}
    )


def _upsert_snapshot() -> Insert:
    insert = sqlite.insert(schema.snapshot)
    return insert.on_conflict_do_update(
        index_elements=["metric"],
        set_={"seq": insert.excluded.seq, "state": insert.excluded.state},
    )


_EVENT = _upsert_event()
_SNAPSHOT = _upsert_snapshot()
