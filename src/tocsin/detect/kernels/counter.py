"""A counter's rate: what is watched of a metric whose samples are counts that only grow.

A count smaller than the one before says that the counter began again at 0. The first count has no
rate: nothing is known of it, and nothing is learnt.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.compile import kernel

__all__ = ["COUNTER", "rates", "watch"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_SECOND: Final = 1e9
#: Rates beyond this are as large as this: results are finite.
_LARGEST: Final = 1e290

#: The last count, if there was one; its time is the row's ``last_timestamp``.
COUNTER: Final = np.dtype([("count", "f8"), ("known", "i8")], align=True)


@kernel
def _rate(before: float, count: float, nanoseconds: int) -> float:
    grown = count - before if count >= before else count
    return min(max(grown / (nanoseconds / _SECOND), -_LARGEST), _LARGEST)


@kernel
def watch(row: Any, timestamp: int, given: float, counter: bool, out: Any) -> float:
    """What is watched of a sample: its value, or the rate since the count before.

    Not-a-number for a counter's first sample: ``out`` is to stay "not known yet" then, and the
    model must not hear of it.
    """
    out.rate = np.nan
    if not counter:
        return given
    if row.counter.known:
        out.rate = _rate(row.counter.count, given, timestamp - row.last_timestamp)
    else:
        out.raw_score = np.nan
        out.likelihood = np.nan
        out.anomaly_score = np.nan
        out.alert_score = np.nan
        out.expected = np.nan
        out.lower = np.nan
        out.upper = np.nan
        out.event = 0
        row.last_timestamp = timestamp
    row.counter.count = given
    row.counter.known = 1
    return float(out.rate)


def rates(row: np.void, timestamp: Ints, count: Floats) -> Floats:
    """The same for one metric's samples, in order: bit for bit what `watch` will find.

    ``row``: the metric's state before them, which stays as it is.
    """
    known = bool(row["counter"]["known"])
    before = np.concatenate([[row["counter"]["count"]], count[:-1]])
    since = np.diff(timestamp, prepend=row["last_timestamp"])
    if not known and len(since):
        since[0] = 1
    with np.errstate(over="ignore"):
        grown = np.where(count >= before, count - before, count)
        found: Floats = np.clip(grown / (since / _SECOND), -_LARGEST, _LARGEST)
    if not known:
        found[:1] = math.nan
    return found
