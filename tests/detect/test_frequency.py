from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin import Detector
from tocsin.detect.likelihood.frequency import FREQUENCY, count, frequency


def counted(chances: NDArray[np.float64]) -> np.void:
    row = np.zeros(1, dtype=FREQUENCY)[0]
    for p in chances:
        count(row, p)
    return row


def test_p_values_that_hold_stay_as_they_are() -> None:
    row = counted(np.random.default_rng(1).random(200_000))
    for p in (0.5, 0.1, 1e-2, 1e-3, 1e-4):
        assert 0.6 * p < frequency(row, p) < 1.6 * p
    assert frequency(np.zeros(1, dtype=FREQUENCY)[0], 1e-4) == pytest.approx(1e-4)


@pytest.mark.parametrize("times", [3.0, 20.0])
def test_tells_how_often_samples_really_were_so_rare(times: float) -> None:
    """One anomaly in a thousand samples at p < 0.001 that lasts for so many samples."""
    rng = np.random.default_rng(2)
    chances = rng.uniform(1e-3, 1.0, size=100_000)
    rare = rng.random(len(chances)) < 1e-3 * times
    chances[rare] = 1e-3 * rng.random(int(rare.sum()))
    row = counted(chances)
    for p in (1e-3, 1e-4, 1e-5):
        assert frequency(row, p) == pytest.approx(np.mean(chances <= p), rel=0.3)


def test_tells_where_samples_are_rarer_than_stated() -> None:
    """Of the chances below 0.01 one in three comes, as of a metric that was new for long."""
    rng = np.random.default_rng(3)
    chances = rng.random(200_000)
    row = counted(chances[(chances > 1e-2) | (rng.random(len(chances)) < 1 / 3)])
    assert frequency(row, 0.1) == pytest.approx(0.1, rel=0.1)
    assert frequency(row, 1e-2) == pytest.approx(1e-2 / 3, rel=0.15)
    assert frequency(row, 1e-3) == pytest.approx(1e-3 / 3, rel=0.3)


@given(st.lists(st.integers(0, 80), max_size=300))
def test_rises_with_p_and_is_a_fifth_at_least(tenths: list[int]) -> None:
    row = counted(10.0 ** (-0.1 * np.asarray(tenths)))
    chances = 10.0 ** np.linspace(-12, 0, 121)
    found = [frequency(row, p) for p in chances]
    assert all(before <= after * (1 + 1e-9) for before, after in pairwise(found))
    assert all(
        0.2 * p * (1 - 1e-9) <= often <= 1.0 for p, often in zip(chances, found, strict=True)
    )


def test_old_samples_fade() -> None:
    row = counted(np.full(2_000, 1e-6))
    for _ in range(500_000):
        count(row, 0.5)
    assert frequency(row, 1e-3) < 2e-3


def test_a_random_walk_is_told_as_often_as_stated() -> None:
    """Whose new ground comes in long runs: as anomalies they are rare, as samples they are not."""
    below = 0
    for seed in range(3):
        walk = np.cumsum(np.random.default_rng(seed).normal(size=40_000))
        scored = Detector().update_many(np.arange(len(walk)) * 300, walk, unit="s")
        below += int(np.count_nonzero(scored["likelihood"][2_000:] >= 1 - 1e-3))
    assert below < 3 * 3 * 38
