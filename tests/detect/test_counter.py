"""Counters: what is watched is the rate, whatever becomes of batches, restarts and resets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin import Detector, Fleet, Settings
from tocsin.detect.kernels.counter import COUNTER, rates
from tocsin.detect.result import NUMBERS, RESULT
from tocsin.errors import BadSampleError, ConfigurationError

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
#: All kernels: ours, and the two for scores from elsewhere.
KINDS: list[dict[str, Any]] = [
    {"likelihood": "evidence"},
    {"likelihood": "gaussian"},
    {"model": "htm", "htm": "small", "likelihood": "evidence"},
    {"model": "htm", "htm": "small", "likelihood": "gaussian"},
]
EVERY = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind.values()))


class Jumps:
    """A model of somebody else's: how far it is to the value before."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, float]] = []

    def score_one(self, value: float) -> float:
        return min(1.0, abs(value - self.heard[-1][1]) / 1e3) if self.heard else 0.0

    def learn_one(self, value: float, timestamp: int) -> None:
        self.heard.append((timestamp, value))


def slow_rates(times: list[int], counts: list[float]) -> list[float]:
    """By hand, from the second sample on."""
    found = []
    for i in range(1, len(counts)):
        seconds = (times[i] - times[i - 1]) / 1e9
        began_again = counts[i] < counts[i - 1]
        found.append((counts[i] if began_again else counts[i] - counts[i - 1]) / seconds)
    return found


def a_counter(seed: int, count: int) -> tuple[Any, Any]:
    """Counts that grow unevenly at uneven times, and begin again now and then."""
    rng = np.random.default_rng(seed)
    grown = rng.poisson(40, count) * rng.choice([1.0, 1.0, 1.0, 30.0], count)
    counts, now = [], 0.0
    for step, reset in zip(grown.tolist(), rng.random(count) < 0.02, strict=True):
        now = step if reset else now + step
        counts.append(now)
    return START + np.cumsum(rng.integers(1, 120, count)) * SECOND, np.array(counts)


def same(found: Any, wanted: Any) -> None:
    """The results are the same bits, but for the value itself and the rate."""
    for name in RESULT.names or ():
        if name != "rate":
            np.testing.assert_array_equal(found[name], wanted[name], name)


def nothing_known(row: Any) -> bool:
    return bool(np.isnan([row[name] for name in NUMBERS]).all() and row["event"] == 0)


@EVERY
@given(
    seed=st.integers(0, 2**31),
    count=st.integers(1, 420),
    cuts=st.lists(st.integers(0, 420), max_size=6),
)
@settings(max_examples=12)
def test_a_counter_is_a_gauge_of_its_rates(
    kind: dict[str, Any], seed: int, count: int, cuts: list[int]
) -> None:
    times, counts = a_counter(seed, count)
    detector = Detector(Settings(kind="counter", **kind))
    parts = []
    for piece in np.split(np.arange(count), sorted(min(cut, count) for cut in cuts)):
        parts.append(detector.update_many(times[piece], counts[piece], unit="ns"))
        # As after a restart.
        detector = Detector.from_bytes(detector.to_bytes())
    found = np.concatenate(parts)
    told = slow_rates(times.tolist(), counts.tolist())
    assert nothing_known(found[0])
    assert found["value"].tolist() == counts.tolist()
    assert found["rate"][1:].tolist() == told
    gauge = Detector(Settings(**kind))
    same(found[1:], gauge.update_many(times[1:], told, unit="ns"))
    assert detector.readiness == gauge.readiness
    assert detector.last_timestamp == times[-1]


@given(
    counts=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=40),
    steps=st.lists(st.integers(1, 2**50), min_size=40, max_size=40),
)
def test_any_numbers_give_finite_rates(counts: list[float], steps: list[int]) -> None:
    times = np.cumsum(steps)[: len(counts)]
    row = np.zeros(1, np.dtype([("counter", COUNTER), ("last_timestamp", "i8")]))[0]
    told = rates(row, times, np.array(counts))
    assert np.isnan(told[0])
    assert np.isfinite(told[1:]).all()
    wanted = [min(max(r, -1e290), 1e290) for r in slow_rates(times.tolist(), counts)]
    assert told[1:].tolist() == wanted
    found = Detector(kind="counter").update_many(times, counts, unit="ns")
    assert found["rate"][1:].tolist() == wanted


