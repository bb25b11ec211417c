from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.detect import naive
from tocsin.detect.models.views.novelty import NOVELTY, SPANS, distance, see

numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3))


def follow(values: list[float]) -> tuple[np.void, list[float]]:
    row = np.zeros(1, dtype=NOVELTY)[0]
    found = []
    for value in values:
        found.append(float(distance(row, value)))
        see(row, value)
    return row, found


@given(st.lists(numbers, max_size=SPANS))
def test_is_exact_until_the_spans_are_used_up(values: list[float]) -> None:
    _, found = follow(values)
    assert found == pytest.approx(naive.distances(values), abs=1e-9)


@given(st.lists(numbers, min_size=SPANS, max_size=3 * SPANS, unique=True))
def test_keeps_the_same_spans_as_the_naive_twin(values: list[float]) -> None:
    row, found = follow(values)
    kept = naive.spans(values, SPANS)
    count = int(row["spans"])
    assert list(zip(row["low"][:count], row["high"][:count], strict=True)) == kept
    exact = naive.distances(values)
    assert all(ours <= true + 1e-9 for ours, true in zip(found, exact, strict=True))
