"""The Pareto likelihood: how probable a score at least this large is, after the scores before it.

For scores >= 0 of any kind and any scale.

The body of the distribution is a histogram on a logarithmic axis (scale-free: only ratios of
scores matter). Beyond the threshold that about fifty of the largest scores exceed, the excesses
follow a generalised Pareto law fitted by probability-weighted moments to the same histogram, so
that a p-value of 1e-5 means something long before 100,000 samples. Old scores fade; a single huge
score enters as a less huge one, so that an anomaly does not hide the next, while a lasting change
is accepted.

Cost per score: O(bins). State: one `PARETO` record, 496 bytes.

Sources: Pickands (1975) and Balkema & de Haan (1974) for the Pareto law of excesses; Hosking &
Wallis (1987) for its probability-weighted moments.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel
from tocsin.detect.likelihood.bins import sum_of

__all__ = ["PARETO", "Law", "add", "law_of", "level", "survival", "survival_by"]

BINS: Final = 120
#: Bins per doubling of the score: neighbouring bins differ by 19 %.
PER_OCTAVE: Final = 4
#: Where the first positive score lands, leaving room for larger ones.
_FIRST_BIN: Final = 82
#: Weight that old scores keep per new one, once MEMORY of them are there.
MEMORY: Final = 20_000.0
#: The tail starts where this many scores, or this share of them, lie above.
_TAIL_COUNT: Final = 20.0
_TAIL_SHARE: Final = 0.02
_LARGEST_TAIL_SHARE: Final = 0.25
#: A score rarer than this enters the histogram as one exactly this rare.
_WINSOR: Final = 1e-4
#: Scores that must be there before the winsorising begins.
_WINSOR_FROM: Final = 30.0
#: The shape of the tail as expected beforehand, and how many excesses that expectation is worth.
_SHAPE: Final = 0.2
_SHAPE_WEIGHT: Final = 10.0
_SMALLEST_SHAPE: Final = 0.02
#: A bin's width, over the distance from its middle to the middle below.
_MIDDLE_TO_WIDTH: Final = 2.0 ** (0.5 / PER_OCTAVE)
_LARGEST_SHAPE: Final = 0.9

#: By place above the tail's threshold, in units of it: the middle of a bin's excesses, and a
#: twelfth of its width.
_EXCESS: Final = 2.0 ** ((np.arange(BINS) + 0.5) / PER_OCTAVE) - 1.0
_WIDTH: Final = (_EXCESS + 1.0) * (1.0 - 2.0 ** (-1.0 / PER_OCTAVE)) * _MIDDLE_TO_WIDTH / 12.0

#: Where the bins of an octave begin, but for the first, in halves of it.
_EDGES: Final = tuple(2.0 ** (k / PER_OCTAVE - 1.0) for k in range(1, PER_OCTAVE))

#: Decayed histogram of scores. ``bin[0]`` counts zeros; bin k >= 1 covers scores from
#: 2^((base + k) / PER_OCTAVE) on, by a factor of 2^(1 / PER_OCTAVE). ``top``: the highest bin that
#: anything ever fell into; 0 as long as there were nothing but zeros.
PARETO: Final = np.dtype(
    [("weight", "f8"), ("base", "i4"), ("top", "i4"), ("bin", "f4", (BINS,))], align=True
)


#: What the chances of many scores follow from: the bin where the tail starts, the scores in and
#: above it, P(a score in the tail), and the scale and shape of the excesses over its threshold, in
#: units of it.
Law = tuple[int, float, float, float, float]


@kernel
def survival(row: Any, score: float) -> float:
    """P(a score of at least this), in (0, 1]; 1 before anything was learnt."""
    if row.weight <= 0.0 or score <= 0.0:
        return 1.0
    if row.top == 0:  # nothing but zeros so far
        return 0.5 / (row.weight + 1.0)
    start, above = _tail(row)
    position = PER_OCTAVE * math.log2(score) - row.base
    if position < start:
        return _body(row, position, start, above)
    return _beyond(_fitted(row, start, above), position)


@kernel
def law_of(row: Any) -> Law:
    """What `survival_by` goes by, until the next score is learnt."""
    if row.top == 0:
        return 0, 0.0, 0.0, 0.0, 0.0
    start, above = _tail(row)
    return _fitted(row, start, above)


@kernel
def survival_by(row: Any, law: Law, score: float) -> float:
    """The same as `survival`, for one score after another. Cost: O(bins), half of it."""
    if row.weight <= 0.0 or score <= 0.0:
        return 1.0
    if row.top == 0:
        return 0.5 / (row.weight + 1.0)
    position = PER_OCTAVE * math.log2(score) - row.base
    if position < law[0]:
        return _body(row, position, law[0], law[1])
    return _beyond(law, position)


@kernel
def _tail(row: Any) -> tuple[int, float]:
    """The bin where the tail starts and the scores in and above it."""
    bins = row.bin
    need = min(max(_TAIL_COUNT, _TAIL_SHARE * row.weight), _LARGEST_TAIL_SHARE * row.weight)
    start = row.top + 1
    above = 0.0
    # By fours as long as that is not too far, then one by one: sums of counts are exact.
    while start > 4:
        four = sum_of(bins, start - 4, start)
        if above + four >= need:
            break
        above += four
        start -= 4
    while start > 1:
        start -= 1
        above += bins[start]
        if above >= need:
            break
    return start, above


@kernel
def _body(row: Any, position: float, start: int, above: float) -> float:
    """The share of scores above one that lies below the tail's threshold."""
    if position < 1.0:
        return (above + sum_of(row.bin, 1, start) + 0.5) / (row.weight + 0.5)
    place = int(position)
    higher = above + sum_of(row.bin, place + 1, start)
    higher += row.bin[place] * (1.0 - (position - place))
    return (higher + 0.5) / (row.weight + 1.0)


