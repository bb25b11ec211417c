"""The Gaussian likelihood over one row of state, with HTM Engine's policy in live operation.

The same numbers as `policy.StreamingPolicy` fed one row at a time (within rounding): the average
of the last 10 raw scores under a normal law that is fitted every 24 rows to the averages of the
last 8640 rows less the oldest 288. Statistics are due by row, never by batch. A forced refresh has
no place here: in live operation it never came about. One-sided: too predictable is no anomaly.

Readiness: HTM Engine answered 0 up to row 100 and 0.5 up to row 292, knowing nothing. The first
row that a fitted law judges is `FITTED_FROM` = 293 (that first law knows 4 averages; it takes
about 600 rows until it is steady, as it did).

Raw scores must be in [0, 1], which floors and null law are made for. `bounded` maps a model's
evidence s >= 0 ("one in 10^s") there: s / 15, at most 1, for every metric and at all times, as an
HTM gives most samples about 0 and total surprise 1. (1 - 10^-s would give one of ten 0.6 and more,
and drown the rest.)

Instead of 8352 averages and values, their count, mean and sum of squares are kept for each run
between two fits: whole runs leave the sample, so the fit is the same.

Cost per row: about 0.1 microseconds, fits included. State: one `GAUSSIAN` record, 11.4 KiB.

Source of merging means and squares: Chan, Golub & LeVeque (1979).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel
from tocsin.detect.likelihood.gaussian import GaussianSettings
from tocsin.detect.likelihood.policy import StreamingSettings

__all__ = [
    "FITTED_FROM",
    "GAUSSIAN",
    "LIVE",
    "add",
    "bounded",
    "level",
    "survival",
    "unbounded",
]

#: The settings of this policy, all of them fixed.
LIVE: Final = StreamingSettings(gaussian=GaussianSettings(sides="one"))

_WINDOW: Final = LIVE.gaussian.averaging_window
_MINIMUM: Final = LIVE.minimum_sample_size
_EVERY: Final = LIVE.refresh_interval
_SKIPPED: Final = LIVE.gaussian.skipped_rows
#: Runs between fits in a full sample. It is made of whole runs: 8640 - 288 = 348 * 24.
_RUNS: Final = (LIVE.sample_size - _SKIPPED) // _EVERY
#: The first row that a fitted law judges: the one after the first fit that knows any average.
FITTED_FROM: Final = _MINIMUM + ((_SKIPPED - _MINIMUM) // _EVERY + 1) * _EVERY + 1

_SMALLEST_MEAN: Final = LIVE.gaussian.smallest_mean
_SMALLEST_VARIANCE: Final = LIVE.gaussian.smallest_variance
_FLAT: Final = LIVE.gaussian.flat_variance
_NULL_MEAN: Final = LIVE.gaussian.null_mean
_NULL_SPREAD: Final = math.sqrt(LIVE.gaussian.null_variance)
_RED: Final = 1.0 - LIVE.gaussian.red
_REPEATED: Final = 1.0 - LIVE.gaussian.repeated_red
#: The square root of two as NuPIC wrote it.
_ROOT_TWO: Final = 1.4142
#: Evidence that is total surprise, a raw score of 1.
_TOTAL: Final = 15.0

#: ``mean``, ``spread``: the law. ``tail``: the last tail probability, before repeats are filtered.
#: Then the run since the last fit and, in a ring, the runs before it: rows, means and sums of
#: squared deviations of averages (``a``) and values (``v``).
GAUSSIAN: Final = np.dtype(
    [
        ("seen", "i8"),
        ("recent", "f8", (_WINDOW,)),
        ("mean", "f8"),
        ("spread", "f8"),
        ("tail", "f8"),
        ("rows", "f8"),
        ("a_mean", "f8"),
        ("a_squares", "f8"),
        ("v_mean", "f8"),
        ("v_squares", "f8"),
        ("closed", "i8"),
        ("a_means", "f8", (_RUNS,)),
        ("a_squared", "f8", (_RUNS,)),
        ("v_means", "f8", (_RUNS,)),
        ("v_squared", "f8", (_RUNS,)),
        ("counts", "u1", (_RUNS,)),
    ],
    align=True,
)


@kernel
def bounded(evidence: float) -> float:
    """A model's raw score >= 0 as one in [0, 1]."""
    return min(evidence / _TOTAL, 1.0)


