"""What is usual at which hour of the week, from a metric's past."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.samples import SECOND_NS, civil_ns

__all__ = ["HOURS", "Hour", "weekly"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Of a week.
HOURS: Final = 7 * 24
_HOUR_NS: Final = 3_600 * SECOND_NS
#: 1970-01-01 was a Thursday.
_FIRST: Final = 3 * 24
#: The shares of values below the low one, the middle and the high one.
_SHARES: Final = (0.1, 0.5, 0.9)


class Hour(NamedTuple):
    """Values of one hour of the week: 10 % are below the low one, 10 % above the high one."""

    #: 0: Monday.
    weekday: int
    hour: int
    low: float
    median: float
    high: float
    samples: int


def weekly(timestamp: Ints, value: Floats, timezone: str) -> list[Hour]:
    """The hours of the week that have values, from Monday on, in civil time of ``timezone``.

    Not-a-number is left out. Cost: O(n log n).
    """
    known = ~np.isnan(value)
    hours = (civil_ns(timestamp[known], timezone) // _HOUR_NS + _FIRST) % HOURS
    order = np.lexsort((value[known], hours))
    hours, values = hours[order], value[known][order]
    begins = np.searchsorted(hours, np.arange(HOURS + 1))
    return [
        Hour(at // 24, at % 24, *_quantiles(values[begin:end]), end - begin)
        for at, (begin, end) in enumerate(pairwise(begins.tolist()))
        if end > begin
    ]


def _quantiles(values: Floats) -> tuple[float, float, float]:
    """Of values that rise."""
    low, middle, high = np.quantile(values, _SHARES).tolist()
    return low, middle, high
