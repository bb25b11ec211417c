from __future__ import annotations

import datetime as dt
import math
import statistics
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.profiles import weekly

SECOND = 10**9
BERLIN = ZoneInfo("Europe/Berlin")


def slowly(samples: list[tuple[int, float]]) -> list[tuple[int, int, float, int]]:
    """Weekday, hour, median and count, by the calendar."""
    found: dict[tuple[int, int], list[float]] = {}
    for second, value in samples:
        when = dt.datetime.fromtimestamp(second, BERLIN)
        if not math.isnan(value):
            found.setdefault((when.weekday(), when.hour), []).append(value)
    return [(*at, statistics.median(values), len(values)) for at, values in sorted(found.items())]


@given(
    st.lists(
        # Two years with changes of the clock.
        st.tuples(
            st.integers(1_700_000_000, 1_763_000_000),
            st.one_of(st.just(math.nan), st.floats(-1e6, 1e6)),
        ),
        max_size=50,
    )
)
def test_hours_are_those_of_the_calendar(samples: list[tuple[int, float]]) -> None:
    times = np.array([second for second, _ in samples], dtype=np.int64) * SECOND
    values = np.array([value for _, value in samples], dtype=np.float64)
    told = [
        (h.weekday, h.hour, h.median, h.samples) for h in weekly(times, values, "Europe/Berlin")
    ]
    for mine, expected in zip(told, slowly(samples), strict=True):
        assert mine == pytest.approx(expected)


def test_ten_percent_lie_outside_on_each_side() -> None:
    monday = 1_699_830_000  # 2023-11-13 00:00 in Berlin
    times = (monday + np.arange(101)) * SECOND
    (hour,) = weekly(times, np.arange(101.0), "Europe/Berlin")
    assert hour == (0, 0, 10.0, 50.0, 90.0, 101)
