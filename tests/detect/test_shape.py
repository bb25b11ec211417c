from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.detect import naive
from tocsin.detect.models.views.shape import CENTRES, LENGTH, SHAPE, apart, follow, look_back

#: Values and their sums that single precision holds exactly, from any of them on.
whole = st.integers(-1000, 1000).map(float)


def scores(values: list[float]) -> list[float]:
    row = np.zeros(1, dtype=SHAPE)[0]
    found = []
    for value in values:
        look_back(row)
        found.append(float(apart(row, value)))
        follow(row, value)
    return found


def expected(values: list[float]) -> list[float]:
    twin = naive.Shapes(LENGTH, CENTRES)
    found = []
    for value in values:
        found.append(twin.apart(value))
        twin.follow(value)
    return found


@given(st.lists(whole, max_size=30))
def test_scores_as_the_naive_twin(values: list[float]) -> None:
    values = [0.0, 1.0, *values]  # a unit of one
    assert scores(values) == expected(values)


@pytest.mark.parametrize("seed", range(4))
def test_drops_the_same_shapes_as_the_naive_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = [0.0, 1.0, *rng.integers(-50, 50, 600).cumsum().astype(float).tolist()]
    assert scores(values) == expected(values)


def test_what_was_seen_is_near_and_what_was_not_is_far() -> None:
    wave = np.round(10 * np.sin(2 * np.pi * np.arange(600) / 24), 3)
    found = scores(wave.tolist())
    assert max(found[48:]) == 0.0
    turned = wave.copy()
    turned[500:] = wave[500 - 24 : 600 - 24][::-1]  # usual values, in an order that is not
    assert max(scores(turned.tolist())[500:]) > 0.1


def test_a_constant_then_a_change() -> None:
    assert scores([5.0] * 20 + [13.0]) == [0.0] * 20 + [8.0 / LENGTH]


@pytest.mark.parametrize("unit", [2.0**-900, 2.0**900])
@pytest.mark.parametrize("origin", [0.0, 1024.0])
def test_depends_on_the_unit_only_and_not_on_the_origin(unit: float, origin: float) -> None:
    values = np.random.default_rng(5).integers(-50, 50, 400).astype(float)
    moved = scores(((values + origin) * unit).tolist())
    assert moved == [score * unit for score in scores(values.tolist())]


@pytest.mark.parametrize("value", [1e290, -1e290, 5e-324])
def test_extreme_values_stay_finite(value: float) -> None:
    found = scores([1.0, 2.0, value, -value, 1.0, value, 3.0] * 20)
    assert np.all(np.isfinite(found))
    assert np.all(np.isfinite(scores([value, 1.0, 2.0] * 20)))
