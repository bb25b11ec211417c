"""Reading incidents for people: a page at a time, with their events and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Engine, Select, func, or_, select, tuple_

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

_E: Final = schema.event.c
_I: Final = schema.incident_event.c


def _or(column: str, other: Any) -> Any:
    """A column of the event; ``other`` where there is none: a silence is not made of samples."""
    return func.coalesce(_E[column], other).label(column)


#: Events of incidents, whole, with their metrics' identities.
_MEMBERS: Final = (
    select(
        *(_I.metric, _I.event.label("id"), _I.start),
        *(_or("peak", _I.end), _or("end", _I.end), _or("open", _I.open)),
        _or("value", schema.progress.c.last_value),
        *(_E.expected, _E.lower, _E.upper, _E.likelihood, _E.views, _E.muted, _E.because),
        _or("anomaly_score", _I.decades / 10),
        *(_or("samples", 0), _or("pattern", "silence"), _or("why", _I.why)),
        *(_M.uid, _M.name, _M.labels, _M.title),
    )
    .outerjoin(schema.event, _E.id == _I.event)
    .join(schema.metric, _M.id == _I.metric)
    .join(schema.progress, schema.progress.c.metric == _I.metric)
    .where(or_(_E.id.is_not(None), _I.event < 0))
    .order_by(_I.start, _I.event)
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

    def of_event(self, event: int) -> int | None:
        """The incident that an event belongs to, or None."""
        c = schema.incident_event.c
        found = self._all(select(c.incident).where(c.event == event))
        return found[0]["incident"] if found else None

    def members(self, number: int, limit: int = 1_000) -> Sequence[Row]:
        """Its events with their metrics' identities, first ones first."""
        return self._all(_MEMBERS.where(_I.incident == number).limit(limit))

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
