"""A metric's course as it is to be drawn, and what is usual at which hour of its week."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.params import FromPath, QueryParameter

from tocsin import bins
from tocsin.api.models import EventOut
from tocsin.api.parts import Parts
from tocsin.api.query import moment_of, stored_metric
from tocsin.profiles import weekly
from tocsin.samples import SECOND_NS, iso
from tocsin.store.blocks import Asked
from tocsin.store.courses import Stretch
from tocsin.store.queries import Row

__all__ = ["show_profile", "show_series"]

#: Events that are told with a course: those of the most recent time.
_EVENTS: Final = 1_000
#: Samples that a profile is made of at most.
_PROFILE: Final = 20_000
_WEEK_NS: Final = 7 * 86_400 * SECOND_NS

Numbers = list[float | None]
Begin = Annotated[str | None, QueryParameter(name="from", description="as in /events")]
End = Annotated[str | None, QueryParameter(name="to", description="as in /events")]
Points = Annotated[
    int, QueryParameter(ge=10, le=10_000, description="how wide the drawing is: about so many bins")
]
Weeks = Annotated[int, QueryParameter(ge=1, le=104, description="how far back")]


class ColumnsOut(msgspec.Struct):
    """One row a bin; a row of nulls is a gap. Of a counter the values are rates per second."""

    #: Seconds since 1970.
    t: list[float]
    #: The lowest and the highest value.
    min: Numbers
    max: Numbers
    #: The mean of what was expected, and the outermost edges of the band.
    expected: Numbers
    lower: Numbers
    upper: Numbers
    #: The highest anomaly score.
    score: Numbers


class SeriesOut(msgspec.Struct):
    """A metric's course."""

    columns: ColumnsOut
    #: Events that touch it, oldest first; of very many the newest.
    events: list[EventOut]
    #: The first and the last sample that are stored at all.
    first: str | None
    last: str | None
    #: How many samples lie in what was asked for.
    samples: int


class HourOut(msgspec.Struct):
    """Values of an hour of the week: 10 % are below ``low``, 10 % above ``high``."""

    #: 0: Monday.
    weekday: int
    hour: int
    low: float
    median: float
    high: float
    #: How many values these are of.
    samples: int


class ProfileOut(msgspec.Struct):
    """What is usual at which hour of the week."""

    #: In whose civil time: the metric's own.
    timezone: str
    weeks: int
    #: How many samples there are in that time; of very many, some are taken evenly.
    samples: int
    #: Hours that have samples.
    hours: list[HourOut]


@get("/metrics/{uid:str}/series", sync_to_thread=True, summary="A metric's course, to be drawn")
def show_series(
    state: Parts,
    uid: FromPath[str],
    start: Begin = None,
    end: End = None,
    points: Points = 1_000,
) -> SeriesOut:
    """Values, expected band and anomaly scores from … to (default: all), in about ``points`` bins.

    Bins keep extremes: what is drawn misses no spike. Few samples are told as they are.
    """
    row = stored_metric(state, uid)
    since, until = moment_of("from", start), moment_of("to", end)
    found = state.courses.stretch(row["id"], since, until)
    pieces = state.courses.pieces(_asked(row, found), points)
    left = since if since is not None else (found.first or 0)
    right = until if until is not None else (found.last or 0) + 1
    columns = bins.drawn(pieces, left, max(right, left + 1), points)
    events = state.reader.events(
        metrics=[row["id"]], start=since, end=until, before=None, limit=_EVENTS
    )
    return SeriesOut(
        ColumnsOut(**columns),  # type: ignore[arg-type]
        [EventOut.of(event) for event in reversed(events)],
        None if found.first is None else iso(found.first),
        None if found.last is None else iso(found.last),
        found.high - found.low,
    )


@get("/metrics/{uid:str}/profile", sync_to_thread=True, summary="A metric's usual week")
def show_profile(state: Parts, uid: FromPath[str], weeks: Weeks = 4) -> ProfileOut:
    """Low, middle and high values by hour of the week, from the last ``weeks`` that are stored."""
    row = stored_metric(state, uid)
    last = state.courses.stretch(row["id"], None, None).last
    since = None if last is None else last + 1 - weeks * _WEEK_NS
    found = state.courses.stretch(row["id"], since, None)
    times, values = state.courses.some_of(_asked(row, found), _PROFILE)
    timezone = state.engine.timezone(row["id"])
    hours = [HourOut(*hour) for hour in weekly(times, values, timezone)]
    return ProfileOut(timezone, weeks, found.high - found.low, hours)


def _asked(row: Row, found: Stretch) -> Asked:
    return Asked(row["id"], bool(row["counter"]), found.low, found.high, row["scored_seq"])
