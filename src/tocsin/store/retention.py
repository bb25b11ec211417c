"""Forgetting: samples older, or more, than are kept of a metric, in small steps."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Delete, Engine, delete, or_, select

from tocsin.store import schema
from tocsin.store.commits import Writer
from tocsin.store.database import told_as_store_error

__all__ = ["Keep", "Retention"]

#: Rows deleted in one transaction, at most; and metrics looked at in one.
_STEP: Final = 10_000
_PIECE: Final = 256
#: No seq is so large.
_ANY: Final = 2**62


@dataclass(frozen=True, slots=True)
class Keep:
    """What is kept of a metric: samples that are newer than ``age_ns``, the last ``count``.

    None: no limit. With both, a sample has to meet both to stay.
    """

    age_ns: int | None = None
    count: int | None = None

    @property
    def all(self) -> bool:
        """Whether nothing is ever forgotten."""
        return self.age_ns is None and self.count is None


class _Stored(NamedTuple):
    """What there is of a metric."""

    id: int
    last_seq: int
    #: The last seq that no restart replays.
    floor: int
    #: The first stored sample, and the first late one's time; None: there is none.
    first: int | None
    begins: int | None
    late: int | None


class Retention:
    """Goes round all metrics, a step at a time. Used by the writer's thread.

    Never deletes what a restart may have to replay: samples after the oldest snapshot that can
    be used, or that still wait to be scored. On PostgreSQL age counts in whole months, so that
    partitions are dropped whole where nobody needs a row of them. Events stay.
    """

    def __init__(
        self,
        engine: Engine,
        writer: Writer,
        keep_of: Callable[[int], Keep],
        *,
        hash_of: Callable[[int], str | None] = lambda _: None,
        every_s: float = 600.0,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Both by metric id. ``keep_of``: what is kept; ``hash_of``: which snapshots can be used,
        by their ``settings_hash`` (None: any).
        """
        self._engine = engine
        self._writer = writer
        self._keep_of = keep_of
        self._hash_of = hash_of
        self._every = every_s
        self._clock = clock
        self._months = engine.dialect.name == "postgresql"
        self._next_round = 0.0
        self._after: int | None = None

    def seconds_left(self) -> float:
        """How long until `work` has something to do."""
        return 0.0 if self._after is not None else max(0.0, self._next_round - time.monotonic())

    def work(self) -> int:
        """Take one step when it is time; says how many rows (or partitions) went.

        Cost: O(metrics of the step + rows deleted). Errors: `StoreError`; go on later.
        """
        if self.seconds_left() > 0:
            return 0
        if self._after is None:
            dropped = self._drop_partitions() if self._months else 0
            self._after = 0
            return dropped
        metrics = self._stored(self._after, _PIECE)
        deleted = self._trim(metrics)
        if deleted < _STEP:  # else there may be more of them
            self._after = metrics[-1].id if metrics else None
        if self._after is None:
            self.postpone()
        return deleted

    def postpone(self) -> None:
        """End this round: something is in its way."""
        self._after = None
        self._next_round = time.monotonic() + self._every

    # What there is

    def _stored(self, after: int, limit: int | None) -> list[_Stored]:
        query = _METRICS.where(schema.metric.c.id > after).limit(limit)
        state = schema.snapshot.c
        with told_as_store_error(), self._engine.connect() as connection:
            rows = connection.execute(query).all()
            if not rows:
                return []
            inside = state.metric.between(rows[0].id, rows[-1].id)
            states = connection.execute(
                select(state.metric, state.seq, state.settings_hash).where(inside)
            ).all()
        usable: defaultdict[int, list[int]] = defaultdict(list)
        for metric, seq, settings_hash in states:
            if self._hash_of(metric) in (None, settings_hash):
                usable[metric].append(seq)
        return [
            _Stored(row.id, row.last_seq, _floor(row, usable[row.id]), *row[-3:]) for row in rows
        ]

    # Row by row

    def _trim(self, metrics: Sequence[_Stored]) -> int:
        now = self._clock()
        doomed = [(stored, self._cut(stored, now)) for stored in metrics]
        late = [self._late_cut(stored, now) for stored in metrics]
        if not any(cut is not None for cut in [*late, *(cut for _, cut in doomed)]):
            return 0

        def work(connection: Connection) -> int:
            deleted = 0
            for cut in late:
                if cut is not None:
                    connection.execute(cut)
            for stored, cut in doomed:
                if cut is not None and stored.first is not None and deleted < _STEP:
                    end = stored.first + _STEP - deleted
                    deleted += connection.execute(cut.where(schema.sample.c.seq < end)).rowcount
            return deleted

        return self._writer.write(work)

    def _cut(self, stored: _Stored, now: int) -> Delete | None:
        """What deletes a metric's samples; None when all of them stay."""
        keep, c = self._keep_of(stored.id), schema.sample.c
        if stored.first is None or stored.begins is None or stored.floor < stored.first:
            return None
        rules = []
        if keep.age_ns is not None and stored.begins < self._oldest(now - keep.age_ns):
            rules.append(c.timestamp < self._oldest(now - keep.age_ns))
        if keep.count is not None and stored.first <= stored.last_seq - keep.count:
            rules.append(c.seq <= stored.last_seq - keep.count)
        if not rules:
            return None
        mine = (c.metric == stored.id) & (c.seq <= stored.floor)
        return delete(schema.sample).where(mine, or_(*rules))

    def _late_cut(self, stored: _Stored, now: int) -> Delete | None:
        age, c = self._keep_of(stored.id).age_ns, schema.late.c
        if age is None or stored.late is None or stored.late >= now - age:
            return None
        return delete(schema.late).where(c.metric == stored.id, c.timestamp < now - age)

    def _oldest(self, time: int) -> int:
        if not self._months:
            return time
        from tocsin.store.postgresql import month_start

        return month_start(time)

    # Month by month

    def _drop_partitions(self) -> int:
        """Drop the partitions that lie wholly below what is kept of every metric."""
        from tocsin.store.postgresql import drop_partitions, partitions

        with told_as_store_error(), self._engine.connect() as connection:
            ends = sorted((end, name) for name, end in partitions(connection).items())
            ids = connection.execute(select(schema.metric.c.id)).scalars().all()
        oldest = self._oldest_of(ids)
        # Oldest first, and none before another's turn: a metric's samples have no gap.
        names = {name: end for end, name in ends if end <= max(oldest.values(), default=0)}
        if not names:
            return 0
        floors = {stored.id: stored.floor for stored in self._stored(0, None)}
        return drop_partitions(self._writer, names, oldest, floors)

    def _oldest_of(self, metrics: Sequence[int]) -> Mapping[int, int]:
        now = self._clock()
        ages = ((metric, self._keep_of(metric).age_ns) for metric in metrics)
        return {metric: 0 if age is None else now - age for metric, age in ages}


