"""The one durable write: samples, scores, positions, events and outbox together or not at all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Connection,
    Engine,
    Executable,
    Table,
    bindparam,
    delete,
    exists,
    func,
    select,
    update,
)

from tocsin.errors import OwnerLostError
from tocsin.store import schema
from tocsin.store.bulk import Bulk, PositionColumns, SampleColumns, bulk_of
from tocsin.store.database import told_as_store_error

__all__ = ["Commit", "PositionColumns", "SampleColumns", "Writer"]

Ints = NDArray[np.int64]
Row = Mapping[str, Any]
T = TypeVar("T")


@dataclass(slots=True)
class Commit:
    """What one group changes; rows are dicts by column of the table they go to.

    The rows of one list all have the same keys.
    """

    #: Unique and rising: the id of the outbox row. 0: no outbox row (and no repeating).
    position: int = 0
    #: When it was made.
    at: int = 0
    #: New rows of `metric`.
    metrics: Sequence[Row] = ()
    #: Samples to store.
    samples: SampleColumns | None = None
    #: Stored samples whose results are now known.
    scored: SampleColumns | None = None
    positions: PositionColumns | None = None
    #: ``id``, ``status``, ``reason``, ``detail``, ``deadline``, ``failures`` of metrics.
    statuses: Sequence[Row] = ()
    #: ``id`` of metrics, and other columns of `metric` or `progress` to set (each row its own).
    changes: Sequence[Row] = ()
    #: Ids of metrics whose samples that wait to be scored never will be.
    abandon: Sequence[int] = ()
    #: Ids of metrics whose states are of no use any more.
    forget: Sequence[int] = ()
    #: Whole rows, new or as they now stand.
    events: Sequence[Row] = ()
    #: (n, 3): metric id, first seq, last seq of the samples whose results became final.
    ranges: Ints | None = None
    #: Whole rows; one source's replaces the one before.
    deliveries: Sequence[Row] = ()
    held_add: Sequence[Row] = ()
    #: ``metric`` and ``timestamp`` of what is held no more.
    held_drop: Sequence[Row] = ()
    late: Sequence[Row] = ()
    #: Whole rows; ``count`` is added to what is there.
    refusals: Sequence[Row] = ()


class Writer:
    """Writes; used by one thread at a time. Every method: errors `StoreError`, nothing written.

    It writes for the start that owned the database when it was made: when another start has
    taken the database since, every method raises `OwnerLostError`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._bulk = bulk_of(engine)
        self._upserts = _Upserts(self._bulk)
        with told_as_store_error(), engine.connect() as connection:
            self._epoch = connection.execute(select(schema.owner.c.epoch)).scalar()

    def commit(self, *whats: Commit, again: bool = False) -> None:
        """Write all of them, in this order, or nothing. Cost: O(rows), one sync to disk.

        ``again``: an earlier try failed, and may have succeeded all the same with only the
        answer lost; then nothing is left to do.
        """
        for what in whats:
            if what.samples:
                with told_as_store_error():
                    self._bulk.prepare(self._engine, what.samples)

        def work(connection: Connection) -> None:
            for what in whats:
                self._commit(connection, what, again)

        self.write(work)

    def _commit(self, connection: Connection, what: Commit, again: bool) -> None:
        if again and connection.execute(_DONE, {"_id": what.position}).scalar() is not None:
            return
        if what.metrics:
            self._bulk.new_metrics(connection, [_storable(row) for row in what.metrics])
            connection.execute(_BEGIN, _span(what.metrics))
        if what.samples:
            self._bulk.insert(connection, what.samples)
        if what.scored:
            self._bulk.rescore(connection, what.scored)
        if what.positions:
            self._bulk.move(connection, what.positions)
        _execute(connection, _STATUS, _bound(what.statuses, "id", *_STATUS_COLUMNS))
        self._note_statuses(connection, what)
        self._change(connection, what)
        self._commit_rows(connection, what)
        if what.position:
            connection.execute(schema.outbox.insert(), _outbox_row(what))

    def _change(self, connection: Connection, what: Commit) -> None:
        c, mine = schema.metric.c, schema.progress.c.metric
        for metric in what.abandon:  # first: it goes by the old ``scored_seq``
            connection.execute(_ABANDON, {"_metric": metric})
        for row in what.changes:
            columns = {name: value for name, value in _storable(row).items() if name != "id"}
            moved = {name: columns.pop(name) for name in _PROGRESS & columns.keys()}
            if columns:
                connection.execute(update(schema.metric).where(c.id == row["id"]).values(columns))
            if moved:
                connection.execute(update(schema.progress).where(mine == row["id"]).values(moved))
        for metric in what.forget:
            connection.execute(delete(schema.snapshot).where(schema.snapshot.c.metric == metric))

    def _note_statuses(self, connection: Connection, what: Commit) -> None:
        """The history of how metrics stood: where they began, and what became of them."""
        at = what.at or time.time_ns()
        if what.metrics:
            connection.execute(self._upserts.begun, {"_at": at} | _span(what.metrics))
        moved = [row for row in what.changes if "status" in row]
        changed = [_status_change(row, at) for row in (*what.statuses, *moved)]
        _execute(connection, self._upserts.status, changed)
        # Whoever gets well had been ill: it is enough to look at the others.
        flapping = [{"_metric": row["metric"]} for row in changed if row["status"] != _WELL]
        if flapping:
            connection.execute(_OLD_STATUSES, flapping)

    def _commit_rows(self, connection: Connection, what: Commit) -> None:
        put = self._upserts
        _execute(connection, put.event, what.events)
        _execute(connection, put.delivery, what.deliveries)
        _execute(connection, put.held, what.held_add)
        _execute(connection, _RELEASE, _bound(what.held_drop, "metric", "timestamp"))
        _execute(connection, put.late, what.late)
        _execute(connection, put.refusal, what.refusals)

    def save_snapshots(self, rows: Sequence[Row], keep: int) -> None:
        """Write states (rows of `snapshot`) and keep the newest ``keep`` of each metric."""

        def work(connection: Connection) -> None:
            _execute(connection, self._upserts.snapshot, rows)
            metrics = {row["metric"] for row in rows}
            _execute(connection, _OLD_STATES, [{"_metric": m, "_keep": keep} for m in metrics])

        self.write(work)

    def drop_snapshots(self, metric: int, beyond_seq: int | None = None) -> None:
        """Forget states that cannot be used: all, or those after sample ``beyond_seq``."""
        c = schema.snapshot.c
        dropping = delete(schema.snapshot).where(c.metric == metric)
        if beyond_seq is not None:
            dropping = dropping.where(c.seq > beyond_seq)
        self.write(lambda connection: connection.execute(dropping))

    def close_event(self, event: int) -> None:
        """Say that an event is over."""
        closing = update(schema.event).where(schema.event.c.id == event).values(open=False)
        self.write(lambda connection: connection.execute(closing))

    def change_metric(self, metric: int, **columns: Any) -> None:
        """Set columns of one metric."""
        changing = update(schema.metric).where(schema.metric.c.id == metric).values(columns)
        self.write(lambda connection: connection.execute(changing))

    def delete_samples(self, metric: int, up_to: int, limit: int) -> int:
        """Delete the oldest samples, up to seq ``up_to``, at most ``limit``; says how many."""

        def work(connection: Connection) -> int:
            first = connection.execute(_FIRST_SEQ, {"_metric": metric}).scalar()
            if first is None:
                return 0
            last = min(up_to, int(first) + limit - 1)
            return connection.execute(_CUT, {"_metric": metric, "_last": last}).rowcount

        return self.write(work)

    def delete_metric_data(self, metric: int, limit: int) -> int:
        """Delete a piece of all that is stored of a metric but its row in `metric`.

        Returns how many rows went, about ``limit`` at most: call again until it is 0.
        """

        def work(connection: Connection) -> int:
            rows = [delete(table).where(table.c.metric == metric) for table in _DEPENDENT]
            return sum(connection.execute(deleting).rowcount for deleting in rows)

        return self.delete_samples(metric, _LAST, limit) or self.write(work)

    def forget_deliveries(self, prefix: str, before: int) -> int:
        """Delete the book entries of sources that begin so and are older; says how many."""
        c = schema.delivery.c
        old = delete(schema.delivery).where(
            c.source.startswith(prefix, autoescape=True), c.at < before
        )
        return self.write(lambda connection: connection.execute(old).rowcount)

    def forget_partitions(self) -> None:
        """Partitions were dropped: look which are there before the next commit."""
        self._bulk.forget_partitions()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do anything else in one transaction, as the owner; returns what it returns."""
        with told_as_store_error(), self._engine.begin() as connection:
            if connection.execute(self._bulk.epoch).scalar() != self._epoch:
                raise OwnerLostError(
                    "another tocsin has taken this database over: this one may not write any more"
                )
            return work(connection)


class _Upserts:
    """INSERTs of rows that may be there already."""

    def __init__(self, bulk: Bulk) -> None:
        self.event = _replacing(bulk, schema.event, keep=("id", "metric", "start"))
        self.status = _replacing(bulk, schema.status_change, keep=("metric", "at"))
        m = schema.metric.c
        made = select(m.id, bindparam("_at", type_=BigInteger), m.status, m.reason, m.detail)
        made = made.where(_NEW, ~exists().where(_MINE_CHANGED))
        self.begun = schema.status_change.insert().from_select(_CHANGE_COLUMNS, made)
        self.delivery = _replacing(bulk, schema.delivery, keep=("source",))
        self.snapshot = _replacing(bulk, schema.snapshot, keep=("metric", "seq"))
        # What was held or late once is not changed by hearing of it again.
        self.held = bulk.upsert(schema.held).on_conflict_do_nothing()
        self.late = bulk.upsert(schema.late).on_conflict_do_nothing()
        self.refusal = _replacing(bulk, schema.refusal, keep=("metric", "reason"), add="count")


def _replacing(bulk: Bulk, table: Table, keep: Sequence[str], add: str = "") -> Executable:
    """An INSERT that overwrites the row that is there, but for the columns ``keep``."""
    insert = bulk.upsert(table)
    changed = {c.name: insert.excluded[c.name] for c in table.c if c.name not in keep}
    if add:
        changed[add] = table.c[add] + insert.excluded[add]
    keys = [column.name for column in table.primary_key]
    done: Executable = insert.on_conflict_do_update(index_elements=keys, set_=changed)
    return done


def _span(metrics: Sequence[Row]) -> dict[str, Any]:
    """The ids of new metrics, for statements that go by what the database has just been told:
    there may be very many.
    """
    ids = [row["id"] for row in metrics]
    return {"_first": min(ids), "_last": max(ids)}


def _status_change(row: Row, at: int) -> Row:
    metric = row["id"]
    told = {name: row.get(name) for name in ("status", "reason", "detail")}
    return {"metric": metric, "at": at, **told}


def _execute(connection: Connection, statement: Executable, rows: Sequence[Row]) -> None:
    if rows:
        connection.execute(statement, [_storable(row) for row in rows])


def _storable(row: Row) -> Row:
    """The row with U+FFFD for what no database takes in a text: NUL, halves of characters.

    Such a text (a model's error, say) must not keep everything else from being stored.
    """
    for it in row.values():
        if isinstance(it, str) and not (it.isascii() and "\0" not in it):
            return {key: _text(it) if isinstance(it, str) else it for key, it in row.items()}
    return row


def _text(told: str) -> str:
    if told.isascii() and "\0" not in told:
        return told
    pairs = told.replace("\0", "\ufffd").encode("utf-16", "surrogatepass")
    return pairs.decode("utf-16", "replace")


def _bound(rows: Sequence[Row], *names: str) -> list[Row]:
    # An UPDATE's or DELETE's parameters may not be named as its columns are.
    return [{f"_{name}": row[name] for name in names} for row in rows]


def _outbox_row(what: Commit) -> Row:
    ranges = np.zeros((0, 3), np.int64) if what.ranges is None else what.ranges
    return {
        "id": what.position,
        "at": what.at,
        "count": int(np.sum(ranges[:, 2] - ranges[:, 1] + 1)),
        "ranges": np.ascontiguousarray(ranges, "<i8").tobytes(),
        "events": json.dumps([dict(row) for row in what.events], allow_nan=False),
    }


_STATUS_COLUMNS: Final = ("status", "reason", "detail", "deadline", "failures")
_LAST: Final = 2**62
_PROGRESS: Final = {column.name for column in schema.progress.c} - {"metric"}
_NEW = schema.metric.c.id.between(bindparam("_first"), bindparam("_last"))
_BEGIN = schema.progress.insert().from_select(
    ["metric"],
    select(schema.metric.c.id).where(
        _NEW, ~exists().where(schema.progress.c.metric == schema.metric.c.id)
    ),
)
_MINE_CHANGED = schema.status_change.c.metric == schema.metric.c.id
_CHANGE_COLUMNS: Final = ("metric", "at", "status", "reason", "detail")
#: The status of most metrics, and how many changes of a metric's are kept.
_WELL: Final = "active"
_STATUSES_KEPT: Final = 100
_C = schema.sample.c
_MINE = _C.metric == bindparam("_metric")
_DONE = select(schema.outbox.c.id).where(schema.outbox.c.id == bindparam("_id"))
_STATUS = (
    update(schema.metric)
    .where(schema.metric.c.id == bindparam("_id"))
    .values({name: bindparam(f"_{name}") for name in _STATUS_COLUMNS})
)
_RELEASE = delete(schema.held).where(
    schema.held.c.metric == bindparam("_metric"),
    schema.held.c.timestamp == bindparam("_timestamp"),
)
# What waits lies beyond what is scored, so few rows are looked at.
_ABANDON = (
    update(schema.sample)
    .where(
        _MINE,
        _C.seq
        > select(schema.progress.c.scored_seq)
        .where(schema.progress.c.metric == bindparam("_metric"))
        .scalar_subquery(),
        _C.event == schema.WAITING,
    )
    .values(event=None)
)
_FIRST_SEQ = select(func.min(_C.seq)).where(_MINE)
_CUT = delete(schema.sample).where(_MINE, _C.seq <= bindparam("_last"))
_CHANGE = schema.status_change.alias()
_STATE = schema.snapshot.alias()
_OLD_STATES = delete(schema.snapshot).where(
    schema.snapshot.c.metric == bindparam("_metric"),
    schema.snapshot.c.seq.not_in(
        select(_STATE.c.seq)
        .where(_STATE.c.metric == bindparam("_metric"))
        .order_by(_STATE.c.seq.desc())
        .limit(bindparam("_keep"))
    ),
)
_OLD_STATUSES = delete(schema.status_change).where(
    schema.status_change.c.metric == bindparam("_metric"),
    schema.status_change.c.at
    <= select(_CHANGE.c.at)
    .where(_CHANGE.c.metric == bindparam("_metric"))
    .order_by(_CHANGE.c.at.desc())
    .limit(1)
    .offset(_STATUSES_KEPT)
    .scalar_subquery(),
)
#: What hangs on a metric beside its samples.
_DEPENDENT: Final = (
    schema.snapshot,
    schema.status_change,
    schema.annotation,
    schema.event,
    schema.held,
    schema.late,
    schema.refusal,
)
