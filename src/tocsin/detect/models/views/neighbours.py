"""Neighbours: how far the course of the last few values is from the courses that are usual.

The view keeps a random sample of the courses of `LENGTH` values that the metric took: a new one
takes a random place, so that each of the last `MEMORY` is as likely to be there as any other. The
score is the mean distance per value to the nearest `NEAREST` of them. What happens often has close
neighbours; what happened a few times has none: unlike novelty, this view does not call a spike
usual because there was one before.

Values are kept in single precision as distances from the metric's first value, in units of its
first change: exact to a ten-millionth of how far the metric is from where it began. Which sample
takes which place is decided by a fixed sequence, so that the same samples give the same scores.

Cost: O(PLACES LENGTH) per sample, O(PLACES) more per value tried. State: one `NEIGHBOURS` record.

Sources: Ramaswamy et al., "Efficient algorithms for mining outliers from large data sets" (2000),
for the distance to the k-th neighbour; Vitter, "Random sampling with a reservoir" (1985); Aggarwal
(2006) for one that forgets.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel

__all__ = ["NEIGHBOURS", "coordinate", "distance", "follow", "look_back"]

#: Values in a course; `look_back` is written for so many.
LENGTH: Final = 5
#: Courses that are kept.
PLACES: Final = 64
#: Neighbours whose distances count; `_nearest` is written for so many.
NEAREST: Final = 5
#: Of how many samples the kept courses are a random choice.
MEMORY: Final = 5_000
#: Coordinates are kept within this: their sums must be finite in single precision.
_LARGEST: Final = 1e30

#: ``past``: how far the known part of the course is from each kept one.
NEIGHBOURS: Final = np.dtype(
    [
        ("seen", "i8"),
        ("origin", "f8"),
        ("unit", "f8"),
        ("last", "f4", (LENGTH + 3,)),
        ("past", "f4", (PLACES,)),
        ("course", "f4", (LENGTH, PLACES)),
    ],
    align=True,
)
_RING: Final = LENGTH + 3


@kernel
def coordinate(row: Any, value: float) -> np.float32:
    """Where a value lies, in the metric's own units."""
    if row.unit == 0.0:
        return np.float32(0.0)
    place = (value - row.origin) / row.unit
    return np.float32(min(max(place, -_LARGEST), _LARGEST))


@kernel
def _back(row: Any, steps: int) -> np.float32:
    """The coordinate so many samples ago; the first stands in for earlier ones."""
    return np.float32(row.last[(row.seen - min(steps, row.seen)) % _RING])


@kernel
def look_back(row: Any) -> None:
    """Prepare for the next value: how far the values before it are from each course's."""
    first, second, third, fourth = _back(row, 1), _back(row, 2), _back(row, 3), _back(row, 4)
    past, course = row.past, row.course
    for k in range(PLACES):
        away = abs(first - course[1, k]) + abs(second - course[2, k])
        away += abs(third - course[3, k])
        away += abs(fourth - course[4, k])
        past[k] = away


@kernel
def distance(row: Any, value: float) -> float:
    """Mean distance per value to the nearest courses, after `look_back`; >= 0."""
    kept = min(row.seen, PLACES)
    if kept < NEAREST:
        return 0.0
    if row.unit == 0.0:  # nothing but one value so far
        return abs(value - row.origin) / LENGTH
    return _nearest(row.past, row.course[0], coordinate(row, value), kept) * row.unit


@kernel
def _nearest(past: Any, course: Any, here: np.float32, kept: int) -> float:
    """Mean distance per value to the nearest courses, in the metric's units."""
    # The five smallest so far, rising: five names, since they stay in registers. Each takes the
    # smaller and leaves the larger to the next: no branch that would be guessed wrong.
    first = second = third = fourth = fifth = np.float32(np.inf)
    for k in range(kept):
        away = past[k] + abs(here - course[k])
        first, away = min(first, away), max(first, away)
        second, away = min(second, away), max(second, away)
        third, away = min(third, away), max(third, away)
        fourth, away = min(fourth, away), max(fourth, away)
        fifth = min(fifth, away)
    total = float(first) + float(second) + float(third) + float(fourth) + float(fifth)
    return total / (NEAREST * LENGTH)


@kernel
def follow(row: Any, value: float) -> None:
    """Learn a value."""
    if row.seen == 0:
        row.origin = value
    elif row.unit == 0.0:
        row.unit = abs(value - row.origin)
    here = coordinate(row, value)
    place = row.seen
    if row.seen >= PLACES:
        place = _drawn(row.seen) % min(row.seen + 1, MEMORY)
    if place < PLACES:
        row.course[0, place] = here
        for at in range(1, LENGTH):
            row.course[at, place] = _back(row, at) if row.seen > 0 else here
    row.last[row.seen % _RING] = here
    row.seen += 1


@kernel
def _drawn(number: int) -> int:
    """The number's place in a fixed sequence that looks random (32-bit mixing); >= 0."""
    mixed = (number * 2_654_435_761 + 1_013_904_223) & 0xFFFFFFFF
    mixed ^= mixed >> 16
    mixed = (mixed * 0x45D9F3B) & 0xFFFFFFFF
    mixed ^= mixed >> 16
    mixed = (mixed * 0x45D9F3B) & 0xFFFFFFFF
    return int(mixed ^ (mixed >> 16))
