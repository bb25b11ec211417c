"""Reading for people and programs: metrics, samples and events, a page at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, Select, and_, bindparam, func, or_, select, tuple_

from tocsin.store import schema
from tocsin.store.database import told_as_store_error

__all__ = ["WHOLE_METRIC", "Reader"]

Order = Literal["asc", "desc"]
Row = Mapping[Any, Any]

#: The time of a sample that was the oldest a moment ago, and has just been deleted.
_DELETED = -(2**63)
#: Up to this many stored samples are read at once where fewer are asked for.
_DENSE = 1_000
#: How many of a metric's newest samples are looked at first.
_RECENT = 256


#: Metrics asked for in one query.
_TOGETHER = 500


#: Rows of `metric`, each with how far it is.
WHOLE_METRIC: Final = select(
    schema.metric, *(column for column in schema.progress.c if column.name != "metric")
).join(schema.progress, schema.progress.c.metric == schema.metric.c.id)


class Reader:
    """Queries; any thread may use it. Every method: errors `StoreError`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def metrics(self, match: str | None, after: int, limit: int) -> Sequence[Row]:
        """Metrics with an id above ``after``, oldest first.

        ``match``: part of ``name{key="value"}``, or a pattern of the whole with ``*`` and ``?``;
        upper and lower case (ASCII) are the same.
        """
        table = schema.metric
        query = WHOLE_METRIC.where(table.c.id > after, table.c.deleted.is_(None))
        query = query.order_by(table.c.id).limit(limit)
        if match:
            query = query.where(table.c.title.ilike(_pattern(match), escape="\\"))
        return self._all(query)

    def metric(self, uid: str) -> Row | None:
        """One metric, or None (also when it is deleted)."""
        c = schema.metric.c
        found = self._all(WHOLE_METRIC.where(c.uid == uid, c.deleted.is_(None)))
        return found[0] if found else None

    def last_results(self, metrics: Sequence[int]) -> Sequence[Row]:
        """Of each of these metrics (ids) its last sample that was scored, with its results.

        Cost: O(log samples) each.
        """
        p, c = schema.progress.c, schema.sample.c
        found: list[Row] = []
        for start in range(0, len(metrics), _TOGETHER):
            some = metrics[start : start + _TOGETHER]
            last = and_(c.metric == p.metric, c.seq == p.scored_seq)
            query = select(schema.sample).join(schema.progress, last).where(p.metric.in_(some))
            found += self._all(query)
        return found

    def metric_ids(self, text: str) -> list[int]:
        """Ids of the metrics that have this uid, name, or ``name{key="value"}``."""
        table = schema.metric
        found = select(table.c.id).where(
            or_(table.c.uid == text, table.c.title == text, table.c.name == text),
            table.c.deleted.is_(None),
        )
        return [row["id"] for row in self._all(found)]

    def samples(
        self,
        metric: int,
        *,
        start: int | None,
        end: int | None,
        after: int | None,
        limit: int,
        order: Order = "asc",
    ) -> Sequence[Row]:
        """Samples with ``start`` <= time < ``end``, beyond seq ``after`` in this order.

        Cost: O(log samples of the metric + limit).
        """
        c = schema.sample.c
        with told_as_store_error(), self._engine.connect() as connection:
            query = select(schema.sample).where(c.metric == metric).limit(limit)
            if start is not None:
                query = query.where(c.seq >= seq_at(connection, metric, start))
            if end is not None:
                query = query.where(c.seq < seq_at(connection, metric, end))
            if after is not None:
                query = query.where(c.seq < after if order == "desc" else c.seq > after)
            query = query.order_by(c.seq.desc() if order == "desc" else c.seq)
            return connection.execute(query).mappings().all()

    def values_at(self, metric: int, times: Sequence[int]) -> dict[int, float]:
        """The stored values around these times (rising), by time; missing: nothing is stored there.

        Cost: one short query when all lie among the metric's newest samples, as when a request is
        repeated; else O(log samples) per time, less where the times lie close together.
        """
        with told_as_store_error(), self._engine.connect() as connection:
            newest = _by_time(connection.execute(_NEWEST, {"metric": metric}))
            if newest and min(newest) <= times[0]:
                return newest
            low = seq_at(connection, metric, times[0])
            high = seq_at(connection, metric, times[-1] + 1)
            if high - low <= max(_DENSE, 4 * len(times)):
                return _between(connection, metric, low, high)
            found: dict[int, float] = {}
            for time in times:
                at = seq_at(connection, metric, time)
                found |= _between(connection, metric, at, at + 1)
            return found

    def events(
        self,
        *,
        metrics: Sequence[int] | None,
        start: int | None,
        end: int | None,
        before: tuple[int, int] | None,
        limit: int,
    ) -> Sequence[Row]:
        """Events that touch ``start`` … ``end``, newest first, with their metric's identity.

        ``before``: (start, id) of the last one already seen.
        """
        c, m = schema.event.c, schema.metric.c
        query = (
            select(schema.event, m.uid, m.name, m.labels)
            .join(schema.metric, m.id == c.metric)
            .where(m.deleted.is_(None))
            .order_by(c.start.desc(), c.id.desc())
            .limit(limit)
        )
        if metrics is not None:
            query = query.where(c.metric.in_(metrics))
        if start is not None:
            query = query.where(or_(c.end >= start, c.open))
        if end is not None:
            query = query.where(c.start < end)
        if before is not None:
            query = query.where(tuple_(c.start, c.id) < tuple_(*before))
        return self._all(query)

    def event(self, metric: int, event: int) -> Row | None:
        """One event of a metric, or None."""
        c = schema.event.c
        found = self._all(select(schema.event).where(c.id == event, c.metric == metric))
        return found[0] if found else None

    def statuses(self, metric: int, limit: int) -> Sequence[Row]:
        """How a metric stood since when, newest first."""
        c = schema.status_change.c
        mine = select(schema.status_change).where(c.metric == metric)
        return self._all(mine.order_by(c.at.desc()).limit(limit))

    def _all(self, query: Select[Any]) -> Sequence[Row]:
        with told_as_store_error(), self._engine.connect() as connection:
            return connection.execute(query).mappings().all()


