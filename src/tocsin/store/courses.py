"""Courses of metrics, as columns: the last samples of some, and any stretch of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Engine, bindparam, case, select, tuple_

from tocsin.bins import Pieces
from tocsin.store import schema
from tocsin.store.blocks import SIZES, Asked, Blocks
from tocsin.store.database import told_as_store_error
from tocsin.store.queries import Row, seq_at

__all__ = ["Course", "Courses", "Stretch"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Course:
    """Consecutive samples of a metric; of a counter the values are its rates per second."""

    #: Nanoseconds.
    timestamp: Ints
    value: Floats
    expected: Floats
    lower: Floats
    upper: Floats
    score: Floats

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]]) -> Course:
        """From rows of these columns; None: not known."""
        columns = list(zip(*rows, strict=True)) if rows else [()] * 6
        times = np.array(columns[0], dtype=np.int64)
        return cls(times, *(np.array(column, dtype=np.float64) for column in columns[1:]))

    def __len__(self) -> int:
        return len(self.timestamp)

    @property
    def pieces(self) -> Pieces:
        """Each sample as one piece."""
        band = (self.expected, self.lower, self.upper, self.score)
        return Pieces.of(self.timestamp, self.value, *band)


class Stretch(NamedTuple):
    """What is stored of a metric, and the part that was asked for."""

    #: Times of the first and last sample that are stored (ns); None: none are.
    first: int | None
    last: int | None
    #: The seqs asked for: from, and up to but without.
    low: int
    high: int


class Courses:
    """Queries; any thread may use it. Every method: errors `StoreError`. Remembers blocks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._blocks = Blocks(engine)

    def newest(self, metrics: Iterable[tuple[int, bool]], count: int) -> list[Course]:
        """The last ``count`` samples of each metric (its id, and whether it is a counter).

        Cost: one short query a metric.
        """
        found = []
        with told_as_store_error(), self._engine.connect() as connection:
            for metric, counter in metrics:
                told = {"metric": metric, "counter": counter, "count": count}
                found.append(Course.of(connection.execute(_NEWEST, told).all()[::-1]))
        return found

    def stretch(self, metric: int, start: int | None, end: int | None) -> Stretch:
        """Where the samples with ``start`` <= time < ``end`` (ns; None: all) are.

        Cost: O(log samples) look-ups.
        """
        with told_as_store_error(), self._engine.connect() as connection:
            first = connection.execute(_FIRST, {"metric": metric}).one_or_none()
            last = connection.execute(_LAST, {"metric": metric}).one_or_none()
            if first is None or last is None:
                return Stretch(None, None, 0, 0)
            low, high = int(first.seq), int(last.seq) + 1
            if start is not None and start > first.timestamp:
                low = seq_at(connection, metric, start)
            if end is not None and end <= last.timestamp:
                high = seq_at(connection, metric, end)
            return Stretch(int(first.timestamp), int(last.timestamp), low, max(low, high))

    def between(self, asked: Asked) -> Course:
        """These samples. Cost: some µs each."""
        told = asked._asdict()
        with told_as_store_error(), self._engine.connect() as connection:
            return Course.of(connection.execute(_BETWEEN, told).all())

    def pieces(self, asked: Asked, least: int) -> Pieces:
        """These samples as ``least`` pieces at least, where there are so many.

        Cost: 3 µs a sample where there are few; where there are many, see `Blocks.between`.
        """
        count = asked.high - asked.low
        fitting = [size for size in SIZES if count >= size * least]
        if not fitting:
            return self.between(asked).pieces
        return self._blocks.between(asked, fitting[-1])

    def some_of(self, asked: Asked, most: int) -> tuple[Ints, Floats]:
        """Times and values of at most ``most`` of these samples, evenly taken, in no order.

        Cost: some µs for each that is taken.
        """
        told: dict[str, Any] = asked._asdict()
        low, high = asked.low, asked.high
        every = max(1, -(-(high - low) // most))
        query = _ALL_VALUES if every == 1 else _SOME_VALUES
        if every > 1:
            told["every"] = every
        with told_as_store_error(), self._engine.connect() as connection:
            rows = connection.execute(query, told).all()
        columns = list(zip(*rows, strict=True)) if rows else [(), ()]
        return np.array(columns[0], dtype=np.int64), np.array(columns[1], dtype=np.float64)

    def since(self, start: int, after: int, limit: int) -> Sequence[Row]:
        """Events that end at ``start`` (ns) or later, with an id above ``after``, by id."""
        e = schema.event.c
        query = (
            select(e.id, e.metric, e.start, e.end, e.anomaly_score)
            .where(e.id > after, e.end >= start, e.muted.is_(None))
            .order_by(e.id)
            .limit(limit)
        )
        with told_as_store_error(), self._engine.connect() as connection:
            return connection.execute(query).mappings().all()

    def times_of(self, samples: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """The times (ns) of samples, each given and told as its metric's id and its seq."""
        query = select(_C.metric, _C.seq, _C.timestamp).where(
            tuple_(_C.metric, _C.seq).in_(list(samples))
        )
        with told_as_store_error(), self._engine.connect() as connection:
            return {(one.metric, one.seq): one.timestamp for one in connection.execute(query)}

    def events(self, events: Sequence[int]) -> dict[int, Row]:
        """These events with their metrics' identities, by id."""
        e, m = schema.event.c, schema.metric.c
        query = (
            select(schema.event, m.uid, m.name, m.labels)
            .join(schema.metric, m.id == e.metric)
            .where(e.id.in_(events))
        )
        with told_as_store_error(), self._engine.connect() as connection:
            return {row["id"]: row for row in connection.execute(query).mappings()}


# Made once: making them costs more than asking.
_C = schema.sample.c
_MINE = _C.metric == bindparam("metric")
_VALUE = case((bindparam("counter"), _C.rate), else_=_C.value)
_COURSE = select(_C.timestamp, _VALUE, _C.expected, _C.lower, _C.upper, _C.anomaly_score).where(
    _MINE
)
_NEWEST = _COURSE.order_by(_C.seq.desc()).limit(bindparam("count"))
_BETWEEN = _COURSE.where(_C.seq >= bindparam("low"), _C.seq < bindparam("high")).order_by(_C.seq)
_ALL_VALUES = (
    select(_C.timestamp, _VALUE)
    .where(_MINE, _C.seq >= bindparam("low"), _C.seq < bindparam("high"))
    .order_by(_C.seq)
)
# Seqs have no gaps: each is one look-up in the primary key.
_SEQ = select(bindparam("low", type_=BigInteger).label("seq")).cte("steps", recursive=True)
_STEPS = _SEQ.union_all(
    select(_SEQ.c.seq + bindparam("every", type_=BigInteger)).where(
        _SEQ.c.seq + bindparam("every", type_=BigInteger) < bindparam("high")
    )
)
_SOME_VALUES = (
    select(_C.timestamp, _VALUE)
    .where(_MINE)
    .join_from(_STEPS, schema.sample, _C.seq == _STEPS.c.seq)
)
_ENDS: Final = select(_C.seq, _C.timestamp).where(_MINE).limit(1)
_FIRST = _ENDS.order_by(_C.seq)
_LAST = _ENDS.order_by(_C.seq.desc())
