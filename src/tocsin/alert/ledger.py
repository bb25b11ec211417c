"""The ledger: incidents as rows, in the transaction that moves the follower's position."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, or_, select

from tocsin.alarms import SEVERITIES
from tocsin.alert.incidents import KEPT, Entry, Incident, Member
from tocsin.store import schema
from tocsin.store.bulk import bulk_of
from tocsin.store.database import told_as_store_error

__all__ = ["Ledger"]

Row = dict[str, Any]

#: Rows asked for in one query.
_PIECE: Final = 500
#: Metrics whose numbers are remembered.
_KNOWN: Final = 50_000


class Ledger:
    """Reads and writes incidents. Used by one thread at a time."""

    def __init__(self, database: Engine) -> None:
        self._database = database
        bulk = bulk_of(database)
        self._put_incident = _replacing(bulk.upsert(schema.incident), schema.incident)
        self._put_event = _replacing(bulk.upsert(schema.incident_event), schema.incident_event)
        #: Numbers of metrics by uid; they are never given again.
        self._ids: dict[str, int] = {}

    def load(self) -> tuple[list[Incident], int]:
        """What may still change, and the last number that was given. Errors: `StoreError`."""
        c, e = schema.incident.c, schema.incident_event.c
        with told_as_store_error(), self._database.connect() as connection:
            last = connection.execute(select(func.max(c.id))).scalar() or 0
            unsettled = select(e.incident).where(e.open)
            alive = or_(c.state != "resolved", c.id > last - KEPT, c.id.in_(unsettled))
            return _incidents(connection, alive), last

    def lowest(self) -> int:
        """The lowest number of a silence that was ever given; 0: none was. Errors: `StoreError`."""
        with told_as_store_error(), self._database.connect() as connection:
            query = select(func.min(schema.incident_event.c.event))
            return min(0, connection.execute(query).scalar() or 0)

    def one(self, number: int) -> Incident | None:
        """One incident, however old. Errors: `StoreError`."""
        with told_as_store_error(), self._database.connect() as connection:
            found = _incidents(connection, schema.incident.c.id == number)
        return found[0] if found else None

    def write(
        self, connection: Connection, changed: Sequence[Incident], entries: Sequence[Entry]
    ) -> list[Row]:
        """Write incidents as they stand, and what became of them; returns the incidents' rows."""
        uids = {member.metric for one in changed for member in one.members.values()}
        ids = self._numbers(connection, uids)
        rows = [_row(one, ids) for one in changed]
        if rows:
            connection.execute(self._put_incident, rows)
        events = [row for one in changed for row in _event_rows(one, ids)]
        if events:
            connection.execute(self._put_event, events)
        if entries:
            told = [entry._asdict() for entry in entries]
            connection.execute(schema.incident_note.insert(), told)
        return rows

    def _numbers(self, connection: Connection, uids: Iterable[str]) -> Mapping[str, int]:
        if len(self._ids) > _KNOWN:
            self._ids = {}
        new = sorted(set(uids) - self._ids.keys())
        m = schema.metric.c
        for start in range(0, len(new), _PIECE):
            query = select(m.uid, m.id).where(m.uid.in_(new[start : start + _PIECE]))
            self._ids.update({row.uid: row.id for row in connection.execute(query)})
        return self._ids


def _incidents(connection: Connection, which: Any) -> list[Incident]:
    rows = connection.execute(select(schema.incident).where(which)).mappings().all()
    found = {row["id"]: _incident(row) for row in rows}
    numbers, e, m = sorted(found), schema.incident_event.c, schema.metric.c
    members = select(schema.incident_event, m.uid).join(schema.metric, m.id == e.metric)
    for start in range(0, len(numbers), _PIECE):
        some = members.where(e.incident.in_(numbers[start : start + _PIECE])).order_by(e.event)
        for row in connection.execute(some).mappings():
            found[row["incident"]].add(_member(row))
    return [one for one in found.values() if one.members]


def _incident(row: Mapping[Any, Any]) -> Incident:
    routes, shared = row["routes"], json.loads(row["bonds"])
    if isinstance(shared, list):  # as it was written once: as if all that is there were in it
        shared = {"bonds": shared, "peers": row["metrics"]}
    return Incident(
        id=row["id"],
        bonds=tuple(shared["bonds"]),
        peers=shared["peers"],
        routes=None if routes is None else frozenset(json.loads(routes)),
        group=row["group"],
        severity=SEVERITIES.index(row["severity"]),
        evidence=row["evidence"],
        together=row["together"],
        acknowledged=row["state"] == "acknowledged",
        resolved=row["resolved"],
        snoozed_until=row["snoozed_until"],
        assignee=row["assignee"],
        closed=row["closed"],
        kept=row["kept"],
        told=row["told"],
        revision=row["revision"],
    )


def _member(row: Mapping[Any, Any]) -> Member:
    return Member(
        event=row["event"],
        metric=row["uid"],
        title=row["title"],
        start=row["start"],
        end=row["end"],
        open=row["open"],
        decades=row["decades"],
        severity=SEVERITIES.index(row["severity"]),
        why=row["why"],
    )


def _row(one: Incident, ids: Mapping[str, int]) -> Row:
    return {
        "id": one.id,
        "state": one.state,
        "severity": one.level,
        "title": one.title,
        "group": one.group,
        "opened": one.opened,
        "updated": one.updated,
        "resolved": one.resolved,
        "snoozed_until": one.snoozed_until,
        "assignee": one.assignee,
        "evidence": one.evidence,
        "why": one.why,
        "first_metric": ids[one.first.metric],
        "metrics": len(one.metrics),
        "events": len(one.members),
        "revision": one.revision,
        "bonds": json.dumps({"bonds": one.bonds, "peers": one.peers}),
        "together": one.together,
        "routes": None if one.routes is None else json.dumps(sorted(one.routes)),
        "told": one.told,
        "closed": one.closed,
        "kept": one.kept,
    }


def _event_rows(one: Incident, ids: Mapping[str, int]) -> Iterable[Row]:
    for member in one.changed():
        yield {
            "event": member.event,
            "incident": one.id,
            "metric": ids[member.metric],
            "start": member.start,
            "end": member.end,
            "open": member.open,
            "decades": member.decades,
            "severity": SEVERITIES[member.severity],
            "title": member.title,
            "why": member.why,
        }


def _replacing(insert: Any, table: Any) -> Any:
    keys = [column.name for column in table.primary_key]
    rest = {c.name: insert.excluded[c.name] for c in table.c if c.name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=rest)