@kernel
def _beyond(law: Law, position: float) -> float:
    """The generalised Pareto tail over its threshold."""
    start, _, crossing, scale, shape = law
    excess = 2.0 ** ((position - start) / PER_OCTAVE) - 1.0
    return crossing * (1.0 + shape * excess / scale) ** (-1.0 / shape)


@kernel
def _fitted(row: Any, start: int, above: float) -> Law:
    """The law, given where its tail starts and what lies above."""
    bins = row.bin
    mean = 0.0
    halved = 0.0  # of excess times the share of excesses above it
    higher = 0.0
    for k in range(row.top, start - 1, -1):
        count = float(bins[k])
        excess = _EXCESS[k - start]
        mean += count * excess
        # Scores lie evenly within their bin: the larger ones have fewer above them.
        halved += count * (excess * (higher + 0.5 * count) - count * _WIDTH[k - start])
        higher += count
    mean /= above
    halved /= above * above
    spread = mean - 2.0 * halved
    found = _LARGEST_SHAPE if spread <= 1e-12 * mean else 2.0 - mean / spread
    shape = (found * above + _SHAPE * _SHAPE_WEIGHT) / (above + _SHAPE_WEIGHT)
    shape = min(max(shape, _SMALLEST_SHAPE), _LARGEST_SHAPE)
    # With few excesses their law is itself uncertain: the predictive tail is heavier.
    crossing = (above + 0.5) / (row.weight + 1.0)
    return start, above, crossing, mean * (1.0 - shape), shape + 1.0 / above


@kernel
def level(row: Any, p: float) -> float:
    """The score whose survival is ``p``: the inverse of `survival`, by bisection."""
    low, high = -60.0, 60.0
    if row.top:
        low = float(row.base) / PER_OCTAVE
        high = low + 2.0 * BINS / PER_OCTAVE
    for _ in range(24):
        middle = 0.5 * (low + high)
        if survival(row, 2.0**middle) > p:
            low = middle
        else:
            high = middle
    return float(2.0**high)


@kernel
def add(row: Any, score: float, p: float) -> None:
    """Learn one score (>= 0) whose survival was ``p``."""
    if p < _WINSOR and row.weight >= _WINSOR_FROM:
        score = min(score, level(row, _WINSOR))
    place = 0
    if score > 0.0:
        absolute = _place(score)
        if row.top == 0:
            row.base = absolute - _FIRST_BIN
        place = absolute - row.base
        if place >= BINS:
            _shift(row, place - BINS + 1)
            place = BINS - 1
        place = max(place, 1)
        row.top = max(row.top, place)
    if row.weight >= MEMORY:
        keep = np.float32(1.0 - 1.0 / MEMORY)
        row.weight *= 1.0 - 1.0 / MEMORY
        for k in range(BINS):
            row.bin[k] *= keep
    row.weight += 1.0
    row.bin[place] += np.float32(1.0)


@kernel
def _place(score: float) -> int:
    """The absolute position of the bin that a score > 0 falls into."""
    part, power = math.frexp(score)  # part: of [0.5, 1)
    place = PER_OCTAVE * (power - 1)
    for edge in _EDGES:
        place += part >= edge
    return place


@kernel
def _shift(row: Any, by: int) -> None:
    """Move the histogram's window up; what falls out below is kept in the lowest bin."""
    bins = row.bin
    fallen = np.float32(0.0)
    for k in range(1, min(by + 2, BINS)):
        fallen += bins[k]
    for k in range(2, BINS):
        bins[k] = bins[k + by] if k + by < BINS else np.float32(0.0)
    bins[1] = fallen
    row.base += by
