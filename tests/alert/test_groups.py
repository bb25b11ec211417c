from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.alert.groups import RANKS, Bars, Groups
from tocsin.samples import Metric

MINUTE = 60 * 10**9
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOW = 20_000 * DAY + 11 * HOUR + 57 * MINUTE

METRICS = [
    Metric.of("cpu", {"host": "a"}),
    Metric.of("disk", {"host": "a"}),
    Metric.of("cpu", {"host": "b"}),
    Metric.of("web.latency"),
    Metric.of("web.errors"),
]


def groups(*events: tuple[int, int, int, float], now: int = NOW) -> Groups:
    """After these events: row, how long ago it began and ended (ns), and its score."""
    made = Groups(METRICS, ["host"], lambda: now)
    for row, since, until, score in events:
        made.note(row, now - since, now - until, score)
    return made


def told(made: Groups, rank: str) -> dict[str, float]:
    live = np.ones(len(METRICS), dtype=np.bool_)
    return {one.name: round(getattr(one, rank), 3) for one in made.ranked(live)}


def test_a_group_counts_its_highest_bars() -> None:
    made = groups(
        (0, 2 * MINUTE, MINUTE, 0.6),  # two metrics of a at once: the more improbable counts
        (1, 2 * MINUTE, MINUTE, 0.4),
        (1, 50 * MINUTE, 50 * MINUTE, 0.3),  # another bar
        (2, 5 * HOUR, 5 * HOUR, 0.9),
        (3, 3 * DAY, 3 * DAY, 0.5),
    )
    assert told(made, "hour") == {"host=a": 9.0, "host=b": 0.0, "web.*": 0.0}
    assert told(made, "day") == pytest.approx({"host=a": 6.0, "host=b": 9.0, "web.*": 0.0})
    assert told(made, "week") == pytest.approx({"host=a": 6.0, "host=b": 9.0, "web.*": 5.0})
    assert told(made, "best") == pytest.approx({"host=a": 6.0, "host=b": 9.0, "web.*": 5.0})


def test_what_lasts_counts_in_each_bar() -> None:
    made = groups((0, 29 * MINUTE, 0, 0.5))
    assert told(made, "hour") == {"host=a": 35.0}  # seven bars of five minutes touch it


def test_metrics_are_counted_while_they_are_there() -> None:
    made = groups((0, 0, 0, 0.5), (3, 0, 0, 0.4))
    live = np.array([True, False, True, True, True])
    assert {one.name: one.metrics for one in made.ranked(live)} == {"host=a": 1, "web.*": 2}
    also = made.ranked(live, ["host=b", "nothing=like"])
    assert {one.name: one.metrics for one in also} == {"host=a": 1, "host=b": 1, "web.*": 2}


def test_what_is_over_for_a_week_is_forgotten() -> None:
    now = [NOW]
    made = Groups(METRICS, ["host"], lambda: now[0])
    made.note(0, NOW, NOW, 0.5)
    live = np.ones(len(METRICS), dtype=np.bool_)
    for passed, ranks in [(2 * HOUR, (0.0, 5.0, 5.0)), (30 * HOUR, (0.0, 0.0, 5.0))]:
        now[0] = NOW + passed
        (one,) = made.ranked(live)
        assert (one.hour, one.day, one.week) == ranks
    now[0] = NOW + 8 * DAY
    assert made.ranked(live) == []
    made.note(0, NOW, NOW, 0.5)
    assert made.ranked(live) == []


EVENT = st.tuples(st.integers(0, 4), st.integers(0, 9 * DAY), st.integers(0, 2 * DAY)).flatmap(
    lambda one: st.tuples(
        st.just(one[0]), st.just(one[1]), st.just(max(0, one[1] - one[2])), st.floats(0.01, 1)
    )
)


@given(st.lists(EVENT, max_size=6), st.randoms())
def test_neither_order_nor_repetition_matters(
    events: list[tuple[int, int, int, float]], random: object
) -> None:
    again = [*events, *events]
    random.shuffle(again)  # type: ignore[attr-defined]
    for rank in RANKS:
        assert told(groups(*events), rank) == told(groups(*again), rank)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60), st.integers(0, 60)), max_size=8))
def test_bars_are_those_of_the_slow_twin(events: list[tuple[int, int, int]]) -> None:
    """Each event: how much time passes before it, when it was, and how high it is."""
    bars, highest, now = Bars(7, 5), dict[int, int](), 1_000
    for passes, ago, height in events:
        now += passes
        start, end = now - ago, now - ago // 2
        bars.raise_to(3, start, end, float(height), now)
        for bar in range(start // 7, end // 7 + 1):
            highest[bar] = max(highest.get(bar, 0), height)
    newest = now // 7
    expected = sorted(float(highest.get(bar, 0)) for bar in range(newest - 4, newest + 1))
    assert sorted(bars.told(5, now)[3].tolist()) == expected
