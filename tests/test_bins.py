from __future__ import annotations

import math
import statistics
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.bins import COLUMNS, Pieces, drawn, joined

NAN = math.nan
SECOND = 10**9


def course(times: list[int], values: list[float], **columns: list[float]) -> Pieces:
    """Samples as pieces; columns that are not given are not known."""
    unknown = [NAN] * len(times)
    told = (columns.get(name, unknown) for name in ("expected", "lower", "upper", "score"))
    return Pieces.of(
        np.array(times, dtype=np.int64),
        np.array(values, dtype=np.float64),
        *(np.array(column, dtype=np.float64) for column in told),
    )


def slowly(
    samples: list[dict[str, Any]], start: int, end: int, points: int
) -> list[dict[str, float | None]]:
    """What `drawn` does, bin by bin and sample by sample."""
    width = max(1, (end - start) // points)
    bins: list[list[dict[str, Any]]] = []
    for sample in samples:
        number = min((sample["t"] - start) // width, points - 1)
        if len(samples) > points and bins and bins[-1][0]["bin"] == number:
            bins[-1].append(sample | {"bin": number})
        else:
            bins.append([sample | {"bin": number}])
    steps = [b["t"] - a["t"] for a, b in pairwise(samples)]
    long = max(10 * statistics.median(steps), width) if steps else 0
    rows: list[dict[str, float | None]] = []
    last = None
    for some in bins:
        first = some[0]["t"]
        if last is not None and first - last > long:
            gap: dict[str, float | None] = dict.fromkeys(COLUMNS)
            rows.append(gap | {"t": (last + (first - last) // 2) / SECOND})
        last = some[-1]["t"]
        rows.append(
            {
                "t": (first + (last - first) // 2) / SECOND,
                "min": known(min, some, "value"),
                "max": known(max, some, "value"),
                "expected": known(statistics.fmean, some, "expected"),
                "lower": known(min, some, "lower"),
                "upper": known(max, some, "upper"),
                "score": known(max, some, "score"),
            }
        )
    return rows


def known(how: Any, samples: list[dict[str, Any]], name: str) -> float | None:
    values = [one[name] for one in samples if not math.isnan(one[name])]
    return how(values) if values else None


NUMBER = st.one_of(st.just(NAN), st.floats(-1e6, 1e6))
SAMPLE = st.fixed_dictionaries(
    {
        # Short steps, and now and then a long silence.
        "step": st.one_of(st.integers(1, 5), st.integers(1, 1_000)),
        "value": NUMBER,
        "expected": NUMBER,
        "lower": NUMBER,
        "upper": NUMBER,
        "score": st.one_of(st.just(NAN), st.floats(0, 1)),
    }
)


def timed(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    times = np.cumsum([one["step"] for one in samples])
    return [one | {"t": int(t) * SECOND} for one, t in zip(samples, times, strict=True)]


def pieces_of(samples: list[dict[str, Any]]) -> Pieces:
    names = ("expected", "lower", "upper", "score")
    return course(
        [one["t"] for one in samples],
        [one["value"] for one in samples],
        **{name: [one[name] for one in samples] for name in names},
    )


@given(
    st.lists(SAMPLE, max_size=60).map(timed),
    st.integers(0, 10),
    st.integers(1, 100),
    st.integers(10, 50),
)
def test_bins_are_those_of_the_slow_twin(
    samples: list[dict[str, Any]], before: int, after: int, points: int
) -> None:
    start = (samples[0]["t"] if samples else 0) - before * SECOND
    end = (samples[-1]["t"] if samples else 0) + after * SECOND
    told = drawn(pieces_of(samples), start, end, points)
    rows = slowly(samples, start, end, points)
    assert len(told["t"]) <= 2 * points
    for name in COLUMNS:
        mine, expected = (
            np.array(all_, dtype=np.float64) for all_ in (told[name], [row[name] for row in rows])
        )
        assert mine == pytest.approx(expected, rel=1e-9, abs=1e-6, nan_ok=True)


@given(st.lists(SAMPLE, min_size=1, max_size=40).map(timed), st.data())
def test_it_does_not_matter_how_pieces_are_put_together(
    samples: list[dict[str, Any]], data: st.DataObject
) -> None:
    """At once, or piece by piece: the same but for the rounding of what was expected."""
    pieces = pieces_of(samples)
    cuts = data.draw(st.sets(st.integers(1, len(samples)), max_size=5))
    starts = np.array([0, *sorted(cuts - {len(samples)})])
    at_once = pieces.merged(np.array([0]))
    in_steps = pieces.merged(starts).merged(np.array([0]))
    for name in ("first", "last", "count", "low", "high", "known", "lower", "upper", "score"):
        assert np.array_equal(getattr(at_once, name), getattr(in_steps, name), equal_nan=True)
    assert in_steps.expected == pytest.approx(at_once.expected, rel=1e-9, abs=1e-6)
    parts = [pieces[: starts[-1]], pieces[starts[-1] :]]
    assert joined(parts).first.tolist() == pieces.first.tolist()


def test_a_single_sample_among_a_million_is_seen() -> None:
    times = np.arange(1_000_000, dtype=np.int64) * SECOND
    values = np.zeros(len(times))
    values[123_456] = 7.0
    unknown = np.full(len(times), NAN)
    told = drawn(Pieces.of(times, values, unknown, unknown, unknown, unknown), 0, 10**15, 1_000)
    assert len(told["t"]) == 1_000
    assert [v for v in told["max"] if v] == [7.0]


def test_nothing_gives_nothing() -> None:
    assert drawn(Pieces.empty(), 0, 10, 100) == {name: [] for name in COLUMNS}
    assert len(joined([])) == 0
