"""The Gaussian likelihood's kernel against `StreamingPolicy`, fed one row at a time."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin import Detector, Fleet
from tocsin.detect.likelihood import gaussian_row
from tocsin.detect.likelihood.gaussian_row import FITTED_FROM, GAUSSIAN, LIVE
from tocsin.detect.likelihood.parameters import Parameters
from tocsin.detect.likelihood.policy import StreamingPolicy
from tocsin.detect.likelihood.rows import MemoryRows, Rows
from tocsin.detect.result import VIEW_NAMES
from tocsin.detect.settings import Settings

Floats = NDArray[np.float64]
#: So many that the sample has slid by more than it skips.
MANY = 9_300


def by_policy(values: Floats, raw: Floats) -> Floats:
    """The anomaly scores of HTM Engine's policy in live operation."""
    policy, memory = StreamingPolicy(LIVE), MemoryRows(LIVE.sample_size)
    rows = Rows.of(np.arange(1, len(raw) + 1), values, raw)
    parameters: Parameters | None = None
    scores = np.empty(len(raw))
    for k in range(len(raw)):
        scored = policy.score(parameters, rows[k : k + 1], memory)
        scores[k], parameters = scored.anomaly_scores[0], scored.parameters
        memory.append(rows[k : k + 1])
    return scores


def by_kernel(values: Floats, raw: Floats) -> Floats:
    row = np.zeros(1, dtype=GAUSSIAN)[0]
    scores = np.empty(len(raw))
    for k in range(len(raw)):
        scores[k] = 1.0 - gaussian_row.survival(row, raw[k])
        gaussian_row.add(row, raw[k], values[k])
    return scores


def random(rows: int, seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=rows), rng.beta(0.5, 4.0, rows)


def quantised(rows: int, seed: int) -> tuple[Floats, Floats]:
    """Raw scores as an HTM gives them: forties, mostly 0, now and then a burst of ones."""
    rng = np.random.default_rng(seed)
    raw = np.where(rng.random(rows) < 0.8, 0.0, rng.integers(0, 12, rows) / 40)
    for begin in rng.integers(0, rows, rows // 150):
        raw[begin : begin + 8] = 1.0
    return rng.normal(50.0, 9.0, rows).round(1), raw


def flat_at_times(rows: int, seed: int) -> tuple[Floats, Floats]:
    """Values that are constant for longer than a sample, and raw scores that go on."""
    values, raw = random(rows, seed)
    values[500:] = 4.0
    return values, raw


def flat_then_not(rows: int, seed: int) -> tuple[Floats, Floats]:
    values, raw = random(rows, seed)
    values[:600] = 1e6
    return values, raw


def perfectly_learnt(rows: int, seed: int) -> tuple[Floats, Floats]:
    values, _ = random(rows, seed)
    raw = np.zeros(rows)
    raw[700::211] = 1.0
    return values, raw


def huge_values(rows: int, seed: int) -> tuple[Floats, Floats]:
    values, raw = random(rows, seed)
    return values * 1e200, raw


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        (random, MANY),
        (quantised, MANY),
        (flat_at_times, MANY),
        (flat_then_not, 1_500),
        (perfectly_learnt, 1_500),
        (huge_values, 1_500),
    ],
)
def test_it_equals_the_policy_in_live_operation(kind: Any, rows: int) -> None:
    values, raw = kind(rows, seed=rows)
    np.testing.assert_allclose(by_kernel(values, raw), by_policy(values, raw), rtol=0, atol=1e-9)


def test_the_cases_above_reach_every_rule() -> None:
    assert np.any(by_kernel(*quantised(MANY, MANY)) >= LIVE.gaussian.red)
    repeated = by_kernel(*quantised(MANY, MANY)) == 1.0 - (1.0 - LIVE.gaussian.repeated_red)
    assert np.count_nonzero(repeated) > 10
    flat = by_kernel(*flat_at_times(MANY, MANY))
    assert np.all(np.abs(flat[9_200:] - 0.5) < 0.01)
    assert np.ptp(flat[1_000:8_000]) > 0.5
    learning = by_kernel(*flat_then_not(1_500, 1_500))
    assert np.all(np.abs(learning[FITTED_FROM:500] - 0.5) < 0.01)
    assert np.ptp(learning[700:]) > 0.5


