"""The evidence likelihood: for raw scores that are meant as -log10 p already, but are not quite.

A raw score of evidence s says "one in 10^s", as the sum of dependent views' evidence does. Until
the metric shows otherwise it is taken at its word, with the weight of `_PRIOR` samples of the law
P(S >= s) = 10^-(s + 1), nine of ten samples having nothing to tell. Then the metric's own scores
correct it: the body by a histogram, the far tail by a generalised Pareto law whose mean excess and
shape are estimated from the largest scores, and drawn towards those of the law. Old scores fade.

An anomaly that lasts is learnt once: of the rare scores that follow a very rare one, one in five
is learnt, so that a metric that is often anomalous is not held to be so by nature. Rare scores that
come alone, as on quiet data, are all learnt. This keeps the rate of events, not of samples: where
rare scores come in clusters by nature, more samples than stated are below a p-value. How many is
counted beside it (`frequency`).

Cost per score: O(bins). State: one `EVIDENCE` record, 520 bytes.

Sources: Balkema & de Haan (1974) for the Pareto law of excesses over a threshold, Hosking & Wallis
(1987) for its probability-weighted moments; Leadbetter (1991) for clusters of exceedances counted
as one.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel
from tocsin.detect.likelihood.bins import sum_of
from tocsin.detect.likelihood.frequency import FREQUENCY, count

__all__ = ["EVIDENCE", "add", "level", "survival"]

BINS: Final = 120
#: Width of a bin of the histogram, in decades of probability.
WIDTH: Final = 0.1
#: Weight that old scores keep per new one, once MEMORY of them are there.
MEMORY: Final = 100_000.0
#: Samples that the law expected beforehand is worth.
_PRIOR: Final = 300.0
#: Excesses that their mean of 1 / ln 10 is worth beforehand.
_EXCESS_PRIOR: Final = 60.0
#: Excesses that their law's shape of 0 is worth beforehand.
_SHAPE_PRIOR: Final = 60.0
_LARGEST_SHAPE: Final = 0.9
#: Below this shape the law is the exponential one.
_EXPONENTIAL: Final = 1e-6
#: No raw score is higher, whatever is asked for.
_HIGHEST: Final = 400.0
#: A score rarer than one in this many times the samples seen enters as one exactly that rare: one
#: anomaly does not hide the next.
_WINSOR_TIMES: Final = 10.0
#: The tail starts where this many samples, or this share of them, lie above.
_TAIL_COUNT: Final = 40.0
_TAIL_SHARE: Final = 0.005
_LARGEST_TAIL_SHARE: Final = 0.2

#: An anomaly is learnt once: of the scores this rare that follow one rarer than `_ALARMING` within
#: `_QUIET` samples, one in so many is learnt.
_ALARMING: Final = 1e-3
_UNUSUAL: Final = 3e-3
_QUIET: Final = 10
_LEARNT_AGAIN: Final = 5

#: Decayed histogram of raw scores; the last bin also takes what lies beyond it. ``alarmed``: quiet
#: samples that an anomaly lasts yet; ``left_out``: its scores that were not learnt since one was;
#: ``top``: the highest bin that anything ever fell into.
EVIDENCE: Final = np.dtype(
    [
        ("weight", "f8"),
        ("alarmed", "i2"),
        ("left_out", "i2"),
        ("top", "i4"),
        ("often", FREQUENCY),
        ("bin", "f4", (BINS,)),
    ],
    align=True,
)


@kernel
def _imagined(score: float) -> float:
    """Samples of the law expected beforehand that lie at or above a score."""
    return _PRIOR * math.exp(-math.log(10.0) * (1.0 + score))


#: The same for the lower edge of each bin.
_IMAGINED: Final = _PRIOR * 10.0 ** (-1.0 - WIDTH * np.arange(BINS))


@kernel
def _tail(row: Any) -> tuple[int, float]:
    """The bin where the tail starts and the samples in and above it."""
    bins = row.bin
    total = row.weight + _PRIOR
    need = min(max(_TAIL_COUNT, _TAIL_SHARE * total), _LARGEST_TAIL_SHARE * total)
    start = row.top + 1  # what is imagined is never enough by itself
    above = 0.0
    # By fours as long as that is not too far, then one by one: sums of counts are exact.
    while start >= 4:
        four = sum_of(bins, start - 4, start)
        if above + four + _IMAGINED[start - 4] >= need:
            break
        above += four
        start -= 4
    while start > 0:
        start -= 1
        above += bins[start]
        if above + _IMAGINED[start] >= need:
            break
    return start, above


@kernel
def survival(row: Any, score: float) -> float:
    """P(a raw score of at least this), in (0, 1]."""
    start, above = _tail(row)
    if score >= WIDTH * start:
        crossing, scale, shape = _law(row, start, above)
        excess = score - WIDTH * start
        if shape < _EXPONENTIAL:
            return crossing * math.exp(-excess / scale)
        return crossing * (1.0 + shape * excess / scale) ** (-1.0 / shape)
    place = int(score / WIDTH)
    higher = above + sum_of(row.bin, place + 1, start)
    higher += row.bin[place] * (1.0 - (score / WIDTH - place))
    return min(1.0, (higher + _imagined(score)) / (row.weight + _PRIOR))


@kernel
def _law(row: Any, start: int, above: float) -> tuple[float, float, float]:
    """P(a score in the tail), and the scale and shape of its excesses over the tail's threshold."""
    bins = row.bin
    mean = 0.0
    halved = 0.0  # excess times the share of excesses above it
    higher = 0.0
    for k in range(row.top, start - 1, -1):
        count = float(bins[k])
        excess = k - start + 0.5
        mean += count * excess
        halved += count * (excess * (higher + 0.5 * count) - count / 12.0)
        higher += count
    shape = 0.0
    if above > 0.0:
        spread = mean / above - 2.0 * halved / (above * above)
        found = _LARGEST_SHAPE if spread <= 0.0 else 2.0 - mean / above / spread
        shape = min(max(found * above / (above + _SHAPE_PRIOR), 0.0), _LARGEST_SHAPE)
    mean = (WIDTH * mean + _EXCESS_PRIOR / math.log(10.0)) / (above + _EXCESS_PRIOR)
    crossing = (above + _IMAGINED[start]) / (row.weight + _PRIOR)
    return crossing, mean * (1.0 - shape), shape


