"""What of a metric's anomalies its user wants to hear."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin import Settings
from tocsin.detect.alarm import concerns
from tocsin.detect.events import Event
from tocsin.samples import Metric
from tocsin.scanning import SeriesResult, scan_series

MINUTE = 60_000_000_000
SPIKE, DIP = 2_000, 2_500


def scanned(**options: Any) -> SeriesResult:
    """A quiet metric around 100 with a spike and a dip of 20."""
    values = 100 + np.random.default_rng(5).normal(size=3_000)
    values[SPIKE], values[DIP] = 120.0, 80.0
    times = np.arange(3_000) * 5 * MINUTE
    return scan_series(Metric.of("m"), times, values, Settings(**options))


def told(**options: Any) -> set[int]:
    """Which of the two are told."""
    events: list[Event] = scanned(**options).events
    return {event.start // (5 * MINUTE) for event in events} & {SPIKE, DIP}


def test_only_the_side_that_is_wanted_is_told() -> None:
    assert told() == {SPIKE, DIP}
    assert told(direction="up") == {SPIKE}
    assert told(direction="down") == {DIP}


def test_the_band_is_open_where_nothing_is_told() -> None:
    up, down = scanned(direction="up"), scanned(direction="down")
    assert np.all(np.isneginf(up.scored["lower"][200:]))
    assert np.all(np.isfinite(up.scored["upper"][200:]))
    assert np.all(np.isposinf(down.scored["upper"][200:]))


def test_small_changes_are_not_told() -> None:
    assert told(least_change=15.0) == {SPIKE, DIP}
    assert told(least_change=30.0) == set()
    assert told(least_relative_change=0.15) == {SPIKE, DIP}
    assert told(least_relative_change=0.3) == set()
    every = scanned(least_change=15.0)
    assert {event.start // (5 * MINUTE) for event in every.events} == {SPIKE, DIP}


def test_what_is_not_told_is_scored_all_the_same() -> None:
    one, other = scanned(), scanned(direction="up", least_change=5.0)
    for name in ("raw_score", "likelihood", "anomaly_score", "expected"):
        assert np.array_equal(one.scored[name], other.scored[name], equal_nan=True), name


@settings(max_examples=50)
@given(
    value=st.floats(-1e6, 1e6),
    expected=st.floats(-1e6, 1e6) | st.just(np.nan),
    direction=st.sampled_from(["both", "up", "down"]),
    change=st.floats(0, 1e6),
    share=st.floats(0, 10),
)
def test_what_concerns_is_far_enough_and_to_the_right_side(
    value: float, expected: float, direction: str, change: float, share: float
) -> None:
    wanted = Settings(direction=direction, least_change=change, least_relative_change=share).wanted
    away = value - expected
    if np.isnan(away):
        assert concerns(value, expected, wanted)
        return
    sided = direction == "both" or (away >= 0 if direction == "up" else away <= 0)
    far = abs(away) >= change and abs(away) >= share * abs(expected)
    assert concerns(value, expected, wanted) == (sided and far)
