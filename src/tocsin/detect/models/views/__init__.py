"""The default model: several cheap views of a sample, their evidence added up.

Each view gives a score in the metric's own units; the `pareto` likelihood turns it into the
evidence -log10 p, "one in 10^evidence". The raw anomaly score is the weighted sum of the evidence.
The views are dependent and the sum is no p-value; the metric's own likelihood makes it one.

========  ==================================================================  ======
view      score                                                               weight
========  ==================================================================  ======
value     distance of the value from all values seen (`novelty`)              1
level     the same for the mean of the last 48 values: shifts and drifts      0.5
forecast  distance from the expected value (`forecast`)                       0.2
========  ==================================================================  ======

How rare a novel value is does not say how far out it lies: the value's distance relative to the
range seen so far adds 2 log10(1 + 100 distance / range).

Cost: O(1); with likelihood and alarm about 2 microseconds per sample (``tocsin bench nab`` prints
it). State: one `VIEWS` record, 5,888 bytes.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel
from tocsin.detect.likelihood.pareto import PARETO, add, survival
from tocsin.detect.models.views.forecast import FORECAST, expect, follow
from tocsin.detect.models.views.novelty import NOVELTY, distance, see

__all__ = ["VIEWS", "expectation", "learn", "surprise"]

_VALUE_WEIGHT: Final = 1.0
_LEVEL_WEIGHT: Final = 0.5
_FORECAST_WEIGHT: Final = 0.2
#: Samples whose mean is the level.
_LEVEL_SPAN: Final = 48
#: What a new value's distance adds, and the share of the range from which it counts.
_REACH_WEIGHT: Final = 2.0
_REACH: Final = 100.0
#: Scores of a view before its evidence counts.
_VIEW_READY: Final = 30.0

VIEWS: Final = np.dtype(
    [
        ("seen", "i8"),
        ("recent", "f8", (_LEVEL_SPAN,)),
        ("values", NOVELTY),
        ("levels", NOVELTY),
        ("forecast", FORECAST),
        ("value_tail", PARETO),
        ("level_tail", PARETO),
        ("forecast_tail", PARETO),
    ],
    align=True,
)


@kernel
def _evidence(tail: Any, score: float) -> float:
    """-log10 of how rare this score is in its view; 0 until the view is ready."""
    if tail.weight < _VIEW_READY:
        return 0.0
    return -math.log10(max(survival(tail, score), 1e-300))


@kernel
def _level(row: Any, value: float) -> float:
    """The mean of the last values, this one among them."""
    others = min(row.seen, _LEVEL_SPAN - 1)
    total = value
    for back in range(1, others + 1):
        total += row.recent[(row.seen - back) % _LEVEL_SPAN]
    return float(total / (others + 1))


@kernel
def _reach(row: Any, away: float) -> float:
    """Evidence from how far out a value is, relative to the range seen so far."""
    if away <= 0.0 or row.value_tail.weight < _VIEW_READY:
        return 0.0
    reach = row.values.high[row.values.spans - 1] - row.values.low[0]
    share = away / reach if reach > away * 1e-6 else 1e6
    return _REACH_WEIGHT * math.log10(1.0 + _REACH * share)


@kernel
def expectation(row: Any, civil: int) -> float:
    """The value expected at this civil time (ns); not-a-number before the first sample."""
    return expect(row.forecast, civil)


@kernel
def surprise(row: Any, value: float, expected: float) -> float:
    """The raw anomaly score of a value: the views' evidence, added up; >= 0."""
    if row.seen == 0:
        return 0.0
    away = distance(row.values, value)
    total = _VALUE_WEIGHT * _evidence(row.value_tail, away) + _reach(row, away)
    shift = distance(row.levels, _level(row, value))
    total += _LEVEL_WEIGHT * _evidence(row.level_tail, shift)
    total += _FORECAST_WEIGHT * _evidence(row.forecast_tail, abs(value - expected))
    return total


@kernel
def _learn_score(tail: Any, score: float) -> None:
    add(tail, score, survival(tail, score))


@kernel
def learn(row: Any, civil: int, value: float, expected: float) -> None:
    """Learn a value, after `surprise` has scored it."""
    level = _level(row, value)
    if row.seen > 0:
        _learn_score(row.value_tail, distance(row.values, value))
        _learn_score(row.level_tail, distance(row.levels, level))
        _learn_score(row.forecast_tail, abs(value - expected))
    see(row.values, value)
    see(row.levels, level)
    follow(row.forecast, civil, value)
    row.recent[row.seen % _LEVEL_SPAN] = value
    row.seen += 1
