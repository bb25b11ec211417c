"""Labels that act: "not an anomaly", "anomaly", "known change"; what they would have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import delete, get, post
from litestar.exceptions import NotFoundException
from litestar.params import BodyKwarg, FromPath, QueryParameter

from tocsin.api.audit import actor
from tocsin.api.control import done
from tocsin.api.notes import When, Words, stretch
from tocsin.api.parts import Parts
from tocsin.api.query import stored_metric
from tocsin.detect.events import Event
from tocsin.detect.marks import Mark, Wish
from tocsin.engine.marking import Preview, mark_of_row
from tocsin.errors import BadInputError
from tocsin.samples import iso
from tocsin.store.annotations import Annotations
from tocsin.store.incidents import IncidentReader

__all__ = ["add_mark", "list_marks", "take_back_mark"]

#: Changed events that are shown.
_SHOWN: Final = 100

Days = Annotated[int, QueryParameter(ge=1, le=366, description="How far back it is tried out.")]
DryRun = Annotated[bool, QueryParameter(description="Only say what it would have changed.")]


class MarkIn(msgspec.Struct, forbid_unknown_fields=True):
    """What is (not) an anomaly, or a known change: an event, or a stretch of time."""

    kind: Literal["anomaly", "not_anomaly", "known_change"]
    event: Annotated[int, msgspec.Meta(ge=1, lt=2**62)] | None = None
    #: Left out for an event: the event's.
    start: When | None = None
    end: When | None = None
    #: Only events within an hour of the same time of day are like it.
    same_hour: bool = False
    text: Words = ""
    author: Words = ""

    def wish(self, event: Mapping[Any, Any] | None) -> Wish:
        """As what detection takes. Errors: `BadInputError`."""
        if event is not None and self.start is None and self.end is None:
            return Wish(self.kind, event["start"], event["end"], self.same_hour)
        if self.start is None or self.end is None:
            raise BadInputError("say which event, or start and end")
        told = stretch(self.start, self.end)
        return Wish(self.kind, told["start"], told["end"], self.same_hour)


class MarkOut(msgspec.Struct):
    """A mark that acts; ``id`` is its annotation's."""

    id: int
    metric: str
    name: str
    kind: str
    start: str
    end: str
    event: int | None
    same_hour: bool
    #: What it does, in a sentence.
    rule: str
    text: str
    author: str
    created: str

    @classmethod
    def of(cls, row: Mapping[Any, Any], mark: Mark, metric: Mapping[Any, Any]) -> MarkOut:
        """From a row of `annotation` and one of `metric`."""
        return cls(
            id=row["id"],
            metric=metric["uid"],
            name=metric["title"],
            kind=row["kind"],
            start=iso(row["start"]),
            end=iso(row["end"]),
            event=row["event"],
            same_hour=mark.same_hour,
            rule=mark.rule,
            text=row["text"],
            author=row["author"],
            created=iso(row["created"]),
        )


class MarksList(msgspec.Struct):
    """All marks of a metric that act."""

    marks: list[MarkOut]


class ChangedOut(msgspec.Struct):
    """An event that a mark would have changed."""

    start: str
    peak: str
    pattern: str
    why: str

    @classmethod
    def of(cls, event: Event) -> ChangedOut:
        """From an event."""
        return cls(iso(event.start), iso(event.peak), event.pattern, event.why)


class MarkedOut(msgspec.Struct):
    """What a mark does, and would have done in the last ``days``."""

    rule: str
    days: int
    #: Alarms in these days, and how many more or fewer there would have been.
    alarms: int
    would_change: int
    #: The newest of them.
    events: list[ChangedOut]
    #: null: it was only tried out.
    mark: MarkOut | None = None

    @classmethod
    def of(cls, told: Preview) -> MarkedOut:
        """From what was found out."""
        newest = sorted(told.changed, key=lambda event: -event.start)[:_SHOWN]
        return cls(
            rule=told.mark.rule,
            days=told.days,
            alarms=told.alarms,
            would_change=len(told.changed),
            events=[ChangedOut.of(event) for event in newest],
        )


@get("/metrics/{uid:str}/marks", sync_to_thread=True, summary="Labels of a metric that act")
def list_marks(state: Parts, uid: FromPath[str]) -> MarksList:
    """What people said is (not) an anomaly, and what follows."""
    metric = stored_metric(state, uid)
    rows = [row for row in _notes(state).acting(metric["id"]) if row["until_seq"] is None]
    marks = [(row, mark_of_row(row)) for row in rows]
    return MarksList([MarkOut.of(row, mark, metric) for row, mark in marks if mark])


@post("/metrics/{uid:str}/marks", summary="Say that something is (not) an anomaly, or known")
async def add_mark(
    state: Parts,
    uid: FromPath[str],
    data: Annotated[MarkIn, BodyKwarg()],
    dry_run: DryRun = False,
    days: Days = 30,
) -> MarkedOut:
    """Mute what is like an event, or tell it earlier, from the next sample on."""
    wish, told = await asyncio.to_thread(_preview, state, uid, data, days)
    answer = MarkedOut.of(told)
    if not dry_run:
        answer.mark = await done(state, partial(_add, state, uid, data, wish, told.mark))
        if data.kind == "known_change" and data.event is not None:
            await asyncio.to_thread(_tell_known, state, data, actor())
    return answer


@delete("/marks/{number:int}", summary="Take a label back")
async def take_back_mark(state: Parts, number: FromPath[int]) -> None:
    """From the next sample on it is as if it had never been said."""
    if number >= 2**63 or not await done(state, partial(state.engine.marking.take_back, number)):
        raise NotFoundException(f"there is no mark {number}")


def _preview(state: Parts, uid: str, data: MarkIn, days: int) -> tuple[Wish, Preview]:
    metric = stored_metric(state, uid)
    event = None if data.event is None else state.reader.event(metric["id"], data.event)
    if data.event is not None and event is None:
        raise BadInputError(f"event: this metric has no event {data.event}")
    wish = data.wish(event)
    return wish, state.engine.marking.preview(uid, wish, data.event, days)


def _add(state: Parts, uid: str, data: MarkIn, wish: Wish, mark: Mark) -> MarkOut:
    said = {"kind": data.kind, "start": wish.start, "end": wish.end, "event": data.event}
    number = state.engine.marking.add(uid, mark, said | {"text": data.text, "author": data.author})
    row = _notes(state).get(number)
    assert row is not None
    return MarkOut.of(row, mark, stored_metric(state, uid))


def _tell_known(state: Parts, data: MarkIn, author: str) -> None:
    """The incident of a known change is told as known."""
    assert data.event is not None
    incident = IncidentReader(state.engine.database).of_event(data.event)
    if incident is not None:
        who, text = data.author or author, data.text
        state.duty.act(incident, lambda all_, at: all_.known(incident, text, who, at))


def _notes(state: Parts) -> Annotations:
    return Annotations(state.engine.database, state.engine.writer)
