"""The HTM model as a whole, through `Detector` and `Fleet`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin import Detector, Fleet, Settings
from tocsin.config import load
from tocsin.detect.models.htm.parameters import Htm
from tocsin.errors import BadSampleError, ConfigurationError, StateError

#: Small enough for many tests, and so that segments are replaced soon.
TINY = {"preset": "small", "columns": 128, "cells": 4, "segments": 300}
LIKELIHOODS = ("evidence", "gaussian")
STEP = 300


def values(rows: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return 20 * np.sin(np.arange(rows) / 24 * 2 * np.pi) + rng.normal(size=rows)


def detector(likelihood: str = "gaussian", **htm: Any) -> Detector:
    return Detector(model="htm", likelihood=likelihood, htm={**TINY, **htm})


def watch(one: Detector, what: Any, first: int = 0) -> Any:
    return one.update_many(STEP * np.arange(first, first + len(what)), what, unit="s")


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_an_unusual_stretch_is_an_event(likelihood: str) -> None:
    what = values(2_000)
    what[1_500:1_512] += 60
    scored = watch(detector(likelihood, range_rule=False), what)
    usual = scored["raw_score"][1_000:1_500].mean()
    assert scored["raw_score"][1_502:1_510].mean() > usual + 0.2


def test_surprise_falls_as_a_pattern_is_learnt() -> None:
    scored = watch(detector(), np.tile([1.0, 5.0, 2.0, 8.0], 200))
    assert scored["raw_score"][0] == 1.0
    assert scored["raw_score"][-200:].mean() < 0.1


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    cut=st.integers(1, 400),
    seed=st.integers(0, 3),
    likelihood=st.sampled_from(LIKELIHOODS),
    steps=st.integers(0, 2),
)
def test_saved_and_restored_anywhere(cut: int, seed: int, likelihood: str, steps: int) -> None:
    what = values(420, seed)
    whole = detector(likelihood, prediction_steps=steps)
    expected = watch(whole, what)
    first = detector(likelihood, prediction_steps=steps)
    before = watch(first, what[:cut])
    second = Detector.from_bytes(first.to_bytes())
    after = watch(second, what[cut:], cut)
    assert np.concatenate([before, after]).tobytes() == expected.tobytes()
    assert second.to_bytes() == whole.to_bytes()


def test_metrics_of_a_fleet_do_not_meet() -> None:
    what = np.stack([values(300, seed) for seed in range(3)])
    fleet = Fleet(Settings(model="htm", htm=TINY), 3)
    times = np.repeat(STEP * np.arange(300) * 10**9, 3)
    mixed = fleet.update(np.tile(np.arange(3), 300), times, what.T.ravel())
    for k in range(3):
        alone = watch(detector("evidence"), what[k])
        for name in mixed.dtype.names or ():
            np.testing.assert_array_equal(mixed[name][k::3], alone[name])


def test_a_batch_taken_back_leaves_no_trace() -> None:
    fleet, rows = Fleet(Settings(model="htm", htm=TINY), 2), np.zeros(200, dtype=np.int64)
    times, what = STEP * np.arange(400) * 10**9, values(400)
    fleet.update(rows, times[:200], what[:200])
    before = fleet.take(np.array([0]))
    once = fleet.update(rows, times[200:], what[200:])
    fleet.put(np.array([0]), before)
    assert fleet.update(rows, times[200:], what[200:]).tobytes() == once.tobytes()


def test_the_seed_decides_everything_random() -> None:
    one, same, other = (watch(detector(seed=seed), values(300))["raw_score"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.any(one != other)


@pytest.mark.parametrize(
    "what",
    [
        np.full(400, 5.0),
        np.where(np.arange(400) == 250, 1e300, 5.0),
        np.tile([1e300, -1e300], 200),
        np.tile([1e-300, 2e-300], 200),
        np.cumsum(np.full(400, 1e6)),
    ],
    ids=["constant", "one huge", "huge", "tiny", "rising"],
)
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_strange_values_are_scored(what: Any, likelihood: str) -> None:
    scored = watch(detector(likelihood), what)
    assert np.all((scored["raw_score"] >= 0) & (scored["raw_score"] <= 1))
    ready = ~np.isnan(scored["likelihood"])
    assert ready[-1]
    assert np.all((scored["likelihood"][ready] >= 0) & (scored["likelihood"][ready] <= 1))
    assert not np.any(np.isinf(scored["expected"]))


def test_a_constant_is_no_surprise_and_its_end_is_one() -> None:
    scored = watch(detector(time_of_day_width=0), np.append(np.full(400, 5.0), 9.0))
    assert scored["raw_score"][100:400].max() == 0.0
    assert scored["raw_score"][400] > 0.5


def test_gaps_and_uneven_steps_are_steps() -> None:
    one = detector(time_of_day_width=0)
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.integers(1, 90_000, size=300))
    uneven = one.update_many(times, values(300), unit="s")
    even = watch(detector(time_of_day_width=0), values(300))
    np.testing.assert_array_equal(uneven["raw_score"], even["raw_score"])


def test_not_a_number_is_refused_and_nothing_is_learnt() -> None:
    one = detector()
    watch(one, values(50))
    state = one.to_bytes()
    with pytest.raises(BadSampleError, match="row 1"):
        watch(one, [1.0, np.nan], 50)
    assert one.to_bytes() == state


def test_the_range_rule() -> None:
    what = values(600)
    what[500] = what[:500].max() * 1.5
    ruled, free = (watch(detector(range_rule=rule), what) for rule in (True, False))
    assert ruled["anomaly_score"][500] == 1.0
    assert free["anomaly_score"][500] < 1.0
    np.testing.assert_array_equal(ruled["raw_score"], free["raw_score"])


def test_the_band_is_the_prediction() -> None:
    scored = watch(detector(), np.tile([1.0, 5.0, 2.0, 8.0], 150))
    assert np.isnan(scored["expected"][:10]).all()
    late = scored[-100:]
    assert np.abs(late["expected"] - late["value"]).mean() < 1.0
    assert np.all(late["lower"] <= late["expected"])
    assert np.all(late["expected"] <= late["upper"])
    off = watch(detector(prediction_steps=0), np.tile([1.0, 5.0], 50))
    assert np.isnan(off["expected"]).all()


def test_presets_keep_their_budgets() -> None:
    for preset, most in (("default", 3_145_728), ("small", 150_000)):
        for likelihood in LIKELIHOODS:
            assert Fleet(Settings(model="htm", likelihood=likelihood, htm=preset)).row_bytes <= most


def test_settings() -> None:
    assert Settings(model="htm").htm == Htm()
    assert Settings(model="htm", htm="small").htm == Htm.of("small")
    assert Settings(htm="small").htm is None
    with pytest.raises(ConfigurationError, match="did you mean 'columns'"):
        Settings(model="htm", htm={"colums": 5})
    state = detector().to_bytes()
    fleet = Fleet(Settings(model="htm", likelihood="gaussian", htm="small"), 1)
    with pytest.raises(StateError, match="htm"):
        fleet.load(0, state)


def test_a_configuration_file_chooses_it(tmp_path: Any) -> None:
    path = tmp_path / "tocsin.toml"
    path.write_text('[detect]\nmodel = "htm"\n[detect.htm]\npreset = "small"\ncells = 4\n')
    chosen = load(path, {}, {}).settings
    assert chosen.htm == Htm.of({"preset": "small", "cells": 4})
