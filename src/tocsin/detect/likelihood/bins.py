"""Bins: sums over neighbouring bins of a histogram of counts.

Counts are kept in single precision and added up in double: their sums are exact in any order, so
they are added by fours, which do not wait for each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tocsin.detect.compile import kernel

__all__ = ["sum_of"]


@kernel
def sum_of(bins: Any, first: int, end: int) -> float:
    """The sum of the bins from ``first`` on, without ``end``; 0 where there are none."""
    total = 0.0
    # Without a sign: what may be negative would be looked at for counting from the end.
    k, stop = np.uint64(max(first, 0)), np.uint64(max(end, 0))
    one, two, three, four = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    while k + four <= stop:
        low = np.float64(bins[k]) + np.float64(bins[k + one])
        total += low + (np.float64(bins[k + two]) + np.float64(bins[k + three]))
        k += four
    while k < stop:
        total += bins[k]
        k += one
    return total
