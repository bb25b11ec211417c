"""Daily habits: between which values every half hour of the civil day usually lies.

A job that runs every night is new each time its values are: a little higher than last night's, or
far from a forecast that averages. What this time of day has seen on most of the last days is no
news. So each half hour keeps a highest and a lowest value: they go half of the way to what a day
saw beyond them, and return slowly from what is not seen any more. What a job does is within reach
after its third run, and is not forgotten over a weekend. A level that drifts takes them along.

A half hour has seen few values. Where all half hours are alike, what any of them saw is as usual at
any time: they are the more alike the wider their spans are, on average, beside that of the whole
day. The band that is usual all day lies around the metric's level, as wide to both sides as the day
is to its shorter one, so that jobs and bursts to one side do not widen it.

Values come as coordinates in single precision (`neighbours.coordinate`). Cost: O(1). State: one
`DAILY` record.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel

__all__ = ["DAILY", "follow", "outside", "turn_to"]

#: Slots of a day, each with a bit in ``known``.
_HALF_HOURS: Final = 48
_DAY_NS: Final = 86_400 * 1_000_000_000
#: How far the bounds go towards a day that was wider, and towards one that was narrower.
_WIDER: Final = 0.5
_NARROWER: Final = 0.05
#: A value is as usual up to this share of the slot's span beyond it, and unusual from that on.
_NEAR: Final = 0.25
_FAR: Final = 0.5

#: Half hours are alike from this share of the day's span on, and wholly so from that on.
_UNLIKE: Final = 0.15
_ALIKE: Final = 0.3

#: ``known``: a bit for each slot that was seen; ``slot``: of the sample being scored; ``today``:
#: the slot of the last sample, with the highest and lowest value in it so far; ``top``, ``bottom``,
#: ``span``: of all slots that were seen, the highest and the lowest bound and the mean span.
DAILY: Final = np.dtype(
    [
        ("known", "i8"),
        ("slot", "i4"),
        ("today", "i4"),
        ("highest", "f4"),
        ("lowest", "f4"),
        ("top", "f4"),
        ("bottom", "f4"),
        ("span", "f8"),
        ("high", "f4", (_HALF_HOURS,)),
        ("low", "f4", (_HALF_HOURS,)),
    ],
    align=True,
)


@kernel
def turn_to(row: Any, civil: int) -> None:
    """The next sample is of this civil time (ns)."""
    row.slot = int((civil % _DAY_NS) * _HALF_HOURS // _DAY_NS)


@kernel
def outside(row: Any, here: np.float32, level: np.float32) -> float:
    """How clearly a value lies outside what is usual at this time: 0 not at all, 1 clearly.

    ``level``: where the metric usually is, all day.
    """
    slot = row.slot
    if not (row.known >> slot) & 1:
        return 1.0
    own = _beyond(here, row.low[slot], row.high[slot])
    span = row.top - row.bottom
    if own <= 0.0 or span <= 0.0:
        return own
    alike = min(max((row.span / span - _UNLIKE) / (_ALIKE - _UNLIKE), 0.0), 1.0)
    half = min(row.top - level, level - row.bottom)
    if alike <= 0.0 or half <= 0.0:
        return own
    return min(own, 1.0 - alike * (1.0 - _beyond(here, level - half, level + half)))


@kernel
def _beyond(here: np.float32, low: np.float32, high: np.float32) -> float:
    """How clearly a value lies beyond bounds: 0 not at all, 1 clearly."""
    away = max(here - high, low - here)
    if away <= 0.0:
        return 0.0
    span = high - low
    if span <= 0.0:
        return 1.0
    return min(max(float(away / span - _NEAR) / (_FAR - _NEAR), 0.0), 1.0)


@kernel
def follow(row: Any, here: np.float32, first: bool) -> None:
    """Learn a value of the time that was turned to; ``first``: of all."""
    if first or row.slot != row.today:
        if not first:
            _close(row)
        row.today = row.slot
        row.highest = here
        row.lowest = here
    row.highest = max(row.highest, here)
    row.lowest = min(row.lowest, here)


@kernel
def _close(row: Any) -> None:
    """The half hour is over: learn what it saw."""
    slot = row.today
    if (row.known >> slot) & 1:
        higher = row.highest - row.high[slot]
        row.high[slot] += np.float32(_WIDER if higher > 0.0 else _NARROWER) * higher
        lower = row.lowest - row.low[slot]
        row.low[slot] += np.float32(_WIDER if lower < 0.0 else _NARROWER) * lower
    else:
        row.known |= 1 << slot
        row.high[slot] = row.highest
        row.low[slot] = row.lowest
    _survey(row)


@kernel
def _survey(row: Any) -> None:
    """The bounds of the whole day, and the mean span of its half hours."""
    top = -np.inf
    bottom = np.inf
    spans = 0.0
    slots = 0
    for k in range(_HALF_HOURS):
        if (row.known >> k) & 1:
            top = max(top, row.high[k])
            bottom = min(bottom, row.low[k])
            spans += row.high[k] - row.low[k]
            slots += 1
    row.top = top
    row.bottom = bottom
    row.span = spans / slots
