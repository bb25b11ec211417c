"""The step with the HTM model and the `evidence` likelihood.

A single raw score says little: it is a count of columns, often 0 and now and then 1 while all is
well. What is judged is the mean of the last ten, as in HTM Engine, and how far the value lies
beyond all values before (the range rule): the first as evidence -log10 p from its own past by the
`pareto` likelihood, the second as 2 log10(1 + 100 distance / range), added up. An anomaly of the
first kind is therefore seen some samples late.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel
from tocsin.detect.kernels.counter import watch
from tocsin.detect.kernels.htm import ask, head_of
from tocsin.detect.kernels.step import judge
from tocsin.detect.likelihood import pareto
from tocsin.detect.likelihood.evidence import EVIDENCE, add, survival
from tocsin.detect.likelihood.frequency import frequency
from tocsin.detect.models.htm import room

__all__ = ["HEAD", "NEEDED", "score_samples"]

#: Samples before there is a likelihood.
NEEDED: Final = 100
#: Raw scores are learnt from this sample on: before, everything is new to the model.
_SCORED_FROM: Final = 31
#: Raw scores in the mean that is judged.
_SPAN: Final = 10
#: Means of raw scores before they are evidence.
_READY: Final = 30.0
#: What the distance beyond the range adds, and the share of the range from which it counts.
_REACH_WEIGHT: Final = 2.0
_REACH: Final = 100.0
_FARTHEST: Final = 1e6

#: The likelihood's part of a row: the last raw scores, the law of their mean, that of the evidence.
LAWS: Final = np.dtype(
    [("recent", "f8", (_SPAN,)), ("means", pareto.PARETO), ("evidence", EVIDENCE)], align=True
)

HEAD: Final = head_of(LAWS)

_rarity = pareto.survival
_learn_mean = pareto.add


@kernel
def _beyond(row: Any, value: float) -> float:
    """Distance of a value beyond all before it, as a share of their range; 0 for a constant."""
    low, high = row.model.low, row.model.high
    away = max(value - high, low - value)
    if row.seen == 0 or away <= 0.0 or not high > low:
        return 0.0
    reach = high - low
    return away / reach if reach > away / _FARTHEST else _FARTHEST


@kernel
def _mean(laws: Any, seen: int, raw: float) -> float:
    """The mean of the last raw scores, this one among them, which is kept."""
    laws.recent[seen % _SPAN] = raw
    total = 0.0
    for k in range(min(seen + 1, _SPAN)):
        total += laws.recent[k]
    return total / min(seen + 1, _SPAN)


@kernel
def _weigh(laws: Any, mean: float, beyond: float, learn: bool) -> float:
    """The evidence of a mean raw score and a distance beyond the range."""
    told = 0.0
    p = _rarity(laws.means, mean)
    if laws.means.weight >= _READY:
        told = -math.log10(max(p, 1e-300))
    if learn:
        _learn_mean(laws.means, mean, p)
    return told + _REACH_WEIGHT * math.log10(1.0 + _REACH * beyond)


@kernel
def score_samples(
    rows: Any, blocks: Any, at: Any, plans: Any, metric: Any, timestamp: Any, civil: Any,
    value: Any, wanted: Any, out: Any,
) -> None:  # fmt: skip
    """Score and learn samples in the order given; ``out`` gets a `RESULT` row for each.

    ``rows``: the heads of the fleet's states, ``blocks`` their bytes, ``at`` where arrays lie;
    ``plans``: one plan; the rest as for the other models.
    """
    plan = plans[0]
    work = room(plan)
    for i in range(len(value)):
        m = metric[i]
        row = rows[m]
        seen = watch(row, timestamp[i], value[i], wanted.counter, out[i])
        if math.isnan(seen):
            continue
        beyond = _beyond(row, seen) if plan.range_rule else 0.0
        _, raw, _ = ask(row, blocks[m], at, plan, work, timestamp[i], civil[i], seen, out[i])
        laws = row.likelihood
        mean = _mean(laws, row.seen - 1, raw)
        evidence = _weigh(laws, mean, beyond, row.seen >= _SCORED_FROM)
        p = survival(laws.evidence, evidence)
        if row.seen >= NEEDED:
            judge(row, p, frequency(laws.evidence.often, p), wanted, out[i])
        if row.seen >= _SCORED_FROM:
            add(laws.evidence, evidence, p)
