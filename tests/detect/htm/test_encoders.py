"""Encoders: what is alike shares bits, and the range follows the metric, not its outliers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.detect.models.htm.encoders.date import (
    encode_day_of_week,
    encode_time_of_day,
    encode_weekend,
)
from tocsin.detect.models.htm.encoders.delta import DELTA, encode_delta, follow_delta
from tocsin.detect.models.htm.encoders.hashing import mix
from tocsin.detect.models.htm.encoders.range import KEPT, RANGE, bucket_of, follow, give
from tocsin.detect.models.htm.encoders.scalar import encode_bucket, encode_scalar

Ints = NDArray[np.int32]

BITS, WIDTH = 400, 21
HOUR = 3_600_000_000_000
DAY = 24 * HOUR
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def bits_of(bucket: int, bits: int = BITS, width: int = WIDTH, seed: int = 1) -> set[int]:
    on = np.full(width + 1, -1, dtype=np.int32)
    assert encode_bucket(bucket, bits, width, seed, 0, on, 1) == width + 1
    assert on[0] == -1  # nothing before ``count`` was touched
    return set(on[1:].tolist())


def fresh() -> Any:
    return np.zeros(1, dtype=RANGE)[0]


def feed(state: Any, values: Any, buckets: int = 130, horizon: int = 10_000) -> list[bool]:
    return [follow(state, float(v), buckets, 0.0, 0.01, horizon, 1) for v in values]


def test_hash_is_the_same_everywhere() -> None:
    mask = 2**64 - 1

    def right(seed: int, counter: int) -> int:
        x = (seed * 0xC4CEB9FE1A85EC53 + (counter + 1) * 0x9E3779B97F4A7C15) & mask
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53, 1):
            x = ((x ^ (x >> 33)) * factor) & mask
        return x

    for seed, counter in [(0, 0), (1, 2), (42, -7), (2**62, 2**40)]:
        assert int(mix(seed, counter)) == right(seed, counter % 2**64)


@given(st.integers(-(2**40), 2**40), st.integers(0, 60), st.integers(0, 2**62))
def test_overlap_falls_by_one_with_every_bucket_between(bucket: int, away: int, seed: int) -> None:
    first, other = bits_of(bucket, seed=seed), bits_of(bucket + away, seed=seed)
    assert len(first) == len(other) == WIDTH
    assert all(0 <= bit < BITS for bit in first)
    assert len(first & other) >= WIDTH - away


def test_overlap_with_distance_is_what_was_published() -> None:
    """Linear to the width, then chance: about width^2 / bits, as with fully random bits."""
    overlaps = np.array(
        [[len(bits_of(b) & bits_of(b + d)) for d in range(60)] for b in range(0, 4000, 13)]
    )
    mean = overlaps.mean(axis=0)
    assert mean[0] == WIDTH
    chance = WIDTH / (BITS // WIDTH)
    for away in range(1, WIDTH):
        assert WIDTH - away <= mean[away] <= WIDTH - away + chance + 0.3
    assert np.all(np.abs(mean[WIDTH:] - chance) < 0.35)
    assert overlaps[:, WIDTH:].max() <= 9  # far values are never mistaken


def test_seeds_give_other_bits() -> None:
    assert len(bits_of(5, seed=1) & bits_of(5, seed=2)) < 9


def test_first_rows_do_not_freeze_the_range() -> None:
    state = fresh()
    feed(state, [0.5, 0.50001, 0.50002])
    assert state["bucket"] < 1e-6
    feed(state, np.random.default_rng(1).normal(0.0, 100.0, 500))
    assert 200 / 130 < state["bucket"] < 800 / 130


@pytest.mark.parametrize("at", [0, 1, 5, 300])
def test_one_outlier_does_not_blind(at: int) -> None:
    values = np.random.default_rng(2).normal(0.0, 1.0, 1000)
    plain, struck = fresh(), fresh()
    feed(plain, values)
    feed(struck, np.insert(values, at, 1e300))
    assert 1 / 3 < struck["bucket"] / plain["bucket"] < 3
    assert abs(bucket_of(struck, 1.0) - bucket_of(struck, -1.0)) > 20
    assert bucket_of(struck, 1e300) == 2**40


def test_buckets_do_not_jump_all_the_time() -> None:
    state = fresh()
    rng = np.random.default_rng(3)
    feed(state, rng.normal(0.0, 1.0, 100))
    before = int(state["changes"])
    feed(state, rng.normal(0.0, 1.0, 20_000))
    assert state["changes"] - before <= 2


def test_range_follows_a_change_of_scale() -> None:
    state = fresh()
    rng = np.random.default_rng(4)
    feed(state, rng.normal(0.0, 1.0, 3000), horizon=1000)
    small = float(state["bucket"])
    feed(state, rng.normal(1e6, 1e3, 6000), horizon=1000)
    assert 300 < state["bucket"] / small < 3000
    assert abs(bucket_of(state, 1e6)) < 130
    feed(state, rng.normal(0.0, 1.0, 9000), horizon=1000)
    assert 1 / 3 < state["bucket"] / small < 3


def test_drift_needs_no_new_buckets() -> None:
    """A slow drift far out of the range: every level has buckets of its own."""
    state = fresh()
    rng = np.random.default_rng(5)
    feed(state, rng.normal(0.0, 1.0, 2000))
    assert len(bits_of(bucket_of(state, 0.0)) & bits_of(bucket_of(state, 50.0))) < 9
    assert bucket_of(state, 50.0) > 500


@given(FINITE, FINITE)
def test_a_constant_metric_and_then_another_value(first: float, other: float) -> None:
    state = fresh()
    feed(state, [first] * 40)
    assert (state["bucket"], bucket_of(state, first), state["changes"]) == (0.0, 0, 0)
    feed(state, [other])
    if min(max(first, -1e300), 1e300) == min(max(other, -1e300), 1e300):
        assert bucket_of(state, other) == 0
    elif state["bucket"] > 0.0:  # else their difference, divided, is too small to be a number
        assert abs(bucket_of(state, other) - bucket_of(state, first)) >= 64


@settings(max_examples=50)
@given(st.lists(FINITE, min_size=1, max_size=60))
def test_any_finite_values_give_width_bits(values: list[float]) -> None:
    state = fresh()
    on = np.zeros(WIDTH, dtype=np.int32)
    for value in values:
        feed(state, [value])
        assert np.isfinite(state["bucket"])
        assert encode_scalar(state, value, BITS, WIDTH, 1, 0, on, 0) == WIDTH
        assert len(set(on.tolist())) == WIDTH
        assert on.min() >= 0
        assert on.max() < BITS


@given(st.sampled_from([2.0**-40, 0.5, 4.0, 2.0**50]), st.integers(0, 10_000))
def test_buckets_do_not_depend_on_the_unit(scale: float, seed: int) -> None:
    values = np.random.default_rng(seed).normal(3.0, 1.0, 300)
    plain, scaled = fresh(), fresh()
    feed(plain, values)
    feed(scaled, values * scale)
    assert plain["changes"] == scaled["changes"]
    assert [bucket_of(plain, v) for v in values] == [bucket_of(scaled, v * scale) for v in values]


def test_the_kept_sample_is_fair() -> None:
    """Of 0, 1, 2 … the kept ones reach back evenly to about the horizon."""
    state = fresh()
    feed(state, range(20_000), horizon=2000)
    ages = np.sort(20_000 - state["kept"])
    assert abs(np.mean(ages) - 2000) < 500
    assert len(np.unique(ages)) == KEPT
    assert ages[KEPT // 2] < ages.mean()  # fading, not a window


def test_a_range_given_in_advance_is_kept() -> None:
    state = fresh()
    give(state, 10.0, 20.0, 100)
    assert not any(feed(state, [15.0, 1e6, -1e6]))
    assert (bucket_of(state, 10.0), bucket_of(state, 20.0), state["bucket"]) == (0, 100, 0.1)


def test_smallest_bucket() -> None:
    state = fresh()
    for value in (1.0, 1.001, 0.999, 1.0):
        follow(state, value, 130, 0.5, 0.01, 1000, 1)
    assert state["bucket"] == 0.5
    assert bucket_of(state, 1.2) == bucket_of(state, 1.0)


def on_of(encode: Any, *arguments: Any, width: int = 21) -> set[int]:
    on = np.zeros(width, dtype=np.int32)
    assert encode(*arguments, 0, on, 0) == width
    return set(on.tolist())


def test_time_of_day_goes_round() -> None:
    def at(hours: float) -> set[int]:
        return on_of(encode_time_of_day, int(hours * HOUR), 54, 21)

    assert at(3.0) == at(3.0 + 24) == at(3.0 - 240)
    assert len(at(23.9) & at(0.1)) >= 20
    overlaps = [len(at(12.0) & at(12.0 + h)) for h in range(12)]
    assert overlaps == sorted(overlaps, reverse=True)
    assert overlaps[0] == 21
    assert overlaps[10] == 0  # beyond the radius


def test_day_of_week_goes_round_and_does_not_jump_at_midnight() -> None:
    def at(days: float) -> set[int]:
        return on_of(encode_day_of_week, int(days * DAY), 21)

    for start in range(7):
        assert len(at(start + 0.999) & at(start + 1.001)) >= 20
        assert len(at(start + 0.5) & at(start + 1.0)) in (10, 11)
        assert not at(start + 0.5) & at(start + 1.5)
    assert at(2.3) == at(9.3)


def test_weekend() -> None:
    def at(days: float) -> set[int]:
        return on_of(encode_weekend, int(days * DAY), 5, width=5)

    working, weekend = set(range(5)), set(range(5, 10))
    # 1970-01-01 was a Thursday.
    assert [at(d) == weekend for d in range(-3, 4)] == [False] * 5 + [True] * 2
    assert at(0.9) == working


def test_delta_encodes_the_difference() -> None:
    state = np.zeros(1, dtype=DELTA)[0]
    on = np.zeros(WIDTH, dtype=np.int32)

    def step(value: float) -> set[int]:
        follow_delta(state, value, 130, 0.0, 0.01, 10_000, 1)
        encode_delta(state, BITS, WIDTH, 1, 7, on, 0)
        return set(on.tolist())

    for k in range(600):  # up by 1 or 2, with no end
        step(1.5 * k + 0.5 * (k % 2))
    low, high, again = step(900.0), step(902.0), step(903.0)
    assert low == again  # both up by one, at different values
    assert len(low & high) < 9
    assert min(low) >= 7


def test_widths_of_zero_write_nothing() -> None:
    on = np.full(1, -1, dtype=np.int32)
    assert encode_scalar(fresh(), 1.0, 0, 0, 1, 0, on, 0) == 0
    assert encode_time_of_day(5 * HOUR, 0, 0, 0, on, 0) == 0
    assert encode_day_of_week(5 * HOUR, 0, 0, on, 0) == 0
    assert encode_weekend(5 * HOUR, 0, 0, on, 0) == 0
    assert on[0] == -1
