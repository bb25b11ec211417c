from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import Detector
from tocsin.detect.models.views.drift import DRIFT, follow, turn_to
from tocsin.detect.result import VIEW_NAMES

DAY = 86_400_000_000_000
ROWS = 288


def moved(days: list[list[float]], usual: float = 1.0) -> list[float]:
    """The drift on the morning after each day, one of more samples than none a list."""
    row = np.zeros(1, dtype=DRIFT)[0]
    told = []
    for day, values in enumerate(days):
        for k, value in enumerate(values):
            turn_to(row, day * DAY + k, usual)
            follow(row, value)
        turn_to(row, (day + 1) * DAY, usual)
        told.append(float(row["moved"]))
    return told


def expected(days: list[list[float]], usual: float) -> list[float]:
    """The same from the means of whole days."""
    means = [float(np.mean(values)) for values in days]
    base, drift, far, told = float(np.mean(means[:3])), 0.0, 0, [0.0] * len(means[:3])
    for mean in means[3:]:
        gap = mean - base - drift
        far = far + 1 if abs(gap) > 3 * usual else 0
        if far == 3:
            base, far = mean - drift, 0
        else:
            slack = np.sign(gap) * max(abs(gap) - 0.6 * usual, 0.0)
            drift += float(np.clip(slack / 3, -0.2 * usual, 0.2 * usual))
        told.append(drift)
    return told


@given(
    st.lists(st.lists(st.floats(-9, 9), min_size=1, max_size=4), min_size=1, max_size=40),
    st.sampled_from([0.0, 0.5, 1.0, 4.0]),
)
def test_is_as_the_naive_twin_says(days: list[list[float]], usual: float) -> None:
    assert moved(days, usual) == pytest.approx(expected(days, usual), abs=1e-9)


def test_weekends_move_it_little_and_noise_does_not() -> None:
    rng = np.random.default_rng(1)
    week = [0.0, 0.0, 0.0, 0.0, 0.0, -5.0, -5.0]
    told = moved([[day + rng.normal() / 3] for day in week * 8])
    assert max(map(abs, told)) < 1.5  # of five
    assert not any(moved([[rng.uniform(-0.25, 0.25)] for _ in range(60)]))


def test_a_drift_is_followed_and_a_shift_is_not() -> None:
    assert moved([[day / 7] for day in range(60)])[-1] == pytest.approx(59 / 7, abs=1.5)
    shift = moved([[0.0]] * 10 + [[10.0]] * 30)
    assert max(itertools.chain(shift)) < 0.5


def test_what_a_drift_leads_to_is_no_news() -> None:
    """One standard deviation a week for four weeks, in series of a sample in five minutes."""
    value = VIEW_NAMES.index("value")
    rows = np.arange(35 * ROWS)
    drift = np.clip(rows / ROWS - 7, 0, None) / 7
    told = {True: 0.0, False: 0.0}
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(size=len(rows))
        for drifts in told:
            scored = Detector().update_many(rows * 300, noise + drifts * drift, unit="s")
            told[drifts] += float(scored["views"][7 * ROWS :, value].sum())
    assert told[True] < 1.5 * told[False]


def test_the_highest_in_all_is_told_of_values_as_they_are() -> None:
    rows = np.arange(30 * ROWS)
    values = np.random.default_rng(3).normal(size=len(rows))
    values -= np.clip(rows / ROWS - 7, 0, None) / 7
    values[-1] = 6.0
    scored = Detector().update_many(rows * 300, values, unit="s")
    assert scored["beyond"][-1] == pytest.approx(6.0 - values[:-1].max(), rel=1e-5)
