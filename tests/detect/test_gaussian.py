from __future__ import annotations

import math
from collections import deque
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.detect.likelihood.gaussian import (
    Gaussian,
    GaussianSettings,
    estimate,
    filter_repeats,
    moving_averages,
    tail_probability,
    update,
)
from tocsin.detect.likelihood.sliding import SlidingGaussian, SlidingSettings
from tocsin.errors import BadSampleError, ConfigurationError

Floats = NDArray[np.float64]
SETTINGS = GaussianSettings()

#: The reference's example: raw scores and values, and raw scores that follow.
INDEX = np.arange(400)
RAW = ((31 * INDEX**2 + 7 * INDEX) % 41) / 40
VALUES = (INDEX % 97).astype(np.float64)
NEXT = (1.0, 1.0, 1.0, 1.0, 0.0, 0.0)


def loop_sums(raw: list[float], window: int) -> list[float]:
    """The running sum as the original kept it."""
    held: deque[float] = deque()
    total, sums = 0.0, []
    for score in raw:
        if len(held) == window:
            total -= held.popleft()
        held.append(score)
        total += score
        sums.append(total)
    return sums


def test_golden_estimate() -> None:
    law = estimate(SETTINGS, VALUES, RAW)
    assert law.mean == pytest.approx(0.5192633928571428, abs=1e-15)
    assert law.variance == pytest.approx(0.007573843570631379, abs=1e-15)
    assert math.sqrt(law.variance) == pytest.approx(0.08702783216093217, abs=1e-15)
    assert law.total == pytest.approx(6.6, abs=1e-13)
    assert law.window == tuple(RAW[-10:])


def test_golden_updates() -> None:
    law = estimate(SETTINGS, VALUES, RAW)
    averages, tails = [], []
    for raw in NEXT:
        law, tail = update(SETTINGS, law, raw)
        averages.append(sum(law.window) / 10)
        tails.append(tail)
    assert averages == pytest.approx([0.7575, 0.785, 0.7925, 0.83, 0.745, 0.6875], abs=1e-12)
    expected = [0.00309538, 0.00113096, 0.00084567, 0.00017810, 0.00474514, 0.02660860]
    assert tails == pytest.approx(expected, abs=5e-9)
    assert law.likelihoods[-6:] == tuple(tails)
    assert len(law.likelihoods) == 10


def test_golden_filter() -> None:
    tails = (0.4, 1e-6, 1e-7, 0.2, 5e-6, 1e-5, 1.1e-5, 1e-9)
    filtered = filter_repeats(SETTINGS, tails)
    assert filtered == pytest.approx([0.4, 1e-6, 1e-3, 0.2, 5e-6, 1e-5, 1.1e-5, 1e-9], rel=1e-12)


def test_the_filter_judges_by_what_was_there_before_it() -> None:
    kept = filter_repeats(SETTINGS, (1e-9,) * 4)
    assert kept == pytest.approx([1e-9, 1e-3, 1e-3, 1e-3])
    assert filter_repeats(SETTINGS, ()) == []
    limit = 1 - 0.99999  # exactly this is red
    assert filter_repeats(SETTINGS, (limit, limit)) == [limit, 1 - 0.999]


def test_a_flat_line_gets_the_null_law() -> None:
    law = estimate(SETTINGS, np.full(400, 5.0), RAW)
    assert (law.mean, law.variance) == (0.5, 1e6)
    # Only what is fitted counts: a metric that moved while it was skipped is flat now ...
    was = np.where(INDEX < 288, VALUES, 5.0)
    assert estimate(SETTINGS, was, RAW).variance == 1e6
    # ... and one that moves just enough is not.
    wave = np.where(INDEX % 2, 1.0, -1.0)
    assert estimate(SETTINGS, wave * math.sqrt(1.6e-5), RAW).variance < 1
    assert estimate(SETTINGS, wave * math.sqrt(1.4e-5), RAW).variance == 1e6


