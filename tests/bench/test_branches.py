from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin.bench.branches import Branching, Tail, alarms_of
from tocsin.bench.judges import Judged, TocsinJudge, baseline_judge
from tocsin.errors import ConfigurationError

MINUTE = 60_000_000_000


@dataclass(frozen=True)
class Whole:
    """Ours, but only able to run a series from its beginning."""

    ours: TocsinJudge = field(default_factory=TocsinJudge)
    name: str = "whole"

    def run(
        self, timestamps: NDArray[np.int64], values: NDArray[np.float64], timezone: str = "UTC"
    ) -> Judged:
        return self.ours.run(timestamps, values, timezone)


def series(rows: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    values = np.random.default_rng(8).normal(size=rows)
    values[700::400] += 20.0
    return np.arange(rows, dtype=np.int64) * 5 * MINUTE, values


def test_branches_are_as_whole_series() -> None:
    times, values = series(900)
    spike = values[400:450].copy()
    spike[7] -= 30.0
    tails = [
        Tail(400, times[400:450], spike),
        Tail(800, times[800:] + 90 * MINUTE, values[800:] - 40.0),
        Tail(400, times[400:], values[400:]),
        Tail(0, times[:200], values[:200]),
    ]
    assert isinstance(TocsinJudge(), Branching)
    assert not isinstance(Whole(), Branching)
    ours = alarms_of(TocsinJudge(), times, values, "Asia/Tokyo", tails)
    theirs = alarms_of(Whole(), times, values, "Asia/Tokyo", tails)
    np.testing.assert_array_equal(ours[0], theirs[0])
    assert ours[0][700]
    assert ours[1][0][7]
    assert [len(one) for one in ours[1]] == [50, 100, 500, 200]
    for mine, whole in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_array_equal(mine, whole)
    np.testing.assert_array_equal(ours[1][2], ours[0][400:])


def test_without_tails_there_is_only_the_series() -> None:
    times, values = series(400)
    whole, told = alarms_of(TocsinJudge(), times, values, "UTC", [])
    assert whole.shape == (400,)
    assert told == []


def test_a_judge_without_threshold_is_refused() -> None:
    times, values = series(100)
    with pytest.raises(ConfigurationError, match="no threshold"):
        alarms_of(baseline_judge("z", np.abs), times, values, "UTC", [])
