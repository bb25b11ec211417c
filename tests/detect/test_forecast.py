from __future__ import annotations

import numpy as np
import pytest

from tests.detect import naive
from tocsin.detect.models.views.forecast import FORECAST, expect, follow

MINUTE = 60 * 1_000_000_000


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("minutes", [1, 5, 60])
def test_expects_what_the_naive_twin_expects(seed: int, minutes: int) -> None:
    rng = np.random.default_rng(seed)
    row = np.zeros(1, dtype=FORECAST)[0]
    twin = naive.Forecaster()
    for k in range(1500):
        civil = k * minutes * MINUTE
        value = float(np.sin(k / 50) * 10 + rng.normal() + (100 if k == 700 else 0))
        assert expect(row, civil) == pytest.approx(
            twin.expect(civil), nan_ok=True, rel=1e-6, abs=1e-6
        )
        follow(row, civil, value)
        twin.follow(civil, value)


def test_learns_the_daily_profile() -> None:
    row = np.zeros(1, dtype=FORECAST)[0]
    rng = np.random.default_rng(0)
    away = []
    for k in range(96 * 14):
        civil = k * 15 * MINUTE
        value = 50.0 if k % 96 < 48 else 10.0
        value += rng.normal()
        if k >= 96 * 10:
            away.append(abs(expect(row, civil) - value))
        follow(row, civil, value)
    # A forecaster without the time of day misses by 40 twice a day: by 0.8 on average, at best.
    assert np.max(away) < 20


def test_expects_a_constant_exactly() -> None:
    row = np.zeros(1, dtype=FORECAST)[0]
    for k in range(500):
        follow(row, k * MINUTE, 7.25)
        assert expect(row, (k + 1) * MINUTE) == 7.25


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_is_equivariant_to_scale(unit: float) -> None:
    rng = np.random.default_rng(1)
    rows = np.zeros(2, dtype=FORECAST)
    for k in range(300):
        value = float(rng.normal())
        follow(rows[0], k * MINUTE, value)
        follow(rows[1], k * MINUTE, value * unit)
    assert expect(rows[1], 300 * MINUTE) / unit == pytest.approx(expect(rows[0], 300 * MINUTE))