def test_huge_values_are_not_flat() -> None:
    assert estimate(SETTINGS, VALUES * 1e305, RAW).variance < 1


@pytest.mark.parametrize(("rows", "null"), [(0, True), (1, True), (288, True), (289, False)])
def test_too_short_a_sample_gets_the_null_law(rows: int, null: bool) -> None:
    # A single fitted row has no variance of values: it counts as flat unless that rule is off.
    settings = GaussianSettings(flat_variance=0.0)
    law = estimate(settings, VALUES[:rows], RAW[:rows])
    assert (law.variance == 1e6) is null
    assert len(law.window) == len(law.likelihoods) == min(rows, 10)
    assert all(0.499 < x <= 0.5 for x in law.likelihoods if null)


def test_floors() -> None:
    law = estimate(SETTINGS, VALUES, np.zeros(400))
    assert (law.mean, law.variance) == (0.03, 0.0003)
    law, tail = update(SETTINGS, law, 1.0)
    # On a perfectly learnt metric one total surprise is yellow, never red.
    assert 1 - tail == pytest.approx(0.999973, abs=1e-6)
    law, tail = update(SETTINGS, law, 1.0)
    assert 1 - tail > 0.99999


def test_a_window_longer_than_history() -> None:
    law = estimate(GaussianSettings(skipped_rows=0), VALUES[:4], RAW[:4])
    assert law.window == tuple(RAW[:4])
    assert law.mean == pytest.approx(np.mean([RAW[: k + 1].mean() for k in range(4)]))
    law, _ = update(SETTINGS, law, 0.5)
    assert law.window == (*RAW[:4], 0.5)
    assert len(law.likelihoods) == 5


@pytest.mark.parametrize(("old", "new"), [(10, 3), (3, 10)])
def test_a_changed_window_takes_hold_at_once(old: int, new: int) -> None:
    law = estimate(GaussianSettings(averaging_window=old), VALUES, RAW)
    law, tail = update(GaussianSettings(averaging_window=new), law, 1.0)
    kept = (*RAW, 1.0)[-min(new, old + 1) :]
    assert law.window == kept
    assert len(law.likelihoods) == len(kept)
    assert law.total == pytest.approx(sum(kept), abs=1e-12)
    average = sum(kept) / len(kept)
    assert tail == pytest.approx(tail_probability(average, law.mean, math.sqrt(law.variance)))


def test_an_old_state_without_likelihoods_remembers_nothing_rare() -> None:
    law, tail = update(SETTINGS, Gaussian(0.03, 0.0003), 1.0)
    assert tail < 1e-5  # red, and the first
    assert law.likelihoods == (1.0, tail)
    _, repeated = update(SETTINGS, law, 1.0)
    assert repeated == pytest.approx(0.001)


def test_sides() -> None:
    two = [tail_probability(x, 0.5, 0.1, "two") for x in (0.3, 0.5, 0.7)]
    one = [tail_probability(x, 0.5, 0.1, "one") for x in (0.3, 0.5, 0.7)]
    assert two[0] == pytest.approx(two[2])
    assert one == pytest.approx([1 - two[2], 0.5, two[2]])
    low, high = GaussianSettings(sides="one"), GaussianSettings(sides="two")
    calm = estimate(low, VALUES, RAW)
    predictable = estimate(high, VALUES, RAW)
    for _ in range(10):
        calm, _ = update(low, calm, 0.0)
        predictable, _ = update(high, predictable, 0.0)
    assert calm.likelihoods[-1] > 0.999999
    assert predictable.likelihoods[-1] < 1e-5


@given(
    st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.025, 0.1, 1.0]), max_size=60),
    st.integers(1, 12),
)
def test_sums_are_those_of_the_loop_to_the_bit(raw: list[float], window: int) -> None:
    averages, sums = moving_averages(np.array(raw), window)
    expected = loop_sums(raw, window)
    assert sums.tolist() == expected
    counts = [min(k + 1, window) for k in range(len(raw))]
    assert averages.tolist() == [s / c for s, c in zip(expected, counts, strict=True)]