@kernel
def unbounded(raw: float) -> float:
    """The inverse of `bounded`; infinite for what no raw score reaches, 0 for negative ones."""
    return _TOTAL * max(raw, 0.0) if raw <= 1.0 else np.inf


@kernel
def _others(row: Any) -> float:
    """The sum of the raw scores that the next one is averaged with."""
    total = 0.0
    for back in range(min(row.seen, _WINDOW - 1), 0, -1):
        total += row.recent[(row.seen - back) % _WINDOW]
    return total


@kernel
def _average(row: Any, raw: float) -> float:
    return (_others(row) + raw) / min(row.seen + 1, _WINDOW)


@kernel
def _tail(row: Any, average: float) -> float:
    """P(an average of at least this) under the law."""
    return 0.5 * math.erfc((average - row.mean) / row.spread / _ROOT_TWO)


@kernel
def survival(row: Any, raw: float) -> float:
    """The tail probability of a raw score in [0, 1]; 1 while there are too few rows.

    Of a run of red ones only the first is red.
    """
    if row.seen < _MINIMUM:
        return 1.0
    tail = _tail(row, _average(row, raw))
    return _REPEATED if tail <= _RED and row.tail <= _RED else tail


@kernel
def level(row: Any, p: float) -> float:
    """The raw score from which on the tail probability of the next row is at most ``p`` < 0.5.

    Above 1: no single raw score gets there; below 0: any does. Repeats are not thought of.
    """
    low, high = 0.0, 40.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        if 0.5 * math.erfc(middle / _ROOT_TWO) > p:
            low = middle
        else:
            high = middle
    return (row.mean + high * row.spread) * min(row.seen + 1, _WINDOW) - _others(row)


@kernel
def add(row: Any, raw: float, value: float) -> None:
    """Learn one raw score in [0, 1] and the metric's value; fit anew where that is due."""
    average = _average(row, raw)
    row.recent[row.seen % _WINDOW] = raw
    row.seen += 1
    if row.seen > _SKIPPED:
        _count(row, average, value)
    if row.seen >= _MINIMUM:
        if (row.seen - _MINIMUM) % _EVERY == 0:
            _fit(row)
        row.tail = _tail(row, average)


@kernel
def _count(row: Any, average: float, value: float) -> None:
    """Take a row into the run since the last fit."""
    row.rows += 1.0
    above = average - row.a_mean
    row.a_mean += above / row.rows
    row.a_squares += above * (average - row.a_mean)
    above = value - row.v_mean
    row.v_mean += above / row.rows
    row.v_squares += above * (value - row.v_mean)


@kernel
def _close(row: Any) -> None:
    """Move the run since the last fit into the ring; the oldest one leaves a full ring."""
    place = row.closed % _RUNS
    row.counts[place] = int(row.rows)
    row.a_means[place] = row.a_mean
    row.a_squared[place] = row.a_squares
    row.v_means[place] = row.v_mean
    row.v_squared[place] = row.v_squares
    row.closed += 1
    row.rows = row.a_mean = row.a_squares = row.v_mean = row.v_squares = 0.0


@kernel
def _moments(counts: Any, means: Any, squared: Any, runs: int) -> tuple[float, float]:
    """Mean and variance of the rows of so many runs."""
    rows, mean = 0.0, 0.0
    for k in range(runs):
        rows += counts[k]
        mean += counts[k] * means[k]
    mean /= rows
    squares = 0.0
    for k in range(runs):
        squares += squared[k] + counts[k] * (means[k] - mean) ** 2
    return mean, squares / rows


@kernel
def _fit(row: Any) -> None:
    row.mean, row.spread = _NULL_MEAN, _NULL_SPREAD
    if row.rows == 0.0:
        return
    _close(row)
    runs = min(row.closed, _RUNS)
    _, variance = _moments(row.counts, row.v_means, row.v_squared, runs)
    if variance < _FLAT:
        return
    mean, variance = _moments(row.counts, row.a_means, row.a_squared, runs)
    row.mean = max(mean, _SMALLEST_MEAN)
    row.spread = math.sqrt(max(variance, _SMALLEST_VARIANCE))
