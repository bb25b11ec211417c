from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.influx import SEEDS, one


@given(st.sampled_from(SEEDS), st.integers(0, 200), st.integers(0, 200), st.binary(max_size=10))
def test_damaged_lines_break_nothing(seed: bytes, start: int, end: int, other: bytes) -> None:
    one(seed[:start] + other + seed[end:])
