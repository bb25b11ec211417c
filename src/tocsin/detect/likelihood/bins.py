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
    k = first
    while k + 4 <= end:
        low = np.float64(bins[k]) + np.float64(bins[k + 1])
        total += low + (np.float64(bins[k + 2]) + np.float64(bins[k + 3]))
        k += 4
    while k < end:
        total += bins[k]
        k += 1
    return total
