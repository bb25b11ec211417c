from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.engine.batch import Batch
from tocsin.engine.quarantine import refusal_rows
from tocsin.engine.verdicts import REASONS, Group, Verdict, receipts
from tocsin.samples import Metric, Samples

IDS = np.array([70, 71, 72, 73])
POSITION = np.zeros(4, dtype=[("id", "i8"), ("stored", "?")])
POSITION["id"], POSITION["stored"] = IDS, [True, True, True, False]

a_sample = st.tuples(
    st.integers(0, 2),
    st.integers(-1, 3),
    st.integers(-5, 5),
    st.sampled_from([1.5, -0.0, np.nan, np.inf]),
    st.sampled_from(Verdict),
)


def columns(
    samples: list[tuple[int, int, int, float, Verdict]],
) -> tuple[Group, NDArray[np.int8]]:
    batch, row, time, value, verdict = zip(*samples, strict=True) if samples else [()] * 5
    group = Group(ints(batch), ints(row), ints(time), np.array(value, dtype=np.float64))
    return group, np.array(verdict, dtype=np.int8)


def ints(column: Sequence[int]) -> NDArray[np.int64]:
    return np.array(column, dtype=np.int64)


@given(st.lists(a_sample, max_size=30))
def test_refused_samples_are_counted_by_metric_and_reason(
    samples: list[tuple[int, int, int, float, Verdict]],
) -> None:
    group, verdict = columns(samples)
    counts: Counter[tuple[int, str]] = Counter()
    last: dict[tuple[int, str], tuple[int, str]] = {}
    for _, row, time, value, judged in samples:
        if judged in REASONS and row in (0, 1, 2):
            kind = (int(IDS[row]), REASONS[judged][0].value)
            counts[kind] += 1
            last[kind] = (time, repr(value))
    found = refusal_rows(group, verdict, POSITION, now=9)
    assert {(row["metric"], row["reason"]): row["count"] for row in found} == counts
    assert {
        (row["metric"], row["reason"]): (row["timestamp"], row["value"]) for row in found
    } == last
    assert {row["at"] for row in found} <= {9}


def test_every_verdict_that_refuses_has_a_reason() -> None:
    assert set(REASONS) == {verdict for verdict in Verdict if verdict > Verdict.STORED_LATE}


@given(st.lists(st.sampled_from(Verdict), max_size=12), st.integers(1, 3))
def test_receipts_account_for_every_sample(verdicts: list[Verdict], parts: int) -> None:
    sizes = [len(part) for part in np.array_split(verdicts, parts)]
    batches = [
        Batch([Metric.of("m")], Samples(*(np.zeros(n, dtype=np.int64),) * 2, np.zeros(n)), "test")
        for n in sizes
    ]
    number = np.repeat(np.arange(parts), sizes)
    told = receipts(batches, number, np.array(verdicts, dtype=np.int8))
    at = 0
    for batch, receipt in zip(batches, told, strict=True):
        mine = verdicts[at : at + len(batch)]
        at += len(batch)
        assert receipt.accepted == mine.count(Verdict.ACCEPTED)
        assert receipt.duplicates == mine.count(Verdict.DUPLICATE)
        assert receipt.late == mine.count(Verdict.STORED_LATE)
        assert [(r.index, r.code, r.detail) for r in receipt.rejected] == [
            (i, *REASONS[judged]) for i, judged in enumerate(mine) if judged in REASONS
        ]
