"""The classifier: what it expects, how wide, and that nothing in its input breaks it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.detect.models.htm.classifier import (
    GRID,
    Classifier,
    classifier_fields,
    classify,
    learn_value,
)
from tocsin.detect.models.htm.encoders.range import RANGE, follow
from tocsin.detect.models.htm.parameters import Htm

Floats = NDArray[np.float64]
CELLS = 8


class Judge:
    """The kernels with a state of their own, fed with cells that a test chooses."""

    def __init__(self, **options: Any) -> None:
        self.htm = Htm.of({"preset": "small", **options})
        self.range: Any = np.zeros(1, dtype=RANGE)[0]
        self.grid: Any = np.zeros(1, dtype=GRID)[0]
        arrays: list[Any] = [
            np.zeros(int(np.prod(shape)), kind) for _, kind, shape in classifier_fields(self.htm)
        ]
        self.state = Classifier(*arrays)

    def step(self, value: float, cells: list[int]) -> Floats:
        """Learn a value with the cells that are active at it; returns the forecast."""
        htm, grid, state = self.htm, self.grid, self.state
        follow(self.range, value, htm.buckets, 0.0, htm.range_trim, htm.range_samples, 1)
        low, high = float(self.range["low"]), float(self.range["high"])
        learn_value(grid, state, value, low, high, htm.prediction_rate)
        on = np.array(cells, dtype=np.int32)
        classify(grid, state, on, len(on), CELLS, htm.prediction_share, 1)
        return state.forecast.reshape(-1, 3).copy()


def cells_of(symbol: int) -> list[int]:
    """Twelve cells, of other columns for every symbol."""
    return [(symbol * 12 + k) * CELLS + (symbol + k) % CELLS for k in range(12)]


def test_nothing_is_predicted_before_enough_was_seen() -> None:
    judge = Judge(prediction_steps=2)
    forecasts = np.array([judge.step(k % 3, cells_of(k % 3)) for k in range(40)])
    known = ~np.isnan(forecasts[:, :, 0])
    assert known[:, 0].argmax() == 19
    assert known[:, 1].argmax() == 20
    assert known[20:].all()


def test_a_sequence_is_predicted_several_steps_ahead() -> None:
    values = [3.0, 14.0, 30.0, 92.0, 65.0]
    judge = Judge(prediction_steps=3)
    for k in range(1000):
        forecast = judge.step(values[k % 5], cells_of(k % 5))
    ahead = [values[(999 + s) % 5] for s in (1, 2, 3)]
    assert forecast[:, 0] == pytest.approx(ahead, abs=0.01)
    assert np.all(forecast[:, 2] - forecast[:, 1] < 5.0)


def test_chances_are_those_of_the_values() -> None:
    """After the same cells comes 0, 1 or 10 with known chances: the distribution tells them."""
    rng = np.random.default_rng(1)
    judge = Judge(prediction_rate=0.1)
    for value in rng.choice([0.0, 1.0, 10.0], size=4000, p=[0.6, 0.3, 0.1]):
        judge.step(value, cells_of(0))
    chances, seen = judge.state.chances, judge.state.seen > 0
    assert chances.sum() == pytest.approx(1.0, abs=1e-5)
    told = dict(zip(judge.state.mean[seen].round(6), chances[seen], strict=True))
    assert told == pytest.approx({0.0: 0.6, 1.0: 0.3, 10.0: 0.1}, abs=0.12)


def test_lower_and_upper_hold_their_share() -> None:
    rng = np.random.default_rng(2)
    judge = Judge(prediction_share=0.8, prediction_rate=0.2)
    hits, centre, forecast = [], np.array([0.0, 40.0, 100.0]), np.full((1, 3), np.nan)
    for k in range(6000):
        value = rng.normal(centre[k % 3], 5.0)
        if k >= 1000:
            hits.append(forecast[0, 1] <= value <= forecast[0, 2])
        forecast = judge.step(value, cells_of(k % 3))
    assert 0.7 < np.mean(hits) < 0.9


def test_a_column_is_enough_in_a_context_that_was_never_seen() -> None:
    """Other cells of the same columns: what usually follows is still known."""
    judge = Judge()
    for k in range(600):
        judge.step(5.0 if k % 2 else 80.0, cells_of(k % 2))
    judge.step(80.0, cells_of(0))
    other = [cell // CELLS * CELLS + (cell + 3) % CELLS for cell in cells_of(0)]
    assert judge.step(80.0, other)[0, 0] == pytest.approx(5.0, abs=1.0)


def test_learns_anew_when_what_follows_changes() -> None:
    judge = Judge()
    for after in (10.0, 90.0):
        for k in range(400):
            judge.step(0.0 if k % 2 else after, cells_of(0 if k % 2 else int(after)))
        assert judge.step(0.0, cells_of(0))[0, 0] == pytest.approx(after, abs=2.0)


def test_a_constant_is_expected_exactly() -> None:
    judge = Judge()
    forecast = [judge.step(7.25, cells_of(0)) for _ in range(50)][-1]
    assert forecast[0].tolist() == [7.25, 7.25, 7.25]


def test_what_was_learnt_survives_a_new_range() -> None:
    """Buckets are laid out anew for a range ten times as wide; what follows is still known."""
    judge = Judge()
    for k in range(600):
        judge.step(float(k % 4), cells_of(k % 4))
    before = float(judge.grid["step"])
    for k in range(30):
        judge.step(20.0 + k, cells_of(7))
    assert judge.grid["step"] > 5 * before
    expected = [judge.step(float(k), cells_of(k))[0, 0] for k in (0, 1, 2)]
    assert expected == pytest.approx([1.0, 2.0, 3.0], abs=1.5)


def test_one_outlier_is_forgotten() -> None:
    judge = Judge()
    for k in range(900):
        forecast = judge.step(1e300 if k == 400 else float(k % 3), cells_of(k % 3))
    assert forecast[0, 0] == pytest.approx(0.0, abs=0.1)
    assert forecast[0, 2] < 3.0


FINITE = st.floats(min_value=-1e300, max_value=1e300)


@settings(max_examples=60)
@given(st.lists(st.tuples(FINITE, st.integers(0, 5)), min_size=25, max_size=80))
def test_any_finite_values_give_a_band_in_order(samples: list[tuple[float, int]]) -> None:
    judge = Judge(prediction_steps=2)
    seen: list[float] = []
    for value, symbol in samples:
        forecast = judge.step(value, cells_of(symbol))
        seen.append(value)
    assert np.all(forecast[:, 1] <= forecast[:, 0])
    assert np.all(forecast[:, 0] <= forecast[:, 2])
    slack = 1e-9 * max(abs(v) for v in seen)
    assert np.all(min(seen) - slack <= forecast[:, 1])
    assert np.all(forecast[:, 2] <= max(seen) + slack)


def test_columns_that_burst_stand_for_themselves_only() -> None:
    """All cells of more columns than there is room for: some columns, no cells, are noted."""
    judge = Judge()
    for k in range(60):
        forecast = judge.step(float(k % 2), list(range((k % 2) * 1000, (k % 2) * 1000 + 1000)))
    room = 3 * judge.htm.active_columns + 1
    assert room - 3 <= judge.state.actives[0] <= room
    assert forecast[0, 0] == pytest.approx(0.0, abs=0.1)


def test_no_steps_no_state() -> None:
    judge = Judge(prediction_steps=0)
    assert judge.state.weights.size == 0
    assert judge.step(1.0, cells_of(0)).shape == (0, 3)


def test_a_gradient_step_as_written_down() -> None:
    """The same learning in plain NumPy, sample by sample."""
    rng = np.random.default_rng(5)
    judge = Judge(prediction_rate=0.3)
    shape = (judge.htm.prediction_rows, judge.htm.prediction_buckets)
    compared = 0
    for _ in range(400):
        arrays: list[Any] = [array.copy() for array in judge.state]
        grid, state = judge.grid.copy(), Classifier(*arrays)
        judge.step(float(rng.integers(0, 6)), cells_of(int(rng.integers(0, 4))))
        if grid["learnt"] == 0 or (grid["low"], grid["step"]) != (
            judge.grid["low"], judge.grid["step"]
        ):  # fmt: skip
            continue
        active = state.active[: state.actives[0]]
        weights = state.weights.astype(float).reshape(shape)
        score = weights[active].sum(axis=0)
        chances = np.exp(score - score.max()) / np.exp(score - score.max()).sum()
        came = judge.state.seen - state.seen
        np.add.at(weights, active, 0.3 * (came - chances) / len(active))
        np.testing.assert_allclose(judge.state.weights.reshape(shape), weights, atol=2e-5)
        compared += 1
    assert compared > 300
