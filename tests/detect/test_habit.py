from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import Detector
from tocsin.detect.models.views.habit import HABIT, follow, is_long_pause, stands_still

MINUTE = 60


def told_runs(values: list[int]) -> list[int]:
    """Where the kernel finds that the values stand still for too long."""
    row = np.zeros(1, dtype=HABIT)[0]
    found = []
    for k, value in enumerate(values):
        same = k > 0 and value == values[k - 1]
        told = same and bool(stands_still(row, k))
        if told:
            found.append(k)
        if k > 0:
            follow(row, same, told)
    return found


def expected_runs(values: list[int]) -> list[int]:
    """The same from all values so far, looked at anew for each."""
    found: list[int] = []
    for k in range(len(values)):
        runs, repeats = [0], 0
        for before, value in pairwise(values[: k + 1]):
            runs, repeats = (
                ([*runs[:-1], runs[-1] + 1], repeats + 1)
                if value == before
                else ([*runs, 0], repeats)
            )
        run, longest = runs[-1], max(runs[:-1], default=0)
        rarity = -math.log10(repeats / (k + 2.0)) if run else 0.0
        if (run - 2 * longest - 4) * rarity >= 6.0 and not any(k - run < one for one in found):
            found.append(k)
    return found


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(0, 60), st.integers(0, 40))
def test_tells_each_long_run_once_as_the_naive_twin(
    before: list[int], length: int, value: int
) -> None:
    values = [*before, *[value] * length, 99, 98, *[value] * (3 * length)]
    assert told_runs(values) == expected_runs(values)


def test_a_pause_breaks_the_habit_when_none_was_nearly_as_long() -> None:
    assert not is_long_pause(6.0, 0.0)
    assert is_long_pause(7.0, 0.0)
    assert not is_long_pause(26.0, 10.0)
    assert is_long_pause(27.0, 10.0)


def noise(rows: int = 3000) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return np.arange(rows) * 5 * MINUTE, np.random.default_rng(6).normal(50, 1, rows)


def test_a_flat_line_is_told_once_and_soon() -> None:
    times, values = noise()
    values[2000:2200] = values[1999]
    scored = Detector().update_many(times, values, unit="s")
    starts = np.flatnonzero(scored["event"] == 1)
    assert len(starts[(starts >= 2000) & (starts < 2012)]) == 1
    assert not len(starts[(starts >= 2012) & (starts < 2200)])
    start = int(starts[starts >= 2000][0])
    assert scored["alert_score"][start] == scored["anomaly_score"][start] > 0.3


def test_silence_is_told_when_samples_come_again() -> None:
    times, values = noise()
    times[2000:] += 60 * 5 * MINUTE
    scored = Detector().update_many(times, values, unit="s")
    assert scored["event"][2000] == 1
    # As long a pause again is nothing new.
    times[2500:] += 60 * 5 * MINUTE
    again = Detector().update_many(times, values, unit="s")
    assert again["event"][2000] == 1
    assert again["event"][2500] == 0


@pytest.mark.parametrize("options", [{"direction": "up"}, {"least_change": 1000.0}])
def test_a_broken_habit_is_told_whatever_deviations_are_wanted(options: dict[str, Any]) -> None:
    times, values = noise()
    values[2000:2050] = values[1999]
    starts = np.flatnonzero(Detector(**options).update_many(times, values, unit="s")["event"] == 1)
    assert np.any((starts >= 2000) & (starts < 2012))


def test_a_metric_that_often_repeats_itself_may() -> None:
    rng = np.random.default_rng(7)
    values = np.repeat(rng.integers(0, 5, 600), rng.integers(1, 30, 600)).astype(float)
    times = np.arange(len(values)) * 5 * MINUTE
    quiet = Detector().update_many(times, values, unit="s")["event"][500:]
    assert np.count_nonzero(quiet == 1) <= 1


def test_a_constant_may_stand_still() -> None:
    scored = Detector().update_many(np.arange(3000), np.full(3000, 7.0), unit="s")
    assert not np.any(scored["event"])


def test_samples_at_random_times_make_no_pauses() -> None:
    rng = np.random.default_rng(8)
    times = np.cumsum(rng.exponential(300, 5000))
    scored = Detector().update_many(times, rng.normal(size=5000), unit="s")
    steady = Detector().update_many(np.arange(5000) * 300, rng.normal(size=5000), unit="s")
    told = [np.count_nonzero(found["event"] == 1) for found in (scored, steady)]
    assert told[0] <= told[1] + 6


def test_a_flat_line_is_told_even_soon_after_an_alarm() -> None:
    values = np.random.default_rng(4).normal(size=3000)
    values[2900] = 60.0
    values[2950:] = values[2949]
    scored = Detector().update_many(np.arange(3000) * 5 * MINUTE, values, unit="s")
    told = np.flatnonzero(scored["event"] == 1)
    assert 2900 in told
    assert any(2950 <= row < 2970 for row in told.tolist())
