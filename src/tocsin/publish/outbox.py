"""The outbox: which results each commit made final, read back for those who were not listening."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Connection,
    Double,
    Engine,
    RowMapping,
    SmallInteger,
    bindparam,
    column,
    delete,
    func,
    select,
    text,
)

from tocsin.detect.events import event_of
from tocsin.detect.result import NUMBERS, RESULT
from tocsin.publish.delivery import Change, Delivery, Gap, Identity, Item
from tocsin.publish.subscribers import PRUNED, confirmed_by_all, note_position
from tocsin.store import schema
from tocsin.store.database import told_as_store_error

__all__ = ["Outbox", "Pruned", "Waiting"]

Ints = NDArray[np.int64]

#: Commits looked at in one read, at most.
_COMMITS: Final = 256
#: Ranges, and metrics, asked for in one query.
_RANGES: Final = 500
#: Samples of one commit read at once, at most: some ten megabytes.
_PART: Final = 50_000
#: Metrics whose names are remembered: some ten megabytes.
_KNOWN: Final = 50_000
#: Rows looked at in one step of pruning; each may be a megabyte.
_STEP: Final = 200

_ROW: Final = np.dtype(
    [
        *((name, "i8") for name in ("n", "seq", "timestamp")),
        *((name, "f8") for name in ("value", *NUMBERS)),
        ("event", "i8"),
    ]
)


class Pruned(NamedTuple):
    """What a step of pruning did: rows gone, and how many of them somebody still waited for."""

    rows: int
    unconfirmed: int


class Waiting(NamedTuple):
    """What lies ahead of a position: how many positions, and since when (ns; None: nothing)."""

    positions: int
    since: int | None


class Outbox:
    """Reads and prunes; any thread may use it. Every method: errors `StoreError`."""

    def __init__(self, database: Engine) -> None:
        self._database = database
        self._known: dict[int, Identity] = {}

    def newest(self) -> int:
        """The position of the last commit; 0 before the first."""
        with told_as_store_error(), self._database.connect() as connection:
            return connection.execute(_NEWEST).scalar() or 0

    def after(self, position: int, samples: int = 10_000, done: int = 0) -> list[Item]:
        """What comes after ``position``: whole commits, about ``samples`` samples, at least one.

        A commit of more than 50,000 samples comes alone, in parts: ``done`` says how many of its
        samples were had before. Empty: nothing comes. A `Gap` stands first when what followed is
        no longer there.
        Cost: one short query per 500 runs of samples of one metric.
        """
        with told_as_store_error(), self._database.connect() as connection:
            rows = self._rows(connection, position, samples)
            # why after the rows: what was pruned before they were read is surely told.
            gap = self._gap(connection, position, rows)
            kept = [row for row in rows if gap is None or row["id"] > gap.position]
            parts = [_Part(row, 0 if gap else done) for row in kept]
            found = _deliveries(connection, parts, self._identities)
        return found if gap is None else [gap, *found]

    def waiting(self, positions: Iterable[int]) -> dict[int, Waiting]:
        """What subscribers that have confirmed these positions have yet to get.

        Cost: a seek in the primary key for each of them.
        """
        found = {}
        with told_as_store_error(), self._database.connect() as connection:
            newest = connection.execute(_NEWEST).scalar() or 0
            for position in set(positions):
                since = connection.execute(_SINCE, {"position": position}).scalar()
                found[position] = Waiting(max(0, newest - position), since)
        return found

    def prune(self, now: int, keep_ns: int, most_ns: int) -> Pruned:
        """Delete a piece of the oldest rows; call it again while it says that it deleted some.

        A row goes when it is older than ``keep_ns`` and all named subscribers have confirmed it,
        or when it is older than ``most_ns``. The newest row stays: it holds the place.
        """
        with told_as_store_error(), self._database.connect() as connection:
            newest = connection.execute(_NEWEST).scalar() or 0
            oldest = connection.execute(_OLDEST, {"newest": newest}).all()
            confirmed = confirmed_by_all(connection)
        gone = _outlived([(row.id, row.at) for row in oldest], now, keep_ns, most_ns, confirmed)
        if not gone:
            return Pruned(0, 0)
        with told_as_store_error(), self._database.begin() as connection:
            note_position(connection, PRUNED, gone[-1], now)
            connection.execute(delete(schema.outbox).where(schema.outbox.c.id <= gone[-1]))
        late = 0 if confirmed is None else sum(position > confirmed for position in gone)
        return Pruned(len(gone), late)

    def _rows(self, connection: Connection, after: int, samples: int) -> Sequence[RowMapping]:
        sizes = connection.execute(_SIZES, {"after": after}).all()
        total, last = 0, after
        for position, count in sizes:
            if last > after and (total + count > samples or max(total, count) > _PART):
                break
            total, last = total + count, position
        if last == after:
            return []
        return connection.execute(_BETWEEN, {"after": after, "last": last}).mappings().all()

    def _identities(self, connection: Connection, ids: Iterable[int]) -> dict[int, Identity]:
        """Who these metrics are; ids are never given again, so what is known stays true."""
        known = {metric: who for metric in ids if (who := self._known.get(metric))}
        new = dict(_identities(connection, sorted(set(ids) - known.keys())))
        if len(self._known) + len(new) > _KNOWN:
            self._known = {}
        self._known.update(new)
        return known | new

    def _gap(self, connection: Connection, position: int, rows: Sequence[RowMapping]) -> Gap | None:
        if not rows:
            newest = connection.execute(_NEWEST).scalar() or 0
            if position > newest:
                return Gap(position, newest, "the position is ahead of this database")
        pruned = connection.execute(_PRUNED).scalar() or 0
        if pruned <= position:
            return None
        return Gap(position, pruned, "these results are no longer in the outbox")


def _outlived(
    rows: Iterable[tuple[int, int]], now: int, keep_ns: int, most_ns: int, confirmed: int | None
) -> list[int]:
    """The positions at the front that need not be kept."""
    gone = []
    for position, at in rows:
        # Far ahead of the clock, a time says nothing: the clock was wrong. A little ahead is what
        # was committed since the clock was read.
        young = abs(now - at) <= keep_ns
        needed = confirmed is not None and position > confirmed
        if (young or needed) and at >= now - most_ns:
            break
        gone.append(position)
    return gone


# --- from rows to deliveries ----------------------------------------------------------------------


class _Part:
    """A commit, or a part of a very large one: which samples it is about."""

    def __init__(self, row: RowMapping, done: int) -> None:
        self.position: int = row["id"]
        self.events: list[Mapping[str, Any]] = json.loads(row["events"])
        self.done = done
        self.ends = done + _PART >= row["count"]
        self.ranges = _window(_ranges(row["ranges"]), done, done + _PART)
        self.count = int(np.sum(self.ranges[:, 2] - self.ranges[:, 1] + 1))

    @property
    def metrics(self) -> set[int]:
        """Ids of all that it is about."""
        return {event["metric"] for event in self.events} | set(self.ranges[:, 0].tolist())


def _window(ranges: Ints, start: int, stop: int) -> Ints:
    """The ranges' samples from the ``start``-th up to the ``stop``-th."""
    ends = np.cumsum(ranges[:, 2] - ranges[:, 1] + 1)
    begins = ends - (ranges[:, 2] - ranges[:, 1] + 1)
    cut = ranges.copy()
    cut[:, 1] += np.maximum(start - begins, 0)
    cut[:, 2] -= np.maximum(ends - stop, 0)
    left: Ints = cut[cut[:, 1] <= cut[:, 2]]
    return left


