"""What becomes of each sample of a group, and how that is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.engine.batch import Batch, Reason, Receipt, Rejection

__all__ = ["REASONS", "Group", "Verdict", "receipts", "refused", "screen"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Verdicts = NDArray[np.int8]


class Verdict(IntEnum):
    """What becomes of one sample; those up to `STORED_LATE` are not refused."""

    ACCEPTED = 0
    DUPLICATE = 1
    STORED_LATE = 2
    NOT_FINITE = 3
    FUTURE = 4
    PAST = 5
    TOO_OLD = 6
    TOO_MANY_METRICS = 7
    LATE = 8
    CONFLICT = 9
    TOO_MANY_NEW = 10


#: How a refusal is counted and told.
REASONS: Final = {
    Verdict.NOT_FINITE: (Reason.NOT_FINITE, "the value is not a finite number"),
    Verdict.FUTURE: (Reason.FUTURE, "the time lies too far ahead of this machine's clock"),
    Verdict.PAST: (Reason.PAST, "the time is not after 1970-01-01T00:00:00Z"),
    Verdict.TOO_OLD: (Reason.TOO_OLD, "the time lies further back than max_past_days allows"),
    Verdict.TOO_MANY_METRICS: (
        Reason.TOO_MANY_METRICS,
        "there are already as many metrics as max_metrics allows",
    ),
    Verdict.TOO_MANY_NEW: (
        Reason.TOO_MANY_NEW,
        "this sender has made as many new metrics as max_new_metrics_per_hour allows",
    ),
    Verdict.LATE: (Reason.LATE, "older than the newest sample of this metric"),
    Verdict.CONFLICT: (Reason.CONFLICT, "another value is stored for this metric and time"),
}


@dataclass(frozen=True, slots=True)
class Group:
    """The samples of several batches as columns, in order of arrival.

    ``batch`` counts the batches; ``row`` is the metric's row, -1 when it has none.
    """

    batch: Ints
    row: Ints
    timestamp: Ints
    value: Floats

    @classmethod
    def empty(cls) -> Group:
        """No samples."""
        none = np.empty(0, dtype=np.int64)
        return cls(none, none, none, np.empty(0))


def screen(timestamp: Ints, value: Floats, newest: int, oldest: int | None = None) -> Verdicts:
    """Judge samples by themselves: finite, and at a time that can be.

    That is not after ``newest`` and, where there is such a bound, not before ``oldest`` (ns).
    """
    verdict = np.zeros(len(value), dtype=np.int8)
    if oldest is not None:
        verdict[timestamp < oldest] = Verdict.TOO_OLD
    verdict[timestamp <= 0] = Verdict.PAST
    verdict[timestamp > newest] = Verdict.FUTURE
    verdict[~np.isfinite(value)] = Verdict.NOT_FINITE
    return verdict


def refused(verdict: Verdicts) -> NDArray[np.bool_]:
    """Which samples are refused."""
    which: NDArray[np.bool_] = verdict > Verdict.STORED_LATE
    return which


def receipts(batches: Sequence[Batch], number: Ints, verdict: Verdicts) -> list[Receipt]:
    """One receipt per batch; ``number``: which batch each sample is of (`Group.batch`).

    Cost: O(samples), and some microseconds per refused one.
    """

    def count(of: Verdict) -> list[int]:
        counts: list[int] = np.bincount(number[verdict == of], minlength=len(batches)).tolist()
        return counts

    counts = map(count, (Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.STORED_LATE))
    told = [Receipt(a, d, late=late) for a, d, late in zip(*counts, strict=True)]
    starts = np.cumsum([0, *(len(batch) for batch in batches)])
    for place in np.flatnonzero(refused(verdict)).tolist():
        batch = int(number[place])
        code, detail = REASONS[Verdict(int(verdict[place]))]
        told[batch].rejected.append(Rejection(place - int(starts[batch]), code, detail))
    return told
