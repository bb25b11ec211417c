from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tocsin.engine.order import Group, Verdict, arrange, screen
from tocsin.engine.registry import NEVER

POSITION = np.dtype([("timestamp", "i8"), ("value", "f8")])
ROWS = 3

a_sample = st.tuples(st.integers(-1, ROWS - 1), st.integers(1, 12), st.sampled_from([1.0, 2.0]))
batches = st.lists(st.lists(a_sample, max_size=8), min_size=1, max_size=4)
stored = st.lists(st.dictionaries(st.integers(1, 8), st.sampled_from([1.0, 2.0])), min_size=ROWS)


@given(batches, stored)
def test_equals_one_sample_after_the_other(
    batches: list[list[tuple[int, int, float]]], stored: list[dict[int, float]]
) -> None:
    position = np.zeros(ROWS, dtype=POSITION)
    for row in range(ROWS):
        last = max(stored[row], default=NEVER)
        position[row] = (last, stored[row].get(last, np.nan))

    def look_up(row: int, times: Sequence[int]) -> dict[int, float]:
        return {time: stored[row][time] for time in times if time in stored[row]}

    flat = [(b, *sample) for b, batch in enumerate(batches) for sample in batch]
    columns = list(zip(*flat, strict=True)) if flat else [(), (), (), ()]
    group = Group(
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.int64),
        np.array(columns[2], dtype=np.int64),
        np.array(columns[3], dtype=np.float64),
    )
    verdict = np.zeros(len(flat), dtype=np.int8)
    taken = arrange(group, verdict, position, look_up)

    expected, known = _one_by_one(flat, stored)
    assert verdict.tolist() == expected
    assert sorted(taken.tolist()) == [i for i, v in enumerate(expected) if v == Verdict.ACCEPTED]
    for row in range(ROWS):
        times = group.timestamp[taken][group.row[taken] == row].tolist()
        assert times == sorted(set(times))
        assert times == [time for time in sorted(known[row]) if time not in stored[row]]


def _one_by_one(
    flat: list[tuple[int, int, int, float]], stored: list[dict[int, float]]
) -> tuple[list[Verdict], list[dict[int, float]]]:
    """The slow, obviously right twin."""
    known = [dict(values) for values in stored]
    verdicts = [Verdict.ACCEPTED] * len(flat)
    # A batch's samples in order of time, batches as they came.
    for i in sorted(range(len(flat)), key=lambda i: (flat[i][0], flat[i][2])):
        _, row, time, value = flat[i]
        if row < 0:
            verdicts[i] = Verdict.TOO_MANY_METRICS
        elif time in known[row]:
            same = known[row][time] == value
            verdicts[i] = Verdict.DUPLICATE if same else Verdict.CONFLICT
        elif time < max(known[row], default=NEVER):
            verdicts[i] = Verdict.LATE
        else:
            known[row][time] = value
    return verdicts, known


def test_impossible_values_and_times_are_screened() -> None:
    times = np.array([0, 5, 6, 11, 7, -3], dtype=np.int64)
    values = np.array([1.0, np.nan, np.inf, 1.0, 1.0, -np.inf])
    assert screen(times, values, newest=10).tolist() == [
        Verdict.PAST,
        Verdict.NOT_FINITE,
        Verdict.NOT_FINITE,
        Verdict.FUTURE,
        Verdict.ACCEPTED,
        Verdict.NOT_FINITE,
    ]