def _deliveries(
    connection: Connection,
    parts: Sequence[_Part],
    identities: Callable[[Connection, Iterable[int]], dict[int, Identity]],
) -> list[Item]:
    """All parts' samples read together, and cut apart again."""
    known = identities(connection, set[int]().union(*(part.metrics for part in parts)))
    ranges = np.concatenate([np.empty((0, 3), np.int64), *(part.ranges for part in parts)])
    samples = _samples(connection, ranges)
    ends = np.cumsum([len(part.ranges) for part in parts])
    cuts = np.searchsorted(samples["n"], ends).tolist()
    metric = ranges[samples["n"], 0]
    found: list[Item] = []
    for part, start, stop in zip(parts, [0, *cuts], cuts, strict=False):
        found.append(_delivery(part, metric[start:stop], samples[start:stop], known))
    return found


def _delivery(
    part: _Part, metric: Ints, samples: NDArray[np.void], known: Mapping[int, Identity]
) -> Delivery:
    scored = np.zeros(len(samples), dtype=RESULT)
    for name in (*NUMBERS, "event"):
        scored[name] = samples[name]
    return Delivery(
        position=part.position,
        metrics=known,
        metric=metric,
        seq=samples["seq"],
        timestamp=samples["timestamp"],
        value=samples["value"],
        scored=scored,
        events=[_change(event, known) for event in part.events] if part.ends else [],
        missing=part.count - len(samples),
        done=part.done,
        ends=part.ends,
    )


