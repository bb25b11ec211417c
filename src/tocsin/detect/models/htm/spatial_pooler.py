"""The spatial pooler: input bits to a fixed number of winning columns, learning as it goes.

A column may connect to a random share of the input bits. Those whose permanence is high enough
are connected; the columns with the most connected bits that are on win, everywhere at once
(global inhibition; of equals the ones with lower numbers). Winners learn: permanences of bits that
are on rise, of others fall. Boosting (off by default) favours columns that rarely win.

Permanences are kept by column, for learning, and one bit "is connected" by input, for counting:
the counts of 64 columns are added at once, as columns of binary digits. Changes of permanence
below one step of 1/254 happen by chance, for a whole column at a time, right on average.

Cost per sample: O(bits on x columns / 64 + winners x bits on). State: columns x inputs x 9/8 bytes.

Sources: Numenta, "Biological and Machine Intelligence", chapter on the spatial pooler (2016);
Cui, Ahmad & Hawkins, "The HTM Spatial Pooler" (2017).
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.compile import kernel
from tocsin.detect.models.htm.chance import chance, rounded
from tocsin.detect.models.htm.parameters import Htm

__all__ = ["Pooler", "initialise", "learn", "pooler_fields", "win"]

#: A column's share of wins is a running mean over about this many samples.
_DUTY_SAMPLES: Final = 1000.0
_LARGEST_BOOST: Final = 16.0
#: Stored permanences: 0 is "not in the pool", 1 to 255 are permanences 0 to 1.
_LARGEST: Final = 255
_SMALLEST: Final = 1
_PLANES: Final = 11
_POOL: Final = -1
_DRAW: Final = -2
_UNIT_BIT: Final = np.uint64(1)
_UNIT: Final = 2.0**-64


class Pooler(NamedTuple):
    """One metric's spatial pooler: views of its block."""

    #: [column x inputs + input].
    permanence: NDArray[np.uint8]
    #: [input x words + word]: a bit per column.
    connected: NDArray[np.uint64]
    #: Each column's share of wins.
    duty: NDArray[np.float32]


