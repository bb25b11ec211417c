from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import Detector, Fleet, Settings
from tocsin.detect import snapshot
from tocsin.detect.settings import LIKELIHOODS
from tocsin.errors import BadInputError, StateError

SECOND = 1_000_000_000

LIKELIHOOD = pytest.mark.parametrize("likelihood", LIKELIHOODS)


@LIKELIHOOD
@given(order=st.lists(st.integers(0, 4), min_size=1, max_size=600), seed=st.integers(0, 2**31))
def test_any_mix_of_metrics_equals_one_detector_each(
    likelihood: str, order: list[int], seed: int
) -> None:
    settings = Settings(likelihood=likelihood)
    rng = np.random.default_rng(seed)
    metric = np.array(order, dtype=np.int64)
    times = np.arange(1, len(order) + 1, dtype=np.int64) * SECOND
    values = rng.normal(size=len(order)).round(2)
    fleet = Fleet(settings, 5)
    mixed = fleet.update(metric, times, values)
    for k in range(5):
        mine = metric == k
        alone = Detector(settings).update_many(times[mine], values[mine], unit="ns")
        for name in mixed.dtype.names or ():
            np.testing.assert_array_equal(mixed[name][mine], alone[name])
        assert fleet.seen(k) == mine.sum()


@LIKELIHOOD
def test_grows_and_keeps_what_was_learnt(likelihood: str) -> None:
    settings = Settings(likelihood=likelihood)
    fleet = Fleet(settings)
    alone = Detector(settings)
    fleet.add()
    for k in range(1, 400):
        fleet.update(np.array([0]), np.array([k * SECOND]), np.array([float(k % 5)]))
        alone.update(k * SECOND, float(k % 5), unit="ns")
        fleet.add(10)
    assert len(fleet) == 1 + 399 * 10
    assert fleet.to_bytes(0) == alone.to_bytes()


@LIKELIHOOD
def test_a_batch_can_be_rolled_back(likelihood: str) -> None:
    fleet = Fleet(Settings(likelihood=likelihood), 3)
    rng = np.random.default_rng(0)
    metric = rng.integers(0, 3, 1000)
    times = np.arange(1, 1001) * SECOND
    fleet.update(metric, times, rng.normal(size=1000))
    before = [fleet.to_bytes(k) for k in range(3)]
    touched = np.array([0, 2])
    states = fleet.take(touched)
    fleet.update(np.array([0, 2, 0]), np.array([2000, 2000, 2001]) * SECOND, np.ones(3))
    assert fleet.to_bytes(0) != before[0]
    fleet.put(touched, states)
    assert [fleet.to_bytes(k) for k in range(3)] == before


@LIKELIHOOD
def test_a_state_of_another_likelihood_is_refused_and_nothing_changes(likelihood: str) -> None:
    (other,) = set(LIKELIHOODS) - {likelihood}
    fleet, stranger = (
        Fleet(Settings(likelihood=likelihood), 1),
        Fleet(Settings(likelihood=other), 1),
    )
    fleet.update(np.array([0]), np.array([SECOND]), np.array([1.0]))
    before = fleet.to_bytes(0)
    told = f"likelihood = '{other}', not '{likelihood}'"
    with pytest.raises(StateError, match=told):
        fleet.load(0, stranger.to_bytes(0))
    assert fleet.to_bytes(0) == before
    assert Fleet.from_bytes(before).settings.likelihood == likelihood


def test_a_state_cannot_pass_for_one_of_another_likelihood() -> None:
    # Its settings say one thing, its row another.
    rows = Fleet(Settings(likelihood="gaussian"), 1).take(np.array([0]))
    with pytest.raises(StateError, match="another version of the model"):
        Fleet.from_bytes(snapshot.pack(rows, Settings(likelihood="evidence")))


def test_the_memory_of_a_metric_is_what_is_documented() -> None:
    sizes = {name: Fleet(Settings(likelihood=name)).row_bytes / 1024 for name in LIKELIHOODS}
    told = {name: f"{size:.1f} KiB" for name, size in sizes.items()}
    for size in told.values():
        assert size in (Fleet.row_bytes.__doc__ or "")
    assert sizes["evidence"] < sizes["gaussian"] < 20


@pytest.mark.parametrize(("likelihood", "needed"), [("evidence", 100), ("gaussian", 293)])
def test_readiness_is_the_likelihoods(likelihood: str, needed: int) -> None:
    fleet = Fleet(Settings(likelihood=likelihood), 1)
    at = np.arange(1, 400)
    scored = fleet.update(0 * at, at * SECOND, np.random.default_rng(8).normal(size=len(at)))
    assert fleet.readiness(0).needed == needed
    assert fleet.readiness(0).ready
    for name in ("likelihood", "anomaly_score", "alert_score", "lower", "upper"):
        unknown = np.isnan(scored[name])
        assert unknown[: needed - 1].all()
        assert not unknown[needed - 1 :].any()


@pytest.mark.parametrize(("metric", "times"), [([2], [1]), ([-1], [1]), ([0, 1], [1])])
def test_rows_that_are_not_there_are_refused(metric: list[int], times: list[int]) -> None:
    fleet = Fleet(metrics=2)
    with pytest.raises(BadInputError):
        fleet.update(np.array(metric), np.array(times), np.ones(len(metric)))