def _pattern(match: str) -> str:
    escaped = match.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    if "*" in match or "?" in match:
        return escaped.replace("*", "%").replace("?", "_")
    return f"%{escaped}%"


def seq_at(connection: Connection, metric: int, time: int) -> int:
    """The seq of the first sample not before ``time`` (one past the last when there is none).

    Times rise with seq and seqs have no gaps, so this is a bisection over the primary key.
    """
    first = connection.execute(_FIRST_SEQ, {"metric": metric}).scalar()
    last = connection.execute(_LAST_SEQ, {"metric": metric}).scalar()
    if first is None or last is None:
        return 1

    def time_of(seq: int) -> int:
        found = connection.execute(_TIME_OF, {"metric": metric, "seq": seq}).scalar()
        return _DELETED if found is None else int(found)

    return int(first) + bisect_left(range(first, last + 1), time, key=time_of)


def _between(connection: Connection, metric: int, low: int, high: int) -> dict[int, float]:
    return _by_time(
        connection.execute(_RANGE, {"metric": metric, "low": low, "high": high}),
    )


def _by_time(rows: Iterable[Any]) -> dict[int, float]:
    return {row.timestamp: row.value for row in rows}


# Made once: they are asked often, and making them costs more than asking.
_C = schema.sample.c
_MINE = _C.metric == bindparam("metric")
# Two queries: each end of the range is one seek, both in one query would be a scan.
_FIRST_SEQ = select(func.min(_C.seq)).where(_MINE)
_LAST_SEQ = select(func.max(_C.seq)).where(_MINE)
_TIME_OF = select(_C.timestamp).where(_MINE, _C.seq == bindparam("seq"))
_VALUES = select(_C.timestamp, _C.value).where(_MINE)
_RANGE = _VALUES.where(_C.seq >= bindparam("low"), _C.seq < bindparam("high"))
_NEWEST = _VALUES.order_by(_C.seq.desc()).limit(_RECENT)
