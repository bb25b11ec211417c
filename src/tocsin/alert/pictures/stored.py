"""Pictures of what is stored: an event, an incident."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Engine, bindparam, select

from tocsin.alert.pictures.panel import Panel, panel_of
from tocsin.samples import iso
from tocsin.store import schema
from tocsin.store.database import told_as_store_error
from tocsin.store.queries import Reader

__all__ = ["Pictures"]

Row = Mapping[Any, Any]

#: Panels of one picture.
_PANELS: Final = 4
#: Samples shown before and after, and the most within.
_BEFORE: Final = 240
_AFTER: Final = 60
_WITHIN: Final = 5_000
#: The share of the time shown that lies before an incident with no samples before it.
_LEAD: Final = 0.5


class Pictures:
    """Draws; any thread may use it. Every method: errors `StoreError`, `MissingExtraError`.

    Cost: some 100 ms, and some thousand samples read.
    """

    def __init__(self, database: Engine) -> None:
        self._database = database
        self._reader = Reader(database)

    def event(self, event: int) -> bytes | None:
        """A PNG of an event and its surroundings; None: there is no such event."""
        from tocsin.alert.pictures.drawing import png

        found = self._all(_EVENT, event=event)
        if not found:
            return None
        row = found[0]
        start, stop = self._surroundings(row["metric"], row["start"], row["end"])
        panel = self._panel(row, start, stop, [(row["start"], row["end"])])
        return png(row["why"] or row["title"], f"since {iso(row['start'])}", [panel])

    def incident(self, incident: int) -> bytes | None:
        """A PNG of an incident's first and most improbable metrics; None: there is none such."""
        from tocsin.alert.pictures.drawing import png

        found = self._all(_INCIDENT, incident=incident)
        if not found:
            return None
        row, members = found[0], self._all(_MEMBERS, incident=incident, most=1_000)
        chosen = _chosen(members)
        panels: list[Panel] = []
        if chosen:
            first = chosen[0]
            begins, ends = (
                min(m["start"] for m in members),
                max(m["end"] for m in members),
            )
            start, stop = self._surroundings(first["metric"], begins, ends)
            for member in chosen:
                mine = [(m["start"], m["end"]) for m in members if m["metric"] == member["metric"]]
                panels.append(
                    self._panel(
                        member, start, stop, mine, first=member is first and len(chosen) > 1
                    )
                )
        title = f"[{row['severity']}] {row['title']}"
        more = row["metrics"] - len(panels)
        others = f" · and {more} more metrics" if more > 0 else ""
        return png(title, f"since {iso(row['opened'])}{others}", panels)

    def _surroundings(self, metric: int, start: int, end: int) -> tuple[int, int]:
        """The time to be shown (ns): some samples of this metric before and after."""
        before = self._reader.samples(
            metric, start=None, end=start, after=None, limit=_BEFORE, order="desc"
        )
        after = self._reader.samples(metric, start=end + 1, end=None, after=None, limit=_AFTER)
        lead = before[-1]["timestamp"] if before else start - int(_LEAD * (end - start))
        return lead, (after[-1]["timestamp"] if after else end) + 1

    def _panel(
        self,
        metric: Row,
        start: int,
        stop: int,
        events: Sequence[tuple[int, int]],
        *,
        first: bool = False,
    ) -> Panel:
        rows = self._reader.samples(
            metric["metric"], start=start, end=stop, after=None, limit=_WITHIN
        )
        return panel_of(metric["title"], rows, events, first=first)

    def _all(self, query: Any, **told: int) -> Sequence[Row]:
        with told_as_store_error(), self._database.connect() as connection:
            return connection.execute(query, told).mappings().all()


def _chosen(members: Sequence[Row]) -> list[Row]:
    """The metric whose event began first, then the most improbable ones; each once."""
    if not members:
        return []
    first = min(members, key=lambda m: (m["start"], m["event"]))
    ranked = [first, *sorted(members, key=lambda m: -m["decades"])]
    chosen: dict[int, Row] = {}
    for member in ranked:
        chosen.setdefault(member["metric"], member)
    return list(chosen.values())[:_PANELS]


_E, _M = schema.event.c, schema.metric.c
_EVENT = (
    select(_E.metric, _E.start, _E.end, _E.why, _M.title)
    .join(schema.metric, _M.id == _E.metric)
    .where(_E.id == bindparam("event"), _M.deleted.is_(None))
)
_I = schema.incident.c
_INCIDENT = select(_I.severity, _I.title, _I.opened, _I.metrics).where(
    _I.id == bindparam("incident")
)
_IE = schema.incident_event.c
_MEMBERS = (
    select(_IE.event, _IE.metric, _IE.start, _IE.end, _IE.decades, _M.title)
    .join(schema.metric, _M.id == _IE.metric)
    .where(_IE.incident == bindparam("incident"), _M.deleted.is_(None))
    .order_by(_IE.start, _IE.event)
    .limit(bindparam("most"))
)