@kernel
def level(row: Any, p: float) -> float:
    """The raw score whose survival is ``p``: the inverse of `survival`; at most `_HIGHEST`."""
    start, above = _tail(row)
    crossing, scale, shape = _law(row, start, above)
    if p < crossing:
        times = crossing / p
        excess = math.log(times) if shape < _EXPONENTIAL else (times**shape - 1.0) / shape
        return min(WIDTH * start + scale * excess, _HIGHEST)
    low, high = 0.0, WIDTH * start
    for _ in range(40):
        middle = 0.5 * (low + high)
        if survival(row, middle) > p:
            low = middle
        else:
            high = middle
    return high


@kernel
def add(row: Any, score: float, p: float) -> None:
    """Learn one raw score (>= 0) whose survival was ``p``; of an anomaly that lasts, its share."""
    count(row.often, p)
    if _is_more_of_the_same(row, p):
        return
    rarest = 1.0 / (_WINSOR_TIMES * (row.weight + _PRIOR))
    if p < rarest:
        score = min(score, level(row, rarest))
    if row.weight >= MEMORY:
        keep = np.float32(1.0 - 1.0 / MEMORY)
        row.weight *= 1.0 - 1.0 / MEMORY
        for k in range(BINS):
            row.bin[k] *= keep
    row.weight += 1.0
    place = min(int(score / WIDTH), BINS - 1)
    row.bin[place] += np.float32(1.0)
    row.top = max(row.top, place)


@kernel
def _is_more_of_the_same(row: Any, p: float) -> bool:
    """Whether this score belongs to an anomaly that is learnt already."""
    skip = False
    if row.alarmed > 0 and p < _UNUSUAL:
        row.left_out = (row.left_out + 1) % _LEARNT_AGAIN
        skip = row.left_out > 0
    row.alarmed = _QUIET if p < _ALARMING else max(row.alarmed - 1, 0)
    return skip