def _floor(row: Any, usable: Sequence[int]) -> int:
    """The last seq that no restart has to replay. Deleted metrics: all.

    That is the oldest usable snapshot's; without one, what was stored before the first learnt
    sample; never beyond what is scored.
    """
    if row.deleted is not None:
        return _ANY
    unlearnt = row.scored_seq if row.learnt is None else row.learnt - 1
    known = min(usable, default=unlearnt)
    return int(min(row.scored_seq, max(known, row.learns_after)))


def _first(column: Any, *conditions: Any) -> Any:
    """The first of a metric's samples, as SQL beside its row; stops where it finds one."""
    s, m = schema.sample.c, schema.metric.c
    mine = select(column).where(s.metric == m.id, *conditions)
    return mine.order_by(s.seq).limit(1).scalar_subquery()


def _metrics() -> Any:
    m, p, s, late = (t.c for t in (schema.metric, schema.progress, schema.sample, schema.late))
    earliest = select(late.timestamp).where(late.metric == m.id).order_by(late.timestamp).limit(1)
    found = select(
        m.id,
        p.last_seq,
        p.scored_seq,
        m.learns_after,
        m.deleted,
        _first(s.seq, s.seq > m.learns_after, s.event.is_not(None)).label("learnt"),
        _first(s.seq).label("first"),
        _first(s.timestamp).label("begins"),
        earliest.scalar_subquery().label("late"),
    )
    return found.join_from(schema.metric, schema.progress, p.metric == m.id).order_by(m.id)


_METRICS: Final = _metrics()
