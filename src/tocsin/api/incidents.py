"""Incidents: what there is, and what people do about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import BodyKwarg, FromPath, QueryParameter

from tocsin.alert.incidents import Incidents
from tocsin.api.models import EventOut, Stored
from tocsin.api.parts import Parts
from tocsin.api.query import Cursor, cursor_numbers, moment_of
from tocsin.errors import BadInputError
from tocsin.samples import SECOND_NS, iso
from tocsin.store.incidents import IncidentReader

__all__ = ["HANDLERS", "IncidentOut", "incident_messages"]

_UNRESOLVED: Final = ("open", "acknowledged")
#: The largest number that a database keeps.
_LARGEST: Final = 2**63 - 1
_YEAR_S: Final = 366 * 86_400
#: Messages that are told with an incident: the newest.
_MESSAGES: Final = 1_000

Which = Annotated[
    Literal["open", "acknowledged", "resolved", "unresolved"] | None,
    # why named here: an annotation around this one would be passed over.
    QueryParameter(name="state", description="default: all; unresolved: ranked by evidence"),
]
Group = Annotated[str | None, QueryParameter(description="as an incident has it: host=web-1")]
Begin = Annotated[str | None, QueryParameter(name="from", description="as in /events")]
End = Annotated[str | None, QueryParameter(name="to", description="as in /events")]
Some = Annotated[int, QueryParameter(ge=1, le=1_000, description="how many at most")]
Words = Annotated[str, msgspec.Meta(max_length=10_000, pattern=r"^[^\x00]*\Z")]
Who = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00]*\Z")]


class IncidentOut(msgspec.Struct):
    """Events that belong together."""

    id: int
    #: "open", "acknowledged" or "resolved".
    state: str
    #: "info", "warning" or "critical": the highest that it had.
    severity: str
    title: str
    #: What its metrics share: "host=web-1".
    group: str
    opened: str
    #: The last anomalous sample.
    updated: str
    #: When it was over; null: it is not.
    resolved: str | None
    snoozed_until: str | None
    assignee: str | None
    #: Decades against chance: see docs/incidents.md.
    evidence: float
    why: str
    #: The uid of the metric that was anomalous first.
    first_metric: str | None
    metrics: int
    events: int
    #: Rises with every change.
    revision: int

    @classmethod
    def of(cls, row: Stored) -> IncidentOut:
        """From a row of `incident` with ``first_uid``."""
        return cls(**_columns(row))


def _columns(row: Stored) -> dict[str, Any]:
    same = ("id", "state", "severity", "title", "group", "assignee", "evidence", "why")
    times = ("opened", "updated", "resolved", "snoozed_until")
    return {
        **{name: row[name] for name in (*same, "metrics", "events", "revision")},
        **{name: None if row[name] is None else iso(row[name]) for name in times},
        "first_metric": row["first_uid"],
    }


class MemberMetricOut(msgspec.Struct):
    """Which metric."""

    uid: str
    name: str
    labels: dict[str, str]
    title: str


class MemberOut(msgspec.Struct):
    """A metric of an incident, with its events; ``first``: it was anomalous first."""

    metric: MemberMetricOut
    events: list[EventOut]
    first: bool


class EntryOut(msgspec.Struct):
    """Something that became of an incident, or that somebody said."""

    at: str
    kind: str
    author: str
    text: str


class MessageOut(msgspec.Struct):
    """What was told of it to whom."""

    channel: str
    #: "opened", "worsened", "resolved" or "reminder".
    change: str
    #: "pending", "sent", "dead" (given up), or "skipped" (a newer one said it all).
    status: str
    #: When the channel took it; before that, when it was written.
    at: str
    #: What went wrong at the last try.
    error: str | None

    @classmethod
    def of(cls, row: Stored) -> MessageOut:
        """From a row of the table `notification`."""
        at = row["created"] if row["sent"] is None else row["sent"]
        return cls(row["channel"], row["change"], row["status"], iso(at), row["error"])


class IncidentWholeOut(IncidentOut):
    """An incident with all that belongs to it."""

    members: list[MemberOut]
    history: list[EntryOut]
    messages: list[MessageOut]


class IncidentsPage(msgspec.Struct):
    """Some incidents; ``next`` is the cursor for more, null: there are none."""

    incidents: list[IncidentOut]
    next: str | None


class AuthorIn(msgspec.Struct, forbid_unknown_fields=True):
    """Who does it."""

    author: Who = ""


class SnoozeIn(AuthorIn):
    """For how long nobody is reminded; 0: wake it."""

    seconds: Annotated[float, msgspec.Meta(ge=0, le=_YEAR_S)] = 3_600.0


class AssignIn(AuthorIn):
    """Whose it is; empty: nobody's."""

    to: Who = ""


