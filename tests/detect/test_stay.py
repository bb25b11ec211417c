from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.detect.naive import Floats
from tocsin import Detector, Settings
from tocsin.detect.models.views.stay import STAY, follow, stays

ROWS = 288


def told_at(distances: list[float], first: int) -> list[int]:
    """Where the kernel finds that values stay away for too long; before, all lay at the level."""
    row = np.zeros(1, dtype=STAY)[0]
    found = []
    for k, away in enumerate(distances):
        told = bool(stays(row, away, first + k))
        if told:
            found.append(k)
        follow(row, away, told)
    return found


def expected_at(distances: list[float], first: int) -> list[int]:
    """The same from all distances so far, looked at anew for each."""
    found: list[int] = []
    for k in range(len(distances)):
        for least in (1.5, 3.0):
            begin, longest = _runs(distances[: k + 1], least)
            outside = sum(abs(one) >= least for one in distances[:k])
            rarity = -math.log10((outside + 1) / (first + k + 2))
            enough = (k + 1 - begin - 1.2 * longest - 4) * rarity >= 6.0
            if first + k >= 300 and begin < k and enough and not any(one >= begin for one in found):
                found.append(k)
                break
    return found


def _runs(distances: list[float], least: float) -> tuple[int, int]:
    """Where the last run begins (at the end: there is none), and the longest before it."""
    begin, longest = 0, 0
    for k, away in enumerate(distances):
        goes_on = k > 0 and abs(distances[k - 1]) >= least and away * distances[k - 1] > 0
        if not (abs(away) >= least and goes_on):
            longest = max(longest, k - begin)
            begin = k if abs(away) >= least else k + 1
    return begin, longest


@given(
    st.lists(
        st.tuples(st.sampled_from([-4.0, -2.0, 0.0, 1.0, 2.0, 4.0]), st.integers(1, 30)),
        max_size=12,
    ),
    st.sampled_from([0, 250, 300, 5_000]),
)
def test_tells_each_long_stay_once_as_the_naive_twin(
    runs: list[tuple[float, int]], first: int
) -> None:
    distances = [away for away, length in runs for _ in range(length)]
    assert told_at(distances, first) == expected_at(distances, first)


def bursts_then_shift(seed: int, by: float) -> Floats:
    """Bursts of up to ten samples and a hundred sigma, two a day, then a shift inside of them."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=20 * ROWS)
    for start in rng.integers(0, 15 * ROWS - 10, size=30).tolist():
        values[start : start + rng.integers(2, 10)] += rng.exponential(40.0)
    values[15 * ROWS :] += by
    return values


def found(values: Floats, settings: Settings | None = None) -> bool:
    """Whether an event starts within fifty samples of the shift, or is told anew."""
    scored = Detector(settings or Settings()).update_many(
        np.arange(len(values)) * 300, values, unit="s"
    )
    shift = slice(15 * ROWS, 15 * ROWS + 50)
    told = scored["anomaly_score"][shift] * (scored["alert_score"][shift] > 0)
    return bool(told.max() > 0.46)


def test_a_shift_inside_of_what_bursts_reach_is_told() -> None:
    assert sum(found(bursts_then_shift(seed, 5.0)) for seed in range(6)) >= 5
    assert sum(found(bursts_then_shift(seed, 0.0)) for seed in range(6)) <= 1


def test_a_shift_to_the_side_that_is_not_wanted_is_not() -> None:
    up = Settings(direction="up")
    assert not any(found(bursts_then_shift(seed, -5.0), up) for seed in range(4))
    assert sum(found(bursts_then_shift(seed, -5.0)) for seed in range(4)) >= 3
