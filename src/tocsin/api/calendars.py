"""Calendars: times in which metrics do not alarm, or do not learn."""

from __future__ import annotations

import time
from functools import partial
from typing import Annotated, Final

import msgspec
from litestar import delete, get, post
from litestar.exceptions import NotFoundException
from litestar.params import BodyKwarg, FromPath

from tocsin.api.audit import actor, audit
from tocsin.api.control import done
from tocsin.api.notes import When
from tocsin.api.parts import Parts
from tocsin.api.query import moment_of
from tocsin.calendars import Calendar, Weekly
from tocsin.samples import iso

__all__ = ["HANDLERS"]

_LARGEST: Final = 2**63 - 1

Pattern = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*\Z")]
Words = Annotated[str, msgspec.Meta(max_length=1_000, pattern=r"^[^\x00]*\Z")]
Zone = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class CalendarIn(msgspec.Struct, forbid_unknown_fields=True):
    """One window (start <= time < end), or weekly hours, within a window if there is one."""

    match: Pattern
    start: When | None = None
    end: When | None = None
    weekly: Weekly | None = None
    timezone: Zone = "UTC"
    #: Whether metrics alarm, and learn, all the same.
    alarm: bool = False
    learn: bool = True
    text: Words = ""
    author: Words = ""

    def calendar(self, author: str, now: int) -> Calendar:
        """As one that is to be. Errors: `BadInputError`."""
        made = Calendar(
            id=0,
            match=self.match,
            start=None if self.start is None else moment_of("start", str(self.start)),
            end=None if self.end is None else moment_of("end", str(self.end)),
            weekly=self.weekly,
            timezone=self.timezone,
            alarm=self.alarm,
            learn=self.learn,
            text=self.text,
            author=self.author or author,
            created=now,
        )
        made.check()
        return made


class CalendarOut(msgspec.Struct):
    """Times in which metrics that match do not alarm, or do not learn."""

    id: int
    match: str
    start: str | None
    end: str | None
    weekly: Weekly | None
    timezone: str
    alarm: bool
    learn: bool
    text: str
    author: str
    created: str
    #: Whether it is such a time now.
    active: bool

    @classmethod
    def of(cls, one: Calendar, now: int) -> CalendarOut:
        """Of a calendar, as of a time (ns)."""
        return cls(
            id=one.id,
            match=one.match,
            start=None if one.start is None else iso(one.start),
            end=None if one.end is None else iso(one.end),
            weekly=one.weekly,
            timezone=one.timezone,
            alarm=one.alarm,
            learn=one.learn,
            text=one.text,
            author=one.author,
            created=iso(one.created),
            active=one.covers_one(now),
        )


class CalendarsOut(msgspec.Struct):
    """All calendars."""

    calendars: list[CalendarOut]


@get("/calendars", sync_to_thread=True, summary="List calendars")
def list_calendars(state: Parts) -> CalendarsOut:
    """Times in which metrics do not alarm, or do not learn."""
    now = time.time_ns()
    return CalendarsOut([CalendarOut.of(one, now) for one in state.engine.maintenance.all()])


@post("/calendars", summary="Make a calendar")
async def add_calendar(state: Parts, data: Annotated[CalendarIn, BodyKwarg()]) -> CalendarOut:
    """It acts from the next sample on; "do not learn" does so in the order of samples' times."""
    audit(what="calendar.add", target=data.match, alarm=data.alarm, learn=data.learn)
    now = time.time_ns()
    made = data.calendar(actor(), now)
    return CalendarOut.of(await done(state, partial(state.engine.maintenance.add, made)), now)


@delete("/calendars/{number:int}", summary="Take a calendar back")
async def take_back_calendar(state: Parts, number: FromPath[int]) -> None:
    """From the next sample on it is as if there were none; what was not learnt stays so."""
    audit(what="calendar.remove", target=str(number))
    take_back = state.engine.maintenance.take_back
    if not 0 < number <= _LARGEST or not await done(state, partial(take_back, number)):
        raise NotFoundException(f"there is no calendar {number}")


HANDLERS: Final = [list_calendars, add_calendar, take_back_calendar]