class NoteIn(AuthorIn, kw_only=True):
    """Something to be remembered."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=10_000, pattern=r"^[^\x00]*\Z")]


Body = Annotated[AuthorIn | None, BodyKwarg()]


@get("/incidents", sync_to_thread=True, summary="List incidents")
def list_incidents(
    state: Parts,
    which: Which = None,
    group: Group = None,
    start: Begin = None,
    end: End = None,
    limit: Some = 100,
    cursor: Cursor = None,
) -> IncidentsPage:
    """Incidents that touch from … to: unresolved ones by evidence, others newest first."""
    about = {"group": group, "start": moment_of("from", start), "end": moment_of("to", end)}
    reader = IncidentReader(state.engine.database)
    if which == "unresolved":
        before = _place(cursor) if cursor else None
        rows = reader.ranked(states=_UNRESOLVED, before=before, limit=limit + 1, **about)  # type: ignore[arg-type]
        return _page(rows, limit, lambda row: f"{float(row['evidence']).hex()}_{row['id']}")
    numbers = cursor_numbers(cursor, 2) if cursor else None
    rows = reader.newest(
        states=None if which is None else [which],
        before=(numbers[0], numbers[1]) if numbers else None,
        limit=limit + 1,
        **about,  # type: ignore[arg-type]
    )
    return _page(rows, limit, lambda row: f"{row['opened']}.{row['id']}")


@get("/incidents/{number:int}", sync_to_thread=True, summary="One incident")
def show_incident(state: Parts, number: FromPath[int]) -> IncidentWholeOut:
    """An incident with its metrics and events, its history, and what was told of it."""
    row = _stored(state, number)
    reader = IncidentReader(state.engine.database)
    members = _members(reader.members(number), row["first_metric"])
    history = [
        EntryOut(iso(e["at"]), e["kind"], e["author"], e["text"]) for e in reader.history(number)
    ]
    told = state.delivering.notifications.of_incident(number, _MESSAGES)
    messages = [MessageOut.of(message) for message in told]
    return IncidentWholeOut(**_columns(row), members=members, history=history, messages=messages)


@post("/incidents/{number:int}/acknowledge", status_code=200, sync_to_thread=True)
def acknowledge(state: Parts, number: FromPath[int], data: Body = None) -> IncidentOut:
    """Somebody looks after it: no more reminders."""
    return _act(state, number, lambda all_, now: all_.acknowledge(number, _author(data), now))


@post("/incidents/{number:int}/resolve", status_code=200, sync_to_thread=True)
def resolve(state: Parts, number: FromPath[int], data: Body = None) -> IncidentOut:
    """It is over; what comes later is another one."""
    return _act(state, number, lambda all_, now: all_.resolve(number, _author(data), now))


@post("/incidents/{number:int}/reopen", status_code=200, sync_to_thread=True)
def reopen(state: Parts, number: FromPath[int], data: Body = None) -> IncidentOut:
    """It is not over until somebody resolves it; and nobody looks after it."""
    return _act(state, number, lambda all_, now: all_.reopen(number, _author(data), now))


@post("/incidents/{number:int}/snooze", status_code=200, sync_to_thread=True)
def snooze(
    state: Parts, number: FromPath[int], data: Annotated[SnoozeIn, BodyKwarg()]
) -> IncidentOut:
    """No reminders for a while."""

    def action(all_: Incidents, now: int) -> None:
        until = now + int(data.seconds * SECOND_NS) if data.seconds else None
        all_.snooze(number, until, data.author, now)

    return _act(state, number, action)


@post("/incidents/{number:int}/assign", status_code=200, sync_to_thread=True)
def assign(
    state: Parts, number: FromPath[int], data: Annotated[AssignIn, BodyKwarg()]
) -> IncidentOut:
    """Say whose it is."""
    return _act(state, number, lambda all_, now: all_.assign(number, data.to, data.author, now))


@post("/incidents/{number:int}/notes", status_code=200, sync_to_thread=True)
def add_note(
    state: Parts, number: FromPath[int], data: Annotated[NoteIn, BodyKwarg()]
) -> IncidentOut:
    """Say something of it."""
    return _act(state, number, lambda all_, now: all_.note(number, data.text, data.author, now))


HANDLERS: Final = (
    list_incidents,
    show_incident,
    acknowledge,
    resolve,
    reopen,
    snooze,
    assign,
    add_note,
)


def incident_messages(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the live stream tells of incidents that have changed."""
    names = ("id", "state", "severity", "revision", "title")
    return [{name: row[name] for name in names} for row in rows]


def _act(state: Parts, number: int, action: Callable[[Incidents, int], None]) -> IncidentOut:
    if not 0 <= number <= _LARGEST or not state.duty.act(number, action):
        raise _unknown(number)
    return IncidentOut.of(_stored(state, number))


def _stored(state: Parts, number: int) -> Stored:
    known = 0 <= number <= _LARGEST
    row = IncidentReader(state.engine.database).one(number) if known else None
    if row is None:
        raise _unknown(number)
    return row


def _unknown(number: int) -> NotFoundException:
    return NotFoundException(f"there is no incident {str(number)[:40]}")


def _author(data: AuthorIn | None) -> str:
    return data.author if data is not None else ""


def _page(rows: Sequence[Stored], limit: int, place: Callable[[Stored], str]) -> IncidentsPage:
    more = place(rows[limit - 1]) if len(rows) > limit else None
    return IncidentsPage([IncidentOut.of(row) for row in rows[:limit]], more)


def _place(cursor: str) -> tuple[float, int]:
    """The place that a cursor of a ranked list says. Errors: `BadInputError`."""
    evidence, _, number = cursor.partition("_")
    try:
        place = float.fromhex(evidence)
    except (ValueError, OverflowError) as error:
        raise BadInputError("cursor: give back what the page before said") from error
    return place, cursor_numbers(number, 1)[0]


def _members(rows: Sequence[Stored], first: int) -> list[MemberOut]:
    found: dict[str, MemberOut] = {}
    for row in rows:
        event = EventOut.of(row)
        if event.metric not in found:
            metric = MemberMetricOut(event.metric, event.name, event.labels, row["title"])
            found[event.metric] = MemberOut(metric, [], row["metric"] == first)
        found[event.metric].events.append(event)
    return list(found.values())
