"""Novelty: how far a value lies from anything the metric has ever done.

What was seen is kept as at most `SPANS` disjoint spans of values. A new value between or beyond
them is novel by its distance to the nearest; it then becomes a span of its own, and the two
neighbours with the smallest gap between them are joined when there are too many. Until the spans
are used up the distance is exact; later it can only be too small, by less than the gaps that were
closed.

Cost: O(SPANS) per new value, O(log SPANS) per familiar one. State: one `NOVELTY` record.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel

__all__ = ["NOVELTY", "SPANS", "distance", "see"]

SPANS: Final = 60

#: Spans in rising order: span k covers low[k] to high[k]; one more than is kept for long.
NOVELTY: Final = np.dtype(
    [("spans", "i8"), ("low", "f8", (SPANS + 1,)), ("high", "f8", (SPANS + 1,))], align=True
)


@kernel
def _place(row: Any, value: float) -> int:
    """The number of the first span that ends at or above ``value``."""
    first, last = 0, row.spans
    while first < last:
        middle = (first + last) // 2
        if row.high[middle] < value:
            first = middle + 1
        else:
            last = middle
    return first


@kernel
def distance(row: Any, value: float) -> float:
    """Distance from ``value`` to the nearest span; 0 inside one, or before anything was seen."""
    if row.spans == 0:
        return 0.0
    at = _place(row, value)
    nearest = np.inf
    if at < row.spans:
        nearest = row.low[at] - value
    if at > 0:
        nearest = min(nearest, value - row.high[at - 1])
    return float(max(nearest, 0.0))


@kernel
def see(row: Any, value: float) -> None:
    """Learn a value."""
    at = _place(row, value)
    if at < row.spans and row.low[at] <= value:
        return
    for k in range(row.spans, at, -1):
        row.low[k] = row.low[k - 1]
        row.high[k] = row.high[k - 1]
    row.low[at] = value
    row.high[at] = value
    row.spans += 1
    if row.spans == len(row.low):
        _join_nearest(row)


@kernel
def _join_nearest(row: Any) -> None:
    """Join the two neighbouring spans with the smallest gap."""
    best = 0
    smallest = np.inf
    for k in range(row.spans - 1):
        gap = row.low[k + 1] - row.high[k]
        if gap < smallest:
            smallest = gap
            best = k
    row.high[best] = row.high[best + 1]
    for k in range(best + 1, row.spans - 1):
        row.low[k] = row.low[k + 1]
        row.high[k] = row.high[k + 1]
    row.spans -= 1
