"""The date encoder: time of day, day of the week and weekend, from civil time.

Time of day and day of the week go round: 23:59 is next to 00:00, Sunday evening next to Monday
morning, and nothing jumps at midnight. Civil time is local time as nanoseconds since 1970, as if it
were UTC; 1970-01-01 was a Thursday.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel

__all__ = ["encode_day_of_week", "encode_time_of_day", "encode_weekend"]

_DAY_NS: Final = 86_400 * 1_000_000_000
_WEEK_DAYS: Final = 7
#: Days from a Monday to 1970-01-01.
_FIRST_WEEKDAY: Final = 3
_SATURDAY: Final = 5


@kernel
def _encode_round(
    part: int, whole: int, bits: int, width: int, offset: int, on: Any, count: int
) -> int:
    """``width`` neighbouring bits of a ring of ``bits``, the first at ``part`` of ``whole``."""
    first = np.int64(np.float64(part) / np.float64(whole) * bits)
    for k in range(width):
        on[count + k] = offset + (first + k) % bits
    return count + width


@kernel
def _weekday(civil: int) -> int:
    """0 for Monday."""
    return (civil // _DAY_NS + _FIRST_WEEKDAY) % _WEEK_DAYS


@kernel
def encode_time_of_day(civil: int, bits: int, width: int, offset: int, on: Any, count: int) -> int:
    """Write ``width`` of ``bits`` bits for the time of day (none for width 0)."""
    return _encode_round(civil % _DAY_NS, _DAY_NS, bits, width, offset, on, count)


@kernel
def encode_day_of_week(civil: int, width: int, offset: int, on: Any, count: int) -> int:
    """Write ``width`` of 7 ``width`` bits; a day later none is the same, half a day half."""
    week = _weekday(civil) * _DAY_NS + civil % _DAY_NS
    return _encode_round(week, _WEEK_DAYS * _DAY_NS, _WEEK_DAYS * width, width, offset, on, count)


@kernel
def encode_weekend(civil: int, width: int, offset: int, on: Any, count: int) -> int:
    """Write ``width`` of 2 ``width`` bits: the first half on working days, else the second."""
    first = width if _weekday(civil) >= _SATURDAY else 0
    for k in range(width):
        on[count + k] = offset + first + k
    return count + width
