"""Drift: how far what is usual has moved, day by day, since the metric was new.

A metric that grows by a little every day reaches new values all the time, and none of them is news.
Each day's mean is compared with where the days before it lay. What it lies further away than
`_SLACK` usual distances from the level is followed, by a third and no more than `_FASTEST` a day:
noise moves nothing and weekends little, a drift is followed, a shift or a trend is hardly. Where
days stay far away for `_ACCEPTED` of them it is a shift, and drift is measured from there.

Cost: O(1). State: one `DRIFT` record.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel

__all__ = ["DRIFT", "follow", "turn_to"]

_DAY_NS: Final = 86_400 * 1_000_000_000
#: Days whose mean is where the metric lies at first.
_FIRST_DAYS: Final = 3
#: In usual distances from the level: what moves nothing, what is followed a day at most, and what
#: is far.
_SLACK: Final = 0.6
_FASTEST: Final = 0.2
_FAR: Final = 3.0
#: The share that a day makes good.
_SHARE: Final = 1.0 / 3.0
#: Far days in a row after which they are where the metric lies.
_ACCEPTED: Final = 3

#: ``day``: number of the day of the last sample, with its ``samples`` and their ``mean`` so far;
#: ``days``: before it; ``base``: where drift is measured from; ``moved``: the drift; ``far``: days
#: in a row that lay far away.
DRIFT: Final = np.dtype(
    [
        ("day", "i8"),
        ("days", "i8"),
        ("samples", "f8"),
        ("mean", "f8"),
        ("base", "f8"),
        ("moved", "f8"),
        ("far", "f8"),
    ],
    align=True,
)


@kernel
def turn_to(row: Any, civil: int, usual: float) -> None:
    """The next sample is of this civil time (ns).

    ``usual``: the usual distance from the level; 0 while there is none.
    """
    day = civil // _DAY_NS
    if day == row.day:
        return
    if row.samples > 0.0:
        _close(row, usual)
    row.day = day


@kernel
def _close(row: Any, usual: float) -> None:
    """The day is over: learn where it lay."""
    mean = row.mean
    row.mean = 0.0
    row.samples = 0.0
    row.days += 1
    if row.days <= _FIRST_DAYS:
        row.base += (mean - row.base) / row.days
        return
    gap = mean - row.base - row.moved
    if abs(gap) > _FAR * usual:
        row.far += 1.0
        if row.far >= _ACCEPTED:
            row.base += gap
            row.far = 0.0
            return
    else:
        row.far = 0.0
    beyond = max(abs(gap) - _SLACK * usual, 0.0)
    step = min(_SHARE * beyond, _FASTEST * usual)
    row.moved += step if gap > 0.0 else -step


@kernel
def follow(row: Any, value: float) -> None:
    """Learn a value of the time that was turned to."""
    row.samples += 1.0
    row.mean += (value - row.mean) / row.samples
