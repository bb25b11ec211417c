from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.detect import naive
from tocsin import Detector
from tocsin.detect.models.views.daily import DAILY, follow, outside, turn_to

HALF_HOUR = 1_800_000_000_000
DAY = 48 * HALF_HOUR
ROWS = 288


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(-100, 100)), min_size=1, max_size=80),
    st.integers(-60, 60),
)
def test_keeps_the_same_bounds_as_the_naive_twin(steps: list[tuple[int, int]], level: int) -> None:
    """Samples some half hours apart, as few as none, with values of single precision."""
    row, twin = np.zeros(1, dtype=DAILY)[0], naive.Days()
    moment = 0
    for k, (wait, value) in enumerate(steps):
        moment += wait * HALF_HOUR // 2
        turn_to(row, moment)
        here = np.float32(value)
        found = outside(row, here, np.float32(level))
        assert found == pytest.approx(twin.outside(moment, value, level), abs=1e-4)
        follow(row, here, k == 0)
        twin.follow(moment, value)


def test_what_a_time_of_day_never_saw_is_usual_from_its_fourth_day_on() -> None:
    row = np.zeros(1, dtype=DAILY)[0]
    told = []
    for day in range(14):
        for half_hour in range(48):
            turn_to(row, day * DAY + half_hour * HALF_HOUR)
            for value in (20.0, 60.0 if day >= 5 and half_hour == 7 else 22.0):
                here = np.float32(value)
                if half_hour == 7 and value == 60.0:
                    told.append(outside(row, here, np.float32(21.0)))
                follow(row, here, day == half_hour == 0 and value == 20.0)
    assert told[:2] == [1.0, 1.0]
    assert told[3:] == [0.0] * 6


def test_a_nightly_job_alarms_at_first_and_then_no_more() -> None:
    early = late = 0
    for seed in range(4):
        rows = np.arange(20 * ROWS)
        values = 20.0 + 2.0 * np.random.default_rng(seed).normal(size=len(rows))
        values[(rows % ROWS >= 100) & (rows % ROWS < 110) & (rows >= 10 * ROWS)] += 60.0
        told = np.flatnonzero(Detector().update_many(rows * 300, values, unit="s")["event"] == 1)
        at_job = told[(told % ROWS >= 100) & (told % ROWS < 115) & (told >= 10 * ROWS)]
        early += int(np.count_nonzero(at_job < 13 * ROWS))
        late += int(np.count_nonzero(at_job >= 13 * ROWS))
    assert early >= 4
    assert late <= 1


def test_the_bounds_follow_a_slow_drift() -> None:
    """Values that rise by a tenth of their spread a day, far beyond all of the first days'."""
    rng = np.random.default_rng(5)
    row = np.zeros(1, dtype=DAILY)[0]
    found = []
    for sample in range(40 * ROWS):
        turn_to(row, sample * DAY // ROWS)
        here = np.float32(rng.random() + 0.1 * sample / ROWS)
        level = np.float32(0.5 + 0.1 * sample / ROWS)
        found.append(outside(row, here, level))
        follow(row, here, sample == 0)
    assert np.mean(found[10 * ROWS :]) < 0.02
    far = (np.float32(here + 2.0), np.float32(0.0))
    assert [outside(row, value, level) for value in far] == [1.0, 1.0]


def test_where_all_times_are_alike_what_any_of_them_saw_is_usual() -> None:
    """Noise all day; and the same noise around a wave ten times as large."""
    rng = np.random.default_rng(6)
    found = {0.0: 0.0, 10.0: 0.0}
    for height in found:
        row = np.zeros(1, dtype=DAILY)[0]
        for sample in range(30 * ROWS):
            wave = height * np.sin(2 * np.pi * sample / ROWS)
            turn_to(row, sample * DAY // ROWS)
            here = np.float32(wave + rng.normal())
            follow(row, here, sample == 0)
        turn_to(row, 0)
        found[height] = outside(row, np.float32(3.8), np.float32(0.0))
    assert 2.0 * found[0.0] < found[10.0]


def test_bursts_to_one_side_do_not_widen_what_is_usual_to_the_other() -> None:
    """Bursts in every second half hour; a dip in one of those without."""
    rng = np.random.default_rng(7)
    row = np.zeros(1, dtype=DAILY)[0]
    for sample in range(30 * ROWS):
        turn_to(row, sample * DAY // ROWS)
        busy = sample // 6 % 2
        follow(row, np.float32(rng.normal() + 30.0 * busy * rng.random()), sample == 0)
    turn_to(row, 0)
    assert outside(row, np.float32(-9.0), np.float32(0.0)) == 1.0
    assert outside(row, np.float32(-3.5), np.float32(0.0)) == 0.0


def test_a_metric_of_one_value_that_takes_another_is_told() -> None:
    values = np.full(10 * ROWS, 7.0)
    values[-3:] = 8.0
    scored = Detector().update_many(np.arange(len(values)) * 300, values, unit="s")
    assert (scored["event"][-3:] == 1).any()
