"""Calendars: what a clock on the wall says, in any week of any zone."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tocsin.calendars import Calendar, Weekly
from tocsin.errors import BadInputError
from tocsin.samples import Metric

SECOND = 1_000_000_000
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
#: Just before the clocks of Berlin, New York and Lord Howe change, and any time.
TURNS = (1_711_846_000, 1_729_990_000, 1_710_050_000, 1_730_610_000, 1_712_415_000)

clocks = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.sampled_from([0, 15, 29, 30, 59]))
weeklies = st.builds(
    Weekly,
    days=st.sets(st.integers(0, 6), min_size=1).map(tuple),
    begin=clocks,
    end=st.one_of(clocks, st.just("24:00")),
)
moments = st.one_of(
    st.integers(0, 2_000_000_000),
    st.builds(int.__add__, st.sampled_from(TURNS), st.integers(-200_000, 200_000)),
)


def shown(weekly: Weekly, second: int, zone: str) -> bool:
    """The same, slowly: is the clock on the wall within the hours of this day, or of the last?"""
    clock = dt.datetime.fromtimestamp(second, ZoneInfo(zone))
    now = clock.hour * 60 + clock.minute

    def minutes(text: str) -> int:
        hours, rest = text.split(":")
        return int(hours) * 60 + int(rest)

    first, last = minutes(weekly.begin), minutes(weekly.end)
    if last <= first:
        last += 24 * 60
    today = clock.weekday() in weekly.days and first <= now < last
    before = (clock.weekday() - 1) % 7 in weekly.days and first <= now + 24 * 60 < last
    return today or before


@given(weeklies, st.lists(moments, min_size=1), st.sampled_from(ZONES))
@example(Weekly((6,), "02:00", "03:00"), [1_711_846_799, 1_711_846_800], "Europe/Berlin")
@example(Weekly((6,), "02:00", "03:00"), [1_729_988_400, 1_729_992_000], "Europe/Berlin")
def test_weekly_hours_are_those_of_the_clock_on_the_wall(
    weekly: Weekly, seconds: list[int], zone: str
) -> None:
    calendar = Calendar(id=1, match="*", weekly=weekly, timezone=zone, alarm=False)
    told = calendar.covers(np.array(seconds, dtype=np.int64) * SECOND)
    assert told.tolist() == [shown(weekly, second, zone) for second in seconds]
    assert Calendar.of(calendar.row() | {"id": 1}) == calendar


def test_an_hour_that_is_skipped_is_never_one_that_is_shown_twice_is_twice() -> None:
    weekly = Weekly((6,), "02:00", "03:00")
    calendar = Calendar(id=1, match="*", weekly=weekly, timezone="Europe/Berlin", learn=False)

    def minutes_of(day: dt.datetime) -> int:
        first = int(day.timestamp())
        seconds = np.arange(first, first + 86_400, 60, dtype=np.int64)
        return int(calendar.covers(seconds * SECOND).sum())

    assert minutes_of(dt.datetime(2024, 3, 31, tzinfo=dt.UTC)) == 0
    assert minutes_of(dt.datetime(2024, 10, 27, tzinfo=dt.UTC)) == 120
    assert minutes_of(dt.datetime(2024, 10, 20, tzinfo=dt.UTC)) == 60


def test_a_window_bounds_the_weekly_hours() -> None:
    whole = Weekly(tuple(range(7)), "00:00", "00:00")
    calendar = Calendar(
        id=1, match="web.*", start=10 * SECOND, end=20 * SECOND, weekly=whole, alarm=False
    )
    times = np.array([9, 10, 19, 20], dtype=np.int64) * SECOND
    assert calendar.covers(times).tolist() == [False, True, True, False]
    bounded = msgspec.structs.replace(calendar, since=10 * SECOND, until=19 * SECOND)
    assert bounded.unlearnt(times).tolist() == [False, False, True, False]
    assert calendar.matches(Metric.of("web.latency", {"host": "a"}))
    assert not calendar.matches(Metric.of("db", {}))


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"start": 1, "end": 2}, "alarm, learn"),
        ({"alarm": False}, "say when"),
        ({"alarm": False, "start": 1}, "needs start and end"),
        ({"alarm": False, "start": 2, "end": 2}, "end: must be after start"),
        ({"learn": False, "start": 1, "end": 2, "timezone": "Mars/Olympus"}, "Mars/Olympus"),
    ],
)
def test_what_cannot_be_is_said(told: dict[str, object], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        Calendar(id=0, match="*", **told).check()  # type: ignore[arg-type]