def pooler_fields(htm: Htm) -> list[tuple[str, str, tuple[int, ...]]]:
    """The fields of a metric's block that `Pooler` is made of, in its order."""
    return [
        ("permanence", "u1", (htm.columns, htm.inputs)),
        ("connected", "u8", (htm.inputs, -(-htm.columns // 64))),
        ("duty", "f4", (htm.columns,)),
    ]


@kernel
def initialise(pooler: Pooler, plan: Any) -> None:
    """Draw the pools; half of each is connected, permanences even on both sides of the limit."""
    inputs = plan.inputs
    for column in range(plan.columns):
        for bit in range(inputs):
            place = column * inputs + bit
            if float(chance(plan.seed, _POOL, place)) * _UNIT >= plan.potential:
                continue
            draw = float(chance(plan.seed, _DRAW, place)) * _UNIT
            pooler.permanence[place] = _first(draw, plan.spatial_connected)
            if pooler.permanence[place] >= plan.spatial_connected:
                _flip(pooler.connected, plan.words, column, bit)
        pooler.duty[column] = plan.active_columns / plan.columns


@kernel
def _first(draw: float, limit: int) -> int:
    """The permanence of a draw from [0, 1)."""
    if draw < 0.5:
        return _SMALLEST + int(2.0 * draw * (limit - _SMALLEST))
    return limit + int((2.0 * draw - 1.0) * (_LARGEST - limit + 1))


@kernel
def _flip(connected: Any, words: int, column: int, bit: int) -> None:
    connected[bit * words + column // 64] ^= _UNIT_BIT << np.uint64(column % 64)


@kernel
def win(pooler: Pooler, plan: Any, bits: Any, count: int, scores: Any, winners: Any) -> int:
    """Write the numbers of the winning columns, rising, to ``winners``; returns how many.

    ``bits``: the first ``count`` are numbers of input bits that are on, none twice;
    ``scores``: room for one number per column.
    """
    _overlaps(pooler, plan, bits, count, scores)
    if plan.boost > 0.0:
        _boost(pooler, plan, scores)
    return _best(plan, scores, winners)


@kernel
def _overlaps(pooler: Pooler, plan: Any, bits: Any, count: int, scores: Any) -> None:
    """Count each column's connected bits that are on."""
    planes = np.zeros((_PLANES, plan.words), dtype=np.uint64)
    used = 0
    for k in range(count):
        if (k + 1) >> used:
            used += 1
        first = bits[k] * plan.words
        for word in range(plan.words):
            carry = pooler.connected[first + word]
            for plane in range(used):
                old = planes[plane, word]
                planes[plane, word] = old ^ carry
                carry &= old
    _read(planes, used, plan, scores)


@kernel
def _read(planes: Any, used: int, plan: Any, scores: Any) -> None:
    """From binary digits of 64 columns at a time to a number for each."""
    for word in range(plan.words):
        first = 64 * word
        here = scores[first : min(first + 64, plan.columns)]
        here[:] = 0
        for plane in range(used):
            digits = planes[plane, word]
            weight = np.uint64(plane)
            for column in range(len(here)):
                here[column] += np.int64(((digits >> np.uint64(column)) & _UNIT_BIT) << weight)


@kernel
def _boost(pooler: Pooler, plan: Any, scores: Any) -> None:
    target = plan.active_columns / plan.columns
    for column in range(plan.columns):
        factor = math.exp(plan.boost * (target - pooler.duty[column]))
        scores[column] = int(scores[column] * min(factor, _LARGEST_BOOST) * 256.0)


@kernel
def _best(plan: Any, scores: Any, winners: Any) -> int:
    """The columns with the largest scores: all above a limit, and the first ones at it."""
    low, high = 0, 1  # the limit is in [low, high)
    for column in range(plan.columns):
        high = max(high, scores[column] + 1)
    while high - low > 1:
        middle = (low + high) // 2
        if _at_least(scores, plan.columns, middle) >= plan.active_columns:
            low = middle
        else:
            high = middle
    spare = plan.active_columns - _at_least(scores, plan.columns, low + 1)
    found = 0
    for column in range(plan.columns):
        if scores[column] > low or (scores[column] == low and spare > 0):
            spare -= scores[column] == low
            winners[found] = column
            found += 1
    return found


@kernel
def _at_least(scores: Any, columns: int, limit: int) -> int:
    total = 0
    for column in range(columns):
        total += scores[column] >= limit
    return total


@kernel
def learn(
    pooler: Pooler, plan: Any, bits: Any, count: int, on: Any, winners: Any, step: int
) -> None:
    """Let the winners learn the bits that are on; ``on`` says so of every input bit."""
    limit, words = plan.spatial_connected, plan.words
    for k in range(plan.active_columns):
        column = winners[k]
        draw = chance(plan.seed, step, column)
        up = rounded(plan.spatial_increment, draw)
        down = rounded(plan.spatial_decrement, np.uint64(draw) << np.uint64(8))
        own = pooler.permanence[column * plan.inputs : (column + 1) * plan.inputs]
        if up:
            for j in range(count):
                if _shift(own, bits[j], up, limit):
                    _flip(pooler.connected, words, column, bits[j])
        if down:
            for bit in range(plan.inputs):
                if not on[bit] and _shift(own, bit, -down, limit):
                    _flip(pooler.connected, words, column, bit)
    if plan.boost > 0.0:
        _follow_duty(pooler, plan, winners)


@kernel
def _shift(own: Any, bit: int, by: int, limit: int) -> bool:
    """Move one of a column's permanences; returns whether it passed the limit."""
    before: Any = np.int64(own[bit])
    if before == 0:
        return False
    after = min(max(before + by, _SMALLEST), _LARGEST)
    own[bit] = after
    return (before >= limit) != (after >= limit)


@kernel
def _follow_duty(pooler: Pooler, plan: Any, winners: Any) -> None:
    for column in range(plan.columns):
        pooler.duty[column] *= np.float32(1.0 - 1.0 / _DUTY_SAMPLES)
    for k in range(plan.active_columns):
        pooler.duty[winners[k]] += np.float32(1.0 / _DUTY_SAMPLES)
