from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tocsin import Detector, Fleet

SECOND = 1_000_000_000


@given(st.lists(st.integers(0, 4), min_size=1, max_size=600), st.integers(0, 2**31))
def test_any_mix_of_metrics_equals_one_detector_each(order: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    metric = np.array(order, dtype=np.int64)
    times = np.arange(1, len(order) + 1, dtype=np.int64) * SECOND
    values = rng.normal(size=len(order)).round(2)
    fleet = Fleet(metrics=5)
    mixed = fleet.update(metric, times, values)
    for k in range(5):
        mine = metric == k
        alone = Detector().update_many(times[mine], values[mine], unit="ns")
        for name in mixed.dtype.names or ():
            np.testing.assert_array_equal(mixed[name][mine], alone[name])
        assert fleet.seen(k) == mine.sum()


def test_grows_and_keeps_what_was_learnt() -> None:
    fleet = Fleet()
    alone = Detector()
    fleet.add()
    for k in range(1, 200):
        fleet.update(np.array([0]), np.array([k * SECOND]), np.array([float(k % 5)]))
        alone.update(k * SECOND, float(k % 5), unit="ns")
        fleet.add(10)
    assert len(fleet) == 1 + 199 * 10
    assert fleet.to_bytes(0) == alone.to_bytes()


def test_a_batch_can_be_rolled_back() -> None:
    fleet = Fleet(metrics=3)
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
