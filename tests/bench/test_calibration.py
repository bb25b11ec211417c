from __future__ import annotations

import numpy as np
import pytest

from tocsin.bench.calibration import ALPHAS, JUDGED, SHIFTS, run_calibration, run_power
from tocsin.bench.streams import DAY, RAW_SCORES, STREAMS, autoregressive


@pytest.mark.parametrize("kind", [*STREAMS, *(f"raw: {k}" for k in RAW_SCORES)])
def test_streams_are_finite_and_repeatable(kind: str) -> None:
    make = RAW_SCORES[kind[5:]] if kind.startswith("raw: ") else STREAMS[kind]
    ours, theirs = (make(np.random.default_rng(1), 5 * DAY) for _ in range(2))
    assert ours.shape == (5 * DAY,)
    assert np.all(np.isfinite(ours))
    np.testing.assert_array_equal(ours, theirs)
    assert not kind.startswith("raw: ") or ours.min() >= 0


@pytest.mark.parametrize("memory", [0.5, 0.99])
def test_an_autoregression_has_the_variance_and_memory_that_it_says(memory: float) -> None:
    x = autoregressive(np.random.default_rng(0), 400_000, memory)
    assert x.var() == pytest.approx(1.0, rel=0.1)
    assert np.corrcoef(x[1:], x[:-1])[0, 1] == pytest.approx(memory, abs=0.01)


def test_there_are_enough_kinds() -> None:
    assert len(STREAMS) >= 20


def test_the_default_model_keeps_what_it_states() -> None:
    rows = list(run_calibration("tocsin", 30_000, 1))
    # More alarms than stated is the failure; fewer happens on discrete values.
    assert all(row.ratios[1] < 2 for row in rows)
    middle = np.median([row.ratios for row in rows], axis=0)
    assert middle[2] < 2
    # Where rare scores come in clusters or heavy tails, more is told: docs/calibration.md.
    assert middle[3] < 4


def test_the_likelihood_keeps_what_it_states() -> None:
    for row in run_calibration("likelihood", 100_000, 1):
        assert row.loudest < 2, row
        if row.kind not in ("uniform", "fortieths, mostly 0"):
            assert row.worst < 2, row


def test_a_judge_that_always_alarms_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(JUDGED, "loud", ({"white": STREAMS["white"]}, lambda v: np.zeros(len(v))))
    (row,) = run_calibration("loud", 20_000, 1)
    assert row.ratios == pytest.approx([1 / alpha for alpha in ALPHAS])
    assert row.worst == pytest.approx(1e3)


def test_larger_shifts_are_found_more_surely() -> None:
    for row in run_power("likelihood", 10):
        assert list(row.found) == sorted(row.found), row
        assert row.found[-1] == 1.0 or row.kind == "log-normal", row
        assert len(row.delay) == len(SHIFTS)


def test_a_judge_that_is_silent_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(JUDGED, "mute", ({"white": STREAMS["white"]}, lambda v: np.ones(len(v))))
    (row,) = run_power("mute", 3)
    assert row.found == (0.0,) * len(SHIFTS)
    assert row.delay == (None,) * len(SHIFTS)
