"""What the fleet's line and the ranking are made of: ranking, pace, heard, statuses."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tocsin.engine import ranking
from tocsin.engine.heard import Heard
from tocsin.engine.lifecycle import Action
from tocsin.engine.pace import Pace
from tocsin.engine.registry import Registry
from tocsin.samples import Metric

HOUR = 3_600 * 10**9


@given(st.lists(st.floats(-3, 3)), st.integers(0, 12))
def test_the_most_are_the_first_of_all_sorted(keys: list[float], count: int) -> None:
    expected = sorted(range(len(keys)), key=lambda place: (-keys[place], place))[:count]
    assert ranking.most(np.array(keys, dtype=np.float64), count).tolist() == expected


def registry_of(*metrics: tuple[float, int]) -> Registry:
    """With metrics that have these scores, so many hours ago."""
    registry = Registry(100)
    for number, (score, hours) in enumerate(metrics):
        row = registry.add(Metric.of(f"m{number}"))
        registry.position[row]["score"] = score
        registry.position[row]["timestamp"] = 1_000 * HOUR - hours * HOUR
    return registry


def test_scores_from_long_ago_come_later() -> None:
    registry = registry_of((0.1, 0), (0.9, 30), (0.8, 2), (math.nan, 0), (0.2, 0))
    rows = np.arange(5)
    keys = ranking.by_score(registry.position, rows, 1_000 * HOUR)
    assert ranking.most(keys, 5).tolist() == [4, 0, 3, 2, 1]
    assert ranking.most(ranking.by_change(registry.position, rows), 5).tolist() == [0, 3, 4, 2, 1]


def test_metrics_are_chosen_by_status_and_not_when_deleted() -> None:
    registry = registry_of((0.1, 0), (0.2, 0), (0.3, 0))
    registry.step(1, Action.PAUSE)
    registry.step(2, Action.FAIL, now=0, reason="model_raised")
    assert ranking.chosen(registry.position).tolist() == [True, True, True]
    assert ranking.chosen(registry.position, "paused").tolist() == [False, True, False]
    assert registry.errors() == {"model_raised": 1}
    registry.remove(2)
    registry.remove(1)
    assert ranking.chosen(registry.position).tolist() == [True, False, False]
    assert ranking.chosen(registry.position, "unmonitored").tolist() == [False, False, False]
    assert registry.errors() == {}
    assert registry.by_status() == {"warming_up": 1}


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_the_pace_is_that_of_the_last_minute() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.per_second() == 0.0
    for _ in range(10):
        pace.note(5)
        pace.note(5)
        clock.now += 1
    assert pace.per_second() == 10.0
    clock.now += 20
    assert pace.per_second() == 100 / 30
    clock.now += 300
    assert pace.per_second() == 0.0
    for _ in range(180):
        pace.note(7)
        clock.now += 1
    assert abs(pace.per_second() - 7.0) < 0.3


def test_senders_are_told_apart_and_bounded() -> None:
    clock = Clock()
    heard = Heard(3, lambda: int(clock()))
    heard.note("http", "http 10.0.0.1", 5)
    heard.note("http", "source agent", 1)
    clock.now += 1
    heard.note("http", "http 10.0.0.1", 5)
    heard.note("host", "", 2)
    assert [tuple(one) for one in heard.newest(10)] == [
        ("host", "", 1_001, 2),
        ("http", "10.0.0.1", 1_001, 10),
        ("http", "agent", 1_000, 1),
    ]
    assert [one.source for one in heard.newest(1)] == [""]
    heard.note("statsd", "statsd", 1)
    assert [one.protocol for one in heard.newest(10)] == ["statsd", "host", "http"]
    assert [one.source for one in heard.newest(10)] == ["", "", "10.0.0.1"]