def test_the_first_row_with_a_fitted_law_is_where_it_says() -> None:
    scores = by_kernel(*random(400, 5))
    assert not scores[:100].any()
    assert np.all(np.abs(scores[100 : FITTED_FROM - 1] - 0.5) < 0.01)
    assert abs(scores[FITTED_FROM - 1] - 0.5) > 0.01


@pytest.mark.parametrize("p", [1e-8, 1e-5, 1e-3, 0.1])
def test_level_is_the_raw_score_whose_tail_probability_is_p(p: float) -> None:
    values, raw = random(2_000, 11)
    row = np.zeros(1, dtype=GAUSSIAN)[0]
    for k in range(len(raw)):
        gaussian_row.add(row, raw[k], values[k])
    row["tail"] = 1.0  # no repeats
    level = gaussian_row.level(row, p)
    assert gaussian_row.survival(row, level) == pytest.approx(p, rel=1e-6)


def test_evidence_is_mapped_to_raw_scores_and_back() -> None:
    evidence = np.array([0.0, 0.3, 5.0, 14.9, 15.0])
    raw = np.array([gaussian_row.bounded(one) for one in evidence])
    assert raw[0] == 0.0
    assert raw[-1] == 1.0
    assert np.all(np.diff(raw) > 0)
    back = [gaussian_row.unbounded(one) for one in raw]
    np.testing.assert_allclose(back, evidence, rtol=1e-12)
    assert gaussian_row.bounded(250.0) == 1.0
    assert gaussian_row.unbounded(1.01) == np.inf
    assert gaussian_row.unbounded(-0.5) == 0.0


def test_a_fleet_gives_the_policys_scores_of_the_models_raw_scores() -> None:
    rng = np.random.default_rng(2)
    at = np.arange(2_500)
    values = 20.0 * np.sin(at / 40.0) + rng.normal(size=len(at))
    values[2_000:2_012] += 300.0
    scored = Detector(likelihood="gaussian").update_many(300 * at, values, unit="s")
    raw = np.minimum(scored["raw_score"] / 15.0, 1.0)
    expected = by_policy(values, raw)
    ready = ~np.isnan(scored["likelihood"])
    assert np.flatnonzero(ready)[0] == FITTED_FROM - 1
    # A season that no clock knows is away from its level for longer than ever, once: a broken habit
    # is told whatever the likelihood.
    habit = scored["views"][:, VIEW_NAMES.index("level")] == 6.0
    assert np.count_nonzero(habit) <= 2
    ready &= ~habit
    np.testing.assert_allclose(scored["likelihood"][ready], expected[ready], rtol=0, atol=1e-9)
    assert np.any(scored["event"][2_000:2_012] == 1)


def test_the_band_is_where_a_single_value_would_cross_the_limit() -> None:
    rng = np.random.default_rng(4)
    at = np.arange(FITTED_FROM + 32 * 30)
    values = rng.normal(size=len(at))
    fleet = Fleet(Settings(likelihood="gaussian", false_alarms_per_week=30.0), 1)
    fleet.update(0 * at[:-1], at[:-1] * 10**10, values[:-1])
    before = fleet.take(np.array([0]))

    def last(value: float) -> Any:
        fleet.put(np.array([0]), before)
        return fleet.update(np.array([0]), at[-1:] * 10**10, np.array([value]))[0]

    # The band is looked for at this sample.
    usual = last(0.0)
    limit = 1.0 - 30.0 * 10 / (7 * 86_400)
    for side in ("lower", "upper"):
        edge = usual[side]
        assert np.isfinite(edge)
        assert last(0.9 * edge)["likelihood"] < limit < last(1.1 * edge)["likelihood"]


def test_it_is_loaded_only_where_it_is_chosen() -> None:
    def loaded(likelihood: str) -> bool:
        code = (
            f"import sys, tocsin; tocsin.Detector(likelihood={likelihood!r});"
            "print([name for name in sys.modules if 'gaussian' in name])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        return done.stdout.strip() != b"[]"

    assert not loaded("evidence")
    assert loaded("gaussian")
