from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin.bench.labelled.alarms import NOTHING, best_tally, tally

Bools = NDArray[np.bool_]


def rows(*marked: int | range, size: int = 100) -> Bools:
    found = np.zeros(size, dtype=bool)
    for one in marked:
        found[list(one) if isinstance(one, range) else one] = True
    return found


@pytest.mark.parametrize(
    ("alarm", "hit", "delay"),
    [(37, 0, None), (38, 1, -2), (40, 1, 0), (44, 1, 4), (49, 1, 9), (50, 0, None)],
)
def test_an_event_is_hit_from_two_rows_before_to_five_after(
    alarm: int, hit: int, delay: int | None
) -> None:
    found = tally(rows(alarm), rows(range(40, 45)))
    assert (found.events, found.hit, found.false_alarms) == (1, hit, 1 - hit)
    assert found.median_delay == delay


@pytest.mark.parametrize(
    ("alarms", "counted"),
    [
        ((10,), 1),
        ((10, 15), 1),  # four quiet rows between
        ((10, 16), 2),  # five
        ((range(10, 20),), 1),
        ((range(10, 21),), 2),
        ((10, 14, 18, 22), 2),  # 13 rows long when joined
        ((range(100),), 10),
    ],
)
def test_false_alarms_are_joined_and_count_by_length(
    alarms: tuple[int | range, ...], counted: int
) -> None:
    assert tally(rows(*alarms), rows()).false_alarms == counted


def test_only_the_part_outside_the_zone_is_false() -> None:
    found = tally(rows(range(20, 46)), rows(range(40, 45)))
    assert (found.hit, found.false_alarms) == (1, 2)
    assert found.delays == (-2,)


def test_one_alarm_may_hit_two_events_that_are_close() -> None:
    found = tally(rows(43), rows(40, 44))
    assert (found.events, found.hit, found.false_alarms) == (2, 2, 0)
    assert found.delays == (3, -1)


def test_figures_of_a_tally() -> None:
    found = tally(rows(10, 40, 70), rows(40, 60, 90)) + tally(rows(), rows(5))
    assert (found.events, found.hit, found.false_alarms, found.rows) == (4, 1, 2, 200)
    assert found.recall == pytest.approx(1 / 4)
    assert found.precision == pytest.approx(1 / 3)
    assert found.f1 == pytest.approx(2 * (1 / 4) * (1 / 3) / (1 / 4 + 1 / 3))
    assert found.false_per_1000 == pytest.approx(10.0)


def test_nothing_is_worth_nothing() -> None:
    assert (NOTHING.recall, NOTHING.precision, NOTHING.f1, NOTHING.false_per_1000) == (0, 0, 0, 0)
    assert NOTHING.median_delay is None


def test_the_best_threshold_serves_all_series() -> None:
    first, second = np.zeros(100), np.zeros(100)
    first[[10, 40]] = [5.0, 9.0]  # false at 5, hit at 9
    second[[60, 80]] = [7.0, 3.0]  # hit at 7, hit at 3
    labels = [rows(40), rows(60, 80)]
    best, threshold = best_tally([first, second], labels)
    # At 9: 1 of 3; at 7: 2 of 3, none false; at 3: 3 of 3, one false.
    assert (best.hit, best.false_alarms, threshold) == (3, 1, 3.0)
    first[[20, 30]] = 4.0
    best, threshold = best_tally([first, second], labels)
    assert (best.hit, best.false_alarms, threshold) == (2, 0, 7.0)


def test_no_threshold_beats_the_best() -> None:
    rng = np.random.default_rng(3)
    labels = [rng.random(400) < 0.02 for _ in range(3)]
    scores = [np.asarray(np.round(rng.random(400) + 0.5 * one, 2), float) for one in labels]
    best, _ = best_tally(scores, labels)
    for threshold in np.unique(np.concatenate(scores)):
        found = NOTHING
        for score, label in zip(scores, labels, strict=True):
            found += tally(score >= threshold, label)
        # Joining makes the count of false alarms not quite monotone.
        assert found.f1 <= best.f1 + 0.01


def test_a_silent_score_has_no_best_threshold() -> None:
    best, threshold = best_tally([np.zeros(100)], [rows(40)])
    assert (best.hit, best.f1, threshold) == (0, 0.0, np.inf)
