from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.detect import naive
from tocsin import Detector
from tocsin.detect.models.views import forecast
from tocsin.detect.models.views.level import LEVEL, away_from, displaced, follow, turn_to
from tocsin.detect.result import VIEW_NAMES

STEP = 900_000_000_000
DAY = 96 * STEP
ROWS = 288


@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=400),
    st.sampled_from([STEP // 3, 24 * STEP]),
)
def test_is_as_the_naive_twin_says(values: list[int], step: int) -> None:
    """Many samples a day, or four: with four, the daily profile is known soon."""
    row, seen = np.zeros(1, dtype=LEVEL)[0], np.zeros(1, dtype=forecast.FORECAST)[0]
    twin, profile = naive.Level(), naive.Forecaster()
    for k, value in enumerate(values):
        civil = k * step
        turn_to(row, civil)
        told = twin.displaced(civil, value, profile)
        away = away_from(row, seen, float(value))
        assert displaced(row, away) == pytest.approx(told, abs=1e-6)
        follow(row, seen, float(value), away)
        forecast.follow(seen, civil, float(value))
        twin.follow(civil, value, profile)
        profile.follow(civil, value)


def test_a_shift_fills_it_and_a_spike_does_not() -> None:
    rng = np.random.default_rng(1)
    row, seen = np.zeros(1, dtype=LEVEL)[0], np.zeros(1, dtype=forecast.FORECAST)[0]
    values = rng.normal(size=3_000)
    values[2_000] = 1e6
    values[2_500:2_550] += 4.0
    found = []
    for k, value in enumerate(values.tolist()):
        turn_to(row, k * STEP // 3)
        away = away_from(row, seen, value)
        found.append(displaced(row, away))
        follow(row, seen, value, away)
        forecast.follow(seen, k * STEP // 3, value)
    usually = max(found[1_000:2_000])
    assert max(found[2_000:2_020]) < 1.5 * usually
    assert max(found[2_500:2_550]) > 4.0 * usually
    assert max(found[2_551:2_600]) < 4.0 * usually  # a sample that is back is none


def test_a_shift_among_bursts_is_this_views_to_tell() -> None:
    """Bursts of thirty sigma reach much further than the shift, which is inside what was seen."""
    level = VIEW_NAMES.index("level")
    for seed in range(4):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=20 * ROWS)
        burst = rng.random(len(values)) < 0.03
        values[burst] += rng.exponential(30.0, size=int(burst.sum()))
        values[15 * ROWS :] += 4.0
        scored = Detector().update_many(np.arange(len(values)) * 300, values, unit="s")
        told = scored["views"][:, level]
        shift = slice(15 * ROWS, 15 * ROWS + 50)
        assert told[shift].max() > 1.5 > told[5 * ROWS : 15 * ROWS].max()
        assert scored["anomaly_score"][shift].max() > 0.3
