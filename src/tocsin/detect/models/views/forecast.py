"""Forecast: what the next value should be, from the recent past and the time of day.

Four simple forecasters run side by side: the last value, a running mean, the mean of this quarter
of an hour on the days before (civil time), and that profile moved by the recent deviation from it.
The expectation is their mean, weighted by one over the square of each one's recent absolute error,
so whichever suits the metric leads within some fifty samples.

Cost: O(1). State: one `FORECAST` record.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel

__all__ = ["FORECAST", "expect", "follow", "profile", "slot_of"]

#: Slots of the daily profile: a quarter of an hour each.
SLOTS: Final = 96
_DAY_NS: Final = 86_400 * 1_000_000_000
_FORECASTERS: Final = 4
_MEAN_RATE: Final = 0.1
_ERROR_RATE: Final = 0.02
_PROFILE_RATE: Final = 0.1
_DEVIATION_RATE: Final = 0.3
_MOST_DAYS: Final = 255
#: An error counts as at most this many times the usual one, so that one anomaly does not decide.
_LARGEST_ERROR: Final = 10.0
_ERROR_CAP_FROM: Final = 20
#: The profile is kept within this: its sums must be finite in single precision.
_LARGEST_PLACE: Final = 1e30

FORECAST: Final = np.dtype(
    [
        ("seen", "i8"),
        ("last", "f8"),
        ("mean", "f8"),
        ("deviation", "f8"),
        ("error", "f8", (_FORECASTERS,)),
        ("origin", "f8"),  # the first value
        ("unit", "f8"),  # the first change
        ("profile", "f4", (SLOTS,)),  # distance from the first value, in first changes
        ("days", "u1", (SLOTS,)),  # seen in each, at most `_MOST_DAYS`
    ],
    align=True,
)


@kernel
def slot_of(civil: int) -> int:
    """The slot of the daily profile that a civil time (ns) falls into."""
    return int((civil % _DAY_NS) * SLOTS // _DAY_NS)


@kernel
def profile(row: Any, slot: int) -> float:
    """What is usual in a slot that was seen."""
    return float(row.origin + row.unit * row.profile[slot])


@kernel
def _forecast(row: Any, slot: int, k: int) -> float:
    known = row.days[slot] > 0
    if k == 1 or (k == 2 and not known):
        return float(row.mean)
    if k == 0 or not known:
        return float(row.last)
    if k == 2:
        return profile(row, slot)
    return profile(row, slot) + float(row.deviation)


@kernel
def expect(row: Any, civil: int) -> float:
    """The expected value at this civil time (ns); not-a-number before the first sample."""
    if row.seen == 0:
        return np.nan
    slot = slot_of(civil)
    smallest = np.inf
    for k in range(_FORECASTERS):
        smallest = min(smallest, row.error[k])
    weights = 0.0
    total = 0.0
    for k in range(_FORECASTERS):
        # Ratios of errors, so that metrics in tiny or huge units neither under- nor overflow.
        ratio = 1.0 if row.error[k] == smallest else smallest / row.error[k]
        weight = ratio * ratio
        weights += weight
        total += weight * (_forecast(row, slot, k) - row.last)
    return float(row.last + total / weights)


@kernel
def follow(row: Any, civil: int, value: float) -> None:
    """Learn a value."""
    slot = slot_of(civil)
    known = row.days[slot] > 0
    if row.seen > 0:
        rate = max(_ERROR_RATE, 1.0 / (row.seen + 1.0))
        for k in range(_FORECASTERS):
            error = abs(value - _forecast(row, slot, k))
            if row.seen > _ERROR_CAP_FROM and row.error[k] > 0.0:
                error = min(error, _LARGEST_ERROR * row.error[k])
            row.error[k] += rate * (error - row.error[k])
    if known:
        row.deviation += _DEVIATION_RATE * (value - profile(row, slot) - row.deviation)
    else:
        row.deviation = 0.0
    row.seen += 1
    row.last = value
    row.mean += max(_MEAN_RATE, 1.0 / row.seen) * (value - row.mean)
    if row.days[slot] < _MOST_DAYS:
        row.days[slot] += np.uint8(1)
    _learn_slot(row, slot, value)


@kernel
def _learn_slot(row: Any, slot: int, value: float) -> None:
    if row.seen == 1:
        row.origin = value
    if row.unit == 0.0:
        row.unit = abs(value - row.origin)
    if row.unit > 0.0:
        place = (value - row.origin) / row.unit
        place = min(max(place, -_LARGEST_PLACE), _LARGEST_PLACE)
        rate = np.float32(max(_PROFILE_RATE, 1.0 / row.days[slot]))
        row.profile[slot] += rate * (np.float32(place) - row.profile[slot])
