from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import BadInputError
from tocsin.ingest.otlp.buckets import Buckets, Explicit, Exponential, quantiles
from tocsin.ingest.otlp.intervals import Intervals

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)
PARTS = (0.0, 0.25, 0.5, 0.9, 0.99, 1.0)
BOUNDS = (-100.0, 0.0, 1.0, 10.0, 1e3, 1e5)


def explicit(values: list[float]) -> Explicit:
    counts = [0] * (len(BOUNDS) + 1)
    for value in values:
        counts[bisect_left(BOUNDS, value)] += 1
    return Explicit(BOUNDS, tuple(counts))


def index_of(size: float, scale: int) -> int:
    """The bucket whose upper edge is the first that is not below this."""
    return math.ceil(math.log2(size) * 2.0**scale) - 1


def exponential(values: list[float], scale: int) -> Exponential:
    sides = [
        Counter(index_of(sign * value, scale) for value in values if sign * value > 1e-6)
        for sign in (1, -1)
    ]
    zero = sum(abs(value) <= 1e-6 for value in values)
    return Exponential(scale, zero, 1e-6, dict(sides[0]), dict(sides[1]))


def true_quantile(values: list[float], part: float) -> float:
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


@given(VALUES)
def test_quantiles_lie_in_the_bucket_of_the_true_one(values: list[float]) -> None:
    found = quantiles(explicit(values), PARTS, min(values), max(values))
    assert found is not None
    assert found == sorted(found)
    edges = (-math.inf, *BOUNDS, math.inf)
    for part, value in zip(PARTS, found, strict=True):
        true = true_quantile(values, part)
        place = bisect_left(BOUNDS, true)
        assert edges[place] <= value <= edges[place + 1]
        assert min(values) <= value <= max(values)


@given(VALUES, st.integers(0, 8))
def test_quantiles_of_exponential_buckets_are_near_the_true_ones(
    values: list[float], scale: int
) -> None:
    found = quantiles(exponential(values, scale), PARTS, -math.inf, math.inf)
    assert found is not None
    assert found == sorted(found)
    width = 2.0 ** (2.0**-scale) * (1 + 1e-9)
    for part, value in zip(PARTS, found, strict=True):
        true = true_quantile(values, part)
        if abs(true) <= 1e-6:
            assert abs(value) <= 1e-6
        else:
            assert 1 / width <= value / true <= width


def test_quantiles_are_interpolated() -> None:
    buckets = Explicit((10.0, 20.0), (0, 10, 0))
    assert quantiles(buckets, (0.0, 0.5, 1.0), -math.inf, math.inf) == [10.0, 15.0, 20.0]
    assert quantiles(Explicit((10.0,), (4, 0)), (0.5,), -math.inf, math.inf) == [5.0]
    # Beyond the last bound nothing is known but the largest value.
    assert quantiles(Explicit((10.0,), (0, 4)), (0.5,), -math.inf, math.inf) == [10.0]
    assert quantiles(Explicit((10.0, 20.0), (0, 10, 0)), (0.5,), 16.0, 18.0) == [16.0]
    octave = Exponential(0, 0, 0.0, {2: 10}, {})
    found = quantiles(octave, (0.5,), -math.inf, math.inf)
    assert found is not None
    assert found == pytest.approx([math.sqrt(32)])


def test_without_values_there_are_no_quantiles() -> None:
    assert quantiles(Explicit((1.0,), (0, 0)), PARTS, 0, 1) is None
    assert quantiles(Explicit((), (7,)), PARTS, 0, 1) is None
    assert quantiles(Exponential(0, 0, 0.0, {}, {}), PARTS, 0, 1) is None


@given(VALUES, VALUES, st.integers(0, 8), st.integers(0, 8))
def test_what_came_since_is_what_came_since(
    before: list[float], after: list[float], scale: int, coarser: int
) -> None:
    assert explicit(before + after).since(explicit(before)) == explicit(after)
    # Histograms widen their buckets when values need it.
    low = min(scale, coarser)
    since = exponential(before + after, low).since(exponential(before, scale))
    assert isinstance(since, Exponential)
    assert since.scale == low
    expected = exponential(after, low)
    assert {i: n for i, n in since.positive.items() if n} == expected.positive
    assert {i: n for i, n in since.negative.items() if n} == expected.negative
    assert since.zero == expected.zero


def test_what_shrinks_or_has_other_buckets_tells_nothing() -> None:
    now = Explicit((1.0,), (1, 5))
    assert now.since(Explicit((1.0,), (2, 5))) is None
    assert now.since(Explicit((2.0,), (0, 0))) is None
    assert now.since(Exponential(0, 0, 0.0, {}, {})) is None
    wide = Exponential(0, 1, 0.0, {1: 1}, {})
    assert wide.since(now) is None
    assert wide.since(Exponential(0, 2, 0.0, {}, {})) is None
    assert wide.since(Exponential(0, 0, 0.5, {}, {})) is None
    assert wide.since(Exponential(0, 0, 0.0, {2: 1}, {})) is None
    assert wide.since(Exponential(0, 0, 0.0, {1: 2}, {})) is None


@pytest.mark.parametrize(
    ("bounds", "counts"),
    [((1.0,), (1,)), ((1.0, 1.0), (1, 1, 1)), ((math.nan,), (1, 1)), ((math.inf,), (1, 1))],
)
def test_buckets_that_are_none_are_refused(
    bounds: tuple[float, ...], counts: tuple[int, ...]
) -> None:
    with pytest.raises(BadInputError):
        Explicit(bounds, counts)


@pytest.mark.parametrize(("scale", "threshold"), [(40, 0.0), (-12, 0.0), (0, -1.0), (0, math.nan)])
def test_impossible_scales_are_refused(scale: int, threshold: float) -> None:
    with pytest.raises(BadInputError):
        Exponential(scale, 0, threshold, {}, {})


def buckets(*counts: int) -> Buckets:
    return Explicit((1.0, 2.0), counts)


def test_intervals_tell_what_came_between_two_points() -> None:
    seen = Intervals()
    assert seen.since("a", 1, 10, buckets(1, 1, 1)) is None
    assert seen.since("b", 1, 10, buckets(5, 5, 5)) is None
    assert seen.since("a", 1, 20, buckets(1, 3, 1)) == buckets(0, 2, 0)
    # Sent again it means the same again.
    assert seen.since("a", 1, 20, buckets(1, 3, 1)) == buckets(0, 2, 0)
    assert seen.since("a", 1, 15, buckets(1, 2, 1)) is None
    assert seen.since("a", 1, 30, buckets(2, 3, 1)) == buckets(1, 0, 0)


def test_intervals_know_a_new_beginning() -> None:
    seen = Intervals()
    seen.since("a", 1, 10, buckets(9, 9, 9))
    assert seen.since("a", 12, 20, buckets(1, 0, 0)) == buckets(1, 0, 0)
    assert seen.since("a", 15, 30, buckets(1, 0, 0)) is None
    assert seen.since("a", 15, 40, buckets(0, 0, 0)) is None


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 50)), max_size=80))
def test_intervals_hold_no_more_than_they_may(points: list[tuple[int, int]]) -> None:
    seen = Intervals(most=1_000)
    for key, time in points:
        seen.since(key, 1, time, buckets(time, time, time))
    held = [point for pair in seen._last.values() for point in pair if point is not None]
    assert seen._held == sum(64 + point.buckets.size for point in held) <= 1_000