def test_updates_go_on_where_the_estimate_ended() -> None:
    law = estimate(SETTINGS, VALUES, RAW)
    sums = loop_sums([*RAW.tolist(), *NEXT], 10)
    for place, raw in enumerate(NEXT):
        law, _ = update(SETTINGS, law, raw)
        assert law.total == sums[400 + place]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("averaging_window", 0),
        ("averaging_window", 2.5),
        ("averaging_window", True),
        ("skipped_rows", -1),
        ("smallest_mean", -0.1),
        ("smallest_variance", 0.0),
        ("flat_variance", float("nan")),
        ("null_mean", "0.5"),
        ("null_variance", float("inf")),
        ("red", 1.1),
        ("repeated_red", -0.1),
        ("sides", "both"),
    ],
)
def test_settings_refused(key: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{key} = .*must be"):
        GaussianSettings(**{key: value})


# The sliding policy


def naive_sliding(values: Floats, raw: Floats, settings: SlidingSettings) -> list[float]:
    """Row by row, everything kept, as the reference describes it."""
    silent = settings.learning_rows + settings.estimation_rows
    law: Gaussian | None = None
    out = []
    for n, score in enumerate(raw.tolist()):
        if n < silent:
            out.append(0.5)
            continue
        if law is None or n % settings.refit_interval == 0:
            begin = max(n - settings.history, 0)
            skip = min(n, max(0, settings.learning_rows - begin))
            past = (values[begin:n], raw[begin:n])
            law = estimate(settings.gaussian, *past, skipped=skip)
        law, tail = update(settings.gaussian, law, score)
        out.append(1.0 - tail)
    return out


SLIDING = SlidingSettings(learning_rows=40, estimation_rows=25, history=90, refit_interval=30)


@given(st.lists(st.integers(1, 120), min_size=1, max_size=12), st.integers(0, 5))
def test_sliding_is_the_same_however_rows_are_cut(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = sum(sizes)
    values, raw = rng.normal(size=rows), rng.random(rows) ** 4
    sliding = SlidingGaussian(SLIDING)
    ends = np.cumsum([0, *sizes])
    found = [sliding.update(values[a:b], raw[a:b]) for a, b in pairwise(ends)]
    assert np.concatenate(found).tolist() == naive_sliding(values, raw, SLIDING)
    assert sliding.seen == rows


def test_sliding_defaults_are_silent_for_388_rows() -> None:
    rng = np.random.default_rng(0)
    scores = SlidingGaussian().update(rng.normal(size=500), rng.random(500))
    assert set(scores[:388]) == {0.5}
    assert 0.5 not in scores[388:]


def test_sliding_skips_what_has_not_slid_out() -> None:
    settings = SlidingSettings()
    rows = (0, 100, 288, 8640, 8700, 8928, 20_000)
    assert [settings.skipped(n) for n in rows] == [0, 100, 288, 288, 228, 0, 0]


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf"), 1e200])
def test_sliding_refuses_a_bad_score_and_learns_nothing(bad: float) -> None:
    rng = np.random.default_rng(3)
    values, raw = rng.normal(size=200), rng.random(200)
    clean, hit = SlidingGaussian(SLIDING), SlidingGaussian(SLIDING)
    clean.update(values[:100], raw[:100])
    hit.update(values[:100], raw[:100])
    with pytest.raises(BadSampleError, match=r"row 103 \(position 2\)") as caught:
        hit.update(values[100:105], [0.1, 0.2, bad, 0.1, 0.1])
    assert caught.value.row == 2
    rest = values[100:], raw[100:]
    assert hit.update(*rest).tolist() == clean.update(*rest).tolist()


@pytest.mark.parametrize("key", ["learning_rows", "estimation_rows", "history", "refit_interval"])
def test_sliding_settings_refused(key: str) -> None:
    options: dict[str, Any] = {key: -1}
    with pytest.raises(ConfigurationError, match=rf"^{key} = -1: must be a whole number"):
        SlidingSettings(**options)
