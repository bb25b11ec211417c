"""The evidence likelihood: for raw scores that are meant as -log10 p already, but are not quite.

A raw score of evidence s says "one in 10^s", as the sum of dependent views' evidence does. Until
the metric shows otherwise it is taken at its word, with the weight of `_PRIOR` samples; then the
metric's own scores correct it: the body by a histogram, the far tail by an exponential law whose
mean excess is estimated from the largest scores. Old scores fade.

Cost per sample: O(bins), about 0.1 microseconds. State: one `EVIDENCE` record, 488 bytes.

Source: peaks over threshold with an exponential law of excesses (the Pareto law's shape 0), after
Balkema & de Haan (1974); the prior makes it a posterior mean under a gamma prior on the rate.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel

__all__ = ["EVIDENCE", "add", "level", "survival"]

BINS: Final = 120
#: Width of a bin of the histogram, in decades of probability.
WIDTH: Final = 0.1
#: Weight that old scores keep per new one, once MEMORY of them are there.
MEMORY: Final = 20_000.0
#: Samples that the law P(S >= s) = 10^-s is worth beforehand.
_PRIOR: Final = 300.0
#: Excesses that their mean of 1 / ln 10 is worth beforehand.
_EXCESS_PRIOR: Final = 60.0
#: The tail starts where this many samples, or this share of them, lie above.
_TAIL_COUNT: Final = 40.0
_TAIL_SHARE: Final = 0.0005
_LARGEST_TAIL_SHARE: Final = 0.2

#: Decayed histogram of raw scores; the last bin also takes what lies beyond it.
EVIDENCE: Final = np.dtype([("weight", "f8"), ("bin", "f4", (BINS,))], align=True)


@kernel
def _tail(row: Any) -> tuple[int, float]:
    """The bin where the tail starts and the samples in and above it."""
    total = row.weight + _PRIOR
    need = min(max(_TAIL_COUNT, _TAIL_SHARE * total), _LARGEST_TAIL_SHARE * total)
    start = BINS - 1
    above = float(row.bin[start])
    # The prior's share grows by 10^WIDTH per bin downwards.
    imagined = _PRIOR * 10.0 ** (-WIDTH * start)
    growth = 10.0**WIDTH
    while start > 0 and above + imagined < need:
        start -= 1
        above += row.bin[start]
        imagined *= growth
    return start, above


@kernel
def survival(row: Any, score: float) -> float:
    """P(a raw score of at least this), in (0, 1]."""
    start, above = _tail(row)
    total = row.weight + _PRIOR
    threshold = WIDTH * start
    if score >= threshold:
        mean = (_excesses(row, start) + _EXCESS_PRIOR / math.log(10.0)) / (above + _EXCESS_PRIOR)
        crossing = (above + _PRIOR * 10.0**-threshold) / total
        return crossing * math.exp(-(score - threshold) / mean)
    place = int(score / WIDTH)
    higher = above
    for k in range(place + 1, start):
        higher += row.bin[k]
    higher += row.bin[place] * (1.0 - (score / WIDTH - place))
    return min(1.0, (higher + _PRIOR * 10.0**-score) / total)


@kernel
def _excesses(row: Any, start: int) -> float:
    """The sum of what the scores in the tail exceed its threshold by."""
    total = 0.0
    for k in range(start, BINS):
        total += row.bin[k] * (k - start + 0.5)
    return total * WIDTH


@kernel
def level(row: Any, p: float) -> float:
    """The raw score whose survival is ``p``: the inverse of `survival`, by bisection."""
    low, high = 0.0, 400.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        if survival(row, middle) > p:
            low = middle
        else:
            high = middle
    return high


@kernel
def add(row: Any, score: float) -> None:
    """Learn one raw score (>= 0)."""
    if row.weight >= MEMORY:
        keep = np.float32(1.0 - 1.0 / MEMORY)
        row.weight *= 1.0 - 1.0 / MEMORY
        for k in range(BINS):
            row.bin[k] *= keep
    row.weight += 1.0
    row.bin[min(int(score / WIDTH), BINS - 1)] += np.float32(1.0)
