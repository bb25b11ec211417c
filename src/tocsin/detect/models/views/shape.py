"""Shape: how far the course of the last eight values is from anything the metric has done.

A shape is the last `LENGTH` values less the one before the current: where the metric stands does
not matter, only how it moves. The view remembers fewer than `CENTRES` shapes, spread over all that
was seen: a new one further from all of them than the radius is kept, and when there are too many,
one of the two closest is dropped and the radius grows to their distance. The score is the mean
distance per value to the nearest: exact to within the radius.

Shapes are kept in single precision, in units of the metric's first change, so that neither tiny
nor huge units matter.

Cost: O(CENTRES LENGTH) per sample, O(CENTRES) more per value tried; O(CENTRES^2 LENGTH) when a
shape is dropped, which happens less and less often. State: one `SHAPE` record.

Source: Charikar et al., "Incremental clustering and dynamic information retrieval" (1997), for
centres with a growing radius.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel

__all__ = ["SHAPE", "apart", "follow", "look_back"]

#: Values in a shape; `look_back` is written for so many.
LENGTH: Final = 8
#: Room for shapes; one is dropped when it is full.
CENTRES: Final = 40
#: Coordinates are kept within this: their sums must be finite in single precision.
_LARGEST: Final = 1e30
#: Coordinates of a shape: the current value first, then those two and more back.
_SIZE: Final = LENGTH - 1

#: ``last``: the values before; ``past``: how far the shape's known part is from each kept one.
SHAPE: Final = np.dtype(
    [
        ("seen", "i8"),
        ("kept", "i8"),
        ("radius", "f8"),
        ("unit", "f8"),
        ("last", "f8", (LENGTH,)),
        ("past", "f4", (CENTRES,)),
        ("centre", "f4", (_SIZE, CENTRES)),
    ],
    align=True,
)


@kernel
def _back(row: Any, steps: int) -> float:
    """The value so many samples ago (1: the one before); the first stands in for earlier ones."""
    return float(row.last[(row.seen - min(steps, row.seen)) % LENGTH])


@kernel
def _coordinate(row: Any, value: float) -> np.float32:
    """How far a value lies from the one before the current, in the metric's units."""
    away = (value - _back(row, 1)) / row.unit
    return np.float32(min(max(away, -_LARGEST), _LARGEST))


@kernel
def look_back(row: Any) -> None:
    """Prepare for the next value: how far the values before it are from each shape's."""
    past = row.past
    if row.unit == 0.0:
        for k in range(CENTRES):
            past[k] = np.float32(0.0)
        return
    second, third = _coordinate(row, _back(row, 2)), _coordinate(row, _back(row, 3))
    fourth, fifth = _coordinate(row, _back(row, 4)), _coordinate(row, _back(row, 5))
    sixth, seventh = _coordinate(row, _back(row, 6)), _coordinate(row, _back(row, 7))
    centre = row.centre
    for k in range(CENTRES):
        away = abs(second - centre[1, k]) + abs(third - centre[2, k])
        away += abs(fourth - centre[3, k])
        away += abs(fifth - centre[4, k])
        away += abs(sixth - centre[5, k])
        away += abs(seventh - centre[6, k])
        past[k] = away


@kernel
def _nearest(row: Any, here: np.float32) -> float:
    """The smallest sum of distances, in the metric's units."""
    # As whole numbers, whose order is the same for numbers >= 0: of those, several are compared at
    # once, as none of them can be not-a-number.
    nearest = np.float32(np.inf).view(np.int32)
    past = row.past
    centre = row.centre[0]
    for k in range(row.kept):
        away = np.float32(past[k] + abs(here - centre[k])).view(np.int32)
        nearest = min(nearest, away)
    return float(np.int32(nearest).view(np.float32))


@kernel
def apart(row: Any, value: float) -> float:
    """Mean distance per value of the shape that ``value`` would end, after `look_back`; >= 0."""
    if row.seen == 0:
        return 0.0
    if row.unit == 0.0:  # nothing but one value so far
        return abs(value - _back(row, 1)) / LENGTH
    return _nearest(row, _coordinate(row, value)) / LENGTH * row.unit


@kernel
def follow(row: Any, value: float) -> None:
    """Learn a value, after `look_back` for it."""
    if row.seen == 0:
        row.kept = 1  # nothing moves
    else:
        if row.unit == 0.0:
            row.unit = abs(value - _back(row, 1))
        if row.unit > 0.0 and _nearest(row, _coordinate(row, value)) > row.radius:
            _keep(row, value)
    row.last[row.seen % LENGTH] = value
    row.seen += 1


@kernel
def _keep(row: Any, value: float) -> None:
    """Keep this shape; drop one when there is no room for another."""
    row.centre[0, row.kept] = _coordinate(row, value)
    for at in range(1, _SIZE):
        row.centre[at, row.kept] = _coordinate(row, _back(row, at + 1))
    row.kept += 1
    if row.kept == CENTRES:
        _drop_one(row)


@kernel
def _drop_one(row: Any) -> None:
    """Drop one of the two closest shapes; what lies closer than they did is no new shape."""
    closest = np.float32(np.inf)
    dropped = 0
    for one in range(CENTRES):
        _measure(row, one)
        for other in range(one + 1, CENTRES):
            if row.past[other] < closest:
                closest = row.past[other]
                dropped = other
    row.radius = max(row.radius, float(closest))
    row.kept -= 1
    for at in range(_SIZE):
        row.centre[at, dropped] = row.centre[at, row.kept]


@kernel
def _measure(row: Any, one: int) -> None:
    """The distance of each shape from this one, into ``past``, which is free after scoring."""
    past = row.past
    for k in range(CENTRES):
        past[k] = np.float32(0.0)
    for at in range(_SIZE):
        centre = row.centre[at]
        here = centre[one]
        for k in range(CENTRES):
            past[k] += abs(here - centre[k])