def _ranges(stored: bytes) -> Ints:
    """(n, 3): metric id, first and last seq; sorted, so that each metric's follow each other."""
    ranges = np.frombuffer(stored, dtype="<i8").reshape(-1, 3).astype(np.int64)
    ordered: Ints = ranges[np.lexsort((ranges[:, 1], ranges[:, 0]))]
    return ordered


def _samples(connection: Connection, ranges: Ints) -> NDArray[np.void]:
    """The stored samples of these ranges, by range and seq; NULL becomes not-a-number."""
    found = [np.empty(0, dtype=_ROW)]
    if len(ranges) and connection.dialect.name == "postgresql":
        connection.execute(_BY_KEY)
    for start in range(0, len(ranges), _RANGES):
        rows = connection.execute(_wanted(ranges[start : start + _RANGES], start)).all()
        found.append(np.array([tuple(row) for row in rows], dtype=_ROW))
    samples = np.concatenate(found)
    ordered: NDArray[np.void] = samples[np.lexsort((samples["seq"], samples["n"]))]
    return ordered


def _wanted(ranges: Ints, first: int) -> Any:
    """One query for many ranges."""
    # why as text: these are integers, and SQLAlchemy takes 20 ms to make 500 rows of VALUES.
    rows = ",".join(
        f"({n},{metric},{low},{high})"
        for n, (metric, low, high) in enumerate(ranges.tolist(), first)
    )
    return text(_WANTED.replace("$ROWS", rows)).columns(*_WANTED_COLUMNS)


def _identities(connection: Connection, ids: Sequence[int]) -> Iterator[tuple[int, Identity]]:
    for start in range(0, len(ids), _RANGES):
        for row in connection.execute(_WHO, {"ids": ids[start : start + _RANGES]}):
            labels = tuple(sorted(json.loads(row.labels).items()))
            yield row.id, Identity(row.uid, row.name, labels, row.generation)


def _change(stored: Mapping[str, Any], known: Mapping[int, Identity]) -> Change:
    return Change(stored["id"], known[stored["metric"]], event_of(stored))


# --- statements -----------------------------------------------------------------------------------

_C = schema.outbox.c
_NEWEST = select(func.max(_C.id))
_PRUNED = select(schema.subscriber.c.position).where(schema.subscriber.c.name == PRUNED)
_SIZES = select(_C.id, _C.count).where(_C.id > bindparam("after")).order_by(_C.id).limit(_COMMITS)
_BETWEEN = (
    select(_C.id, _C.count, _C.ranges, _C.events)
    .where(_C.id > bindparam("after"), _C.id <= bindparam("last"))
    .order_by(_C.id)
)
_SINCE = select(_C.at).where(_C.id > bindparam("position")).order_by(_C.id).limit(1)
_OLDEST = select(_C.id, _C.at).where(_C.id < bindparam("newest")).order_by(_C.id).limit(_STEP)
_M = schema.metric.c
_WHO = select(_M.id, _M.uid, _M.name, _M.labels, _M.generation).where(
    _M.id.in_(bindparam("ids", expanding=True))
)
# CROSS JOIN: SQLite keeps the order, one seek in the primary key per range.
_WANTED: Final = (
    'WITH wanted (n, metric, low, high) AS (VALUES $ROWS) SELECT wanted.n, s.seq, s."timestamp", '
    f"s.value, {', '.join(f's.{name}' for name in NUMBERS)}, coalesce(s.event, -1) AS event "
    "FROM wanted CROSS JOIN sample AS s "
    "WHERE s.metric = wanted.metric AND s.seq BETWEEN wanted.low AND wanted.high"
)
# PostgreSQL takes a ninth of a metric's samples to be within any two seqs, and would rather read
# the whole table. Until the end of the transaction:
_BY_KEY = select(
    *(func.set_config(f"enable_{way}", "off", True) for way in ("hashjoin", "mergejoin", "seqscan"))
)
_WANTED_COLUMNS: Final = (
    *(column(name, BigInteger) for name in ("n", "seq", "timestamp")),
    *(column(name, Double) for name in ("value", *NUMBERS)),
    column("event", SmallInteger),
)
