"""Reading incidents for people: a page at a time, with their events and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Engine, Select, func, select, tuple_

from tocsin.store import schema
from tocsin.store.database import told_as_store_error
from tocsin.store.queries import Row

__all__ = ["IncidentReader"]

_C: Final = schema.incident.c
_M: Final = schema.metric.c
#: An incident with the uid of the metric that was first.
_WHOLE: Final = select(schema.incident, _M.uid.label("first_uid")).outerjoin(
    schema.metric, _M.id == _C.first_metric
)


class IncidentReader:
    """Queries; any thread may use it. Every method: errors `StoreError`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def newest(
        self,
        *,
        states: Sequence[str] | None = None,
        group: str | None = None,
        start: int | None = None,
        end: int | None = None,
        before: tuple[int, int] | None = None,
        limit: int = 100,
    ) -> Sequence[Row]:
        """Those that touch ``start`` … ``end``, newest first; ``before``: (opened, id)."""
        query = _about(states, group, start, end).order_by(_C.opened.desc(), _C.id.desc())
        if before is not None:
            query = query.where(tuple_(_C.opened, _C.id) < tuple_(*before))
        return self._all(query.limit(limit))

    def ranked(
        self,
        *,
        states: Sequence[str],
        group: str | None = None,
        start: int | None = None,
        end: int | None = None,
        before: tuple[float, int] | None = None,
        limit: int = 100,
    ) -> Sequence[Row]:
        """The same by evidence, most first; ``before``: (evidence, id)."""
        query = _about(states, group, start, end).order_by(_C.evidence.desc(), _C.id.desc())
        if before is not None:
            query = query.where(tuple_(_C.evidence, _C.id) < tuple_(*before))
        return self._all(query.limit(limit))

    def one(self, number: int) -> Row | None:
        """One incident, or None."""
        found = self._all(_WHOLE.where(_C.id == number))
        return found[0] if found else None

    def unresolved_by_group(self) -> dict[str, int]:
        """How many incidents are not resolved, by group."""
        open_ones = _C.state != "resolved"
        query = select(_C.group, func.count().label("n")).where(open_ones).group_by(_C.group)
        return {row["group"]: row["n"] for row in self._all(query)}

    def members(self, number: int, limit: int = 1_000) -> Sequence[Row]:
        """Its events with their metrics' identities, first ones first."""
        e, i = schema.event.c, schema.incident_event.c
        return self._all(
            select(schema.event, _M.uid, _M.name, _M.labels, _M.title)
            .join(schema.incident_event, i.event == e.id)
            .join(schema.metric, _M.id == e.metric)
            .where(i.incident == number)
            .order_by(i.start, e.id)
            .limit(limit)
        )

    def history(self, number: int, limit: int = 1_000) -> Sequence[Row]:
        """What became of it, oldest first; of very much, the newest."""
        c = schema.incident_note.c
        newest = select(schema.incident_note).where(c.incident == number)
        return self._all(newest.order_by(c.id.desc()).limit(limit))[::-1]

    def _all(self, query: Select[Any]) -> Sequence[Row]:
        with told_as_store_error(), self._engine.connect() as connection:
            return connection.execute(query).mappings().all()


def _about(
    states: Sequence[str] | None, group: str | None, start: int | None, end: int | None
) -> Select[Any]:
    query = _WHOLE
    if states is not None:
        query = query.where(_C.state.in_(states))
    if group is not None:
        query = query.where(_C.group == group)
    if start is not None:
        query = query.where(_C.updated >= start)
    if end is not None:
        query = query.where(_C.opened < end)
    return query
