from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tocsin.detect.likelihood.pareto import PARETO, add, level, survival

LAWS = {
    "exponential": stats.expon(),
    "half normal": stats.halfnorm(),
    "log-normal": stats.lognorm(1.0),
    "Pareto, shape 1/3": stats.lomax(3.0),
    "uniform": stats.uniform(),
}


def learn(scores: NDArray[np.float64]) -> np.void:
    row = np.zeros(1, dtype=PARETO)[0]
    for score in scores:
        add(row, score, survival(row, score))
    return row


@pytest.mark.parametrize("name", LAWS)
def test_knows_the_body_and_the_tail_of_many_laws(name: str) -> None:
    law = LAWS[name]
    row = learn(law.rvs(size=20_000, random_state=np.random.default_rng(1)))
    for p in (0.5, 0.1) if name == "uniform" else (0.5, 0.1, 0.01):
        assert survival(row, law.isf(p)) == pytest.approx(p, rel=0.3)
    if name != "uniform":  # a bounded law ends within a bin: its tail is too long here
        for p in (1e-3, 1e-4):
            assert 1 / 3 < survival(row, law.isf(p)) / p < 5


def test_falls_from_one_to_nothing() -> None:
    row = learn(stats.expon().rvs(size=3000, random_state=np.random.default_rng(2)))
    chances = [survival(row, s) for s in np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 400)])]
    assert chances[0] == 1.0
    assert all(0 < p <= 1 for p in chances)
    # Histogram bins and the tail meet with steps of a bin at most.
    assert all(later <= before * 1.02 for before, later in pairwise(chances))


def test_only_ratios_matter() -> None:
    scores = stats.expon().rvs(size=2000, random_state=np.random.default_rng(3))
    # By a power of 2^(1/5) the bins are the same bins.
    small, large = learn(scores), learn(scores * 2.0**300)
    assert survival(large, 9.0 * 2.0**300) == pytest.approx(survival(small, 9.0), rel=1e-6)


def test_level_is_the_inverse() -> None:
    row = learn(stats.expon().rvs(size=2000, random_state=np.random.default_rng(4)))
    for p in (1e-2, 1e-3, 1e-5):
        assert survival(row, level(row, p)) == pytest.approx(p, rel=0.05)


def test_zeros_are_the_usual() -> None:
    row = learn(np.zeros(1000))
    assert survival(row, 0.0) == 1.0
    assert survival(row, 1.0) < 1e-3


def test_one_huge_score_does_not_hide_the_next() -> None:
    scores = stats.expon().rvs(size=2000, random_state=np.random.default_rng(5))
    row = learn(scores)
    before = survival(row, 30.0)
    add(row, 1e6, survival(row, 1e6))
    assert survival(row, 30.0) < 10 * before + 1e-6


def test_a_lasting_change_is_accepted() -> None:
    row = learn(stats.expon().rvs(size=2000, random_state=np.random.default_rng(6)))
    for _ in range(500):
        add(row, 30.0, survival(row, 30.0))
    assert survival(row, 30.0) > 0.01