@pytest.mark.parametrize("likelihood", ["evidence", "gaussian"])
@given(seed=st.integers(0, 2**31), cuts=st.lists(st.integers(0, 60), max_size=4))
@settings(max_examples=10)
def test_a_model_of_somebody_elses_hears_the_rate(
    likelihood: str, seed: int, cuts: list[int]
) -> None:
    times, counts = a_counter(seed, 60)
    mine, other = Jumps(), Jumps()
    detector = Detector(model=mine, kind="counter", likelihood=likelihood)
    parts = [
        detector.update_many(times[piece], counts[piece], unit="ns")
        for piece in np.split(np.arange(60), sorted(cuts))
    ]
    found, told = np.concatenate(parts), slow_rates(times.tolist(), counts.tolist())
    assert mine.heard == list(zip(times[1:].tolist(), told, strict=True))
    assert nothing_known(found[0])
    gauge = Detector(model=other, likelihood=likelihood)
    same(found[1:], gauge.update_many(times[1:], told, unit="ns"))


def test_what_a_model_learnt_before_it_raised_is_learnt_by_its_likelihood() -> None:
    class Choosy(Jumps):
        def score_one(self, value: float) -> float:
            if value == 13.0:
                raise ValueError("not this one")
            return super().score_one(value)

    detector = Detector(model=Choosy(), kind="counter")
    times = START + np.arange(5) * SECOND
    with pytest.raises(Exception, match="not this one") as raised:
        detector.update_many(times, [1.0, 2.0, 3.0, 16.0, 17.0], unit="ns")
    error: Any = raised.value
    assert error.row == 3  # the sample of that number is the bad one
    assert detector.readiness.seen == 2
    assert detector.last_timestamp == times[2]


def test_the_first_sample_tells_nothing() -> None:
    detector = Detector(kind="counter")
    first = detector.update(1_700_000_000, 5e9, unit="s")
    told = (first.rate, first.raw_score, first.expected, first.likelihood, first.alert_score)
    assert told == (None,) * 5
    assert first.readiness.seen == 0
    with pytest.raises(BadSampleError, match="not later"):
        detector.update(1_700_000_000, 5e9, unit="s")
    second = detector.update(1_700_000_010, 5e9 + 25, unit="s")
    assert (second.value, second.rate) == (5e9 + 25, 2.5)
    assert detector.update(1_700_000_015, 10.0, unit="s").rate == 2.0


def test_an_event_is_told_in_rates() -> None:
    from tocsin.detect.events import EventFold

    rng = np.random.default_rng(3)
    counts = np.cumsum(rng.poisson(100, 700)).astype(float)
    counts[600:] += 50_000
    times = START + np.arange(700) * 60 * SECOND
    found = Detector(kind="counter").update_many(times, counts, unit="ns")
    events = {event.peak: event for event in EventFold().feed(times, counts, found)}
    assert 800 < events[times[600]].value < 900
    assert events[times[600]].expected < 5
    assert np.isnan(Detector().update_many(times, counts, unit="ns")["rate"]).all()


def test_a_fleet_of_counters_is_one_detector_each() -> None:
    settings = Settings(kind="counter")
    times, counts = a_counter(1, 900)
    metric = np.random.default_rng(2).integers(0, 4, 900)
    found = Fleet(settings, 4).update(metric, times, counts)
    for k in range(4):
        mine = metric == k
        alone = Detector(settings).update_many(times[mine], counts[mine], unit="ns")
        for name in RESULT.names or ():
            np.testing.assert_array_equal(found[name][mine], alone[name])


def test_another_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="kind = 'count': must be one of gauge, counter"):
        Detector(kind="count")
