"""What a start needs to go on where the last one stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, func, select

from tocsin.store import schema
from tocsin.store.database import told_as_store_error

__all__ = ["Resume", "Stored"]


class Stored(NamedTuple):
    """Stored samples of one metric that were learnt, in order."""

    timestamp: NDArray[np.int64]
    value: NDArray[np.float64]


class Resume:
    """Reads everything once, at the start. Every method: errors `StoreError`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def metrics(self) -> Sequence[Mapping[Any, Any]]:
        """All metrics, by id."""
        with told_as_store_error(), self._engine.connect() as connection:
            query = select(schema.metric).order_by(schema.metric.c.id)
            return connection.execute(query).mappings().all()

    def snapshots(self) -> Iterator[tuple[int, int, bytes]]:
        """(metric, seq, state) of every snapshot, read piece by piece."""
        c = schema.snapshot.c
        with told_as_store_error(), self._engine.connect() as connection:
            query = select(c.metric, c.seq, c.state).execution_options(yield_per=256)
            for row in connection.execute(query):
                yield row.metric, row.seq, row.state

    def learnt_after(self, metric: int, seq: int, chunk: int = 100_000) -> Iterator[Stored]:
        """The samples after ``seq`` that a model learnt, in order, at most ``chunk`` at once."""
        c = schema.sample.c
        query = (
            select(c.timestamp, c.value)
            .where(c.metric == metric, c.seq > seq, c.event.is_not(None))
            .order_by(c.seq)
            .execution_options(yield_per=chunk)
        )
        with told_as_store_error(), self._engine.connect() as connection:
            for rows in connection.execute(query).partitions():
                times, values = zip(*rows, strict=True)
                yield Stored(np.array(times, np.int64), np.array(values, np.float64))

    def open_events(self) -> Sequence[Mapping[Any, Any]]:
        """Events that are not over."""
        with told_as_store_error(), self._engine.connect() as connection:
            return (
                connection.execute(select(schema.event).where(schema.event.c.open)).mappings().all()
            )

    def last_event(self) -> int:
        """The largest event id given so far; 0 before the first."""
        with told_as_store_error(), self._engine.connect() as connection:
            return connection.execute(select(func.max(schema.event.c.id))).scalar() or 0
