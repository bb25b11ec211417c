from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin.detect.likelihood.evidence import EVIDENCE, MEMORY, add, level, survival


def learn(scores: NDArray[np.float64]) -> np.void:
    row = np.zeros(1, dtype=EVIDENCE)[0]
    for score in scores:
        add(row, score, survival(row, score))
    return row


def test_takes_evidence_at_its_word_at_first() -> None:
    row = learn(np.empty(0))
    for score in (0.5, 1.0, 2.0, 4.0, 8.0):
        assert survival(row, score) == pytest.approx(10.0 ** (-1 - score), rel=0.1)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_learns_what_evidence_is_worth_here(factor: float) -> None:
    rng = np.random.default_rng(1)
    row = learn(rng.exponential(factor / np.log(10), size=15_000))
    for p, within in ((0.1, 1.2), (1e-2, 1.2), (1e-3, 2.5), (1e-4, 4.0)):
        score = -np.log10(p) * factor
        assert 1 / within < survival(row, score) / p < within


def test_falls_and_level_is_the_inverse() -> None:
    row = learn(np.random.default_rng(2).exponential(0.4, size=3000))
    chances = [survival(row, s) for s in np.arange(0, 40, 0.05)]
    assert all(0 < p <= 1 for p in chances)
    assert all(later <= before + 1e-12 for before, later in pairwise(chances))
    for p in (1e-2, 1e-4, 1e-6):
        assert survival(row, level(row, p)) == pytest.approx(p, rel=0.05)


def test_old_scores_fade() -> None:
    row = learn(np.full(int(MEMORY), 5.0))
    often = survival(row, 4.0)
    for _ in range(2 * int(MEMORY)):
        add(row, 0.1, 1.0)
    assert often > 0.9
    assert survival(row, 4.0) < 0.2
    assert row["weight"] == pytest.approx(MEMORY, rel=1e-3)
