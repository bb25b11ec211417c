"""The step for raw scores from somewhere else, in [0, 1], with the `gaussian` likelihood.

The raw score of each sample stands in its result row before, and is judged as HTM Engine judged
those of its models. There is no band: see `tocsin.detect.kernels.raw`.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.alarm import ALARM
from tocsin.detect.compile import kernel
from tocsin.detect.kernels.counter import COUNTER, watch
from tocsin.detect.kernels.step import enter, judge
from tocsin.detect.likelihood.gaussian_row import FITTED_FROM, GAUSSIAN, add, survival

__all__ = ["NEEDED", "ROW", "score_samples"]

#: Samples before there is a likelihood: the first that a fitted law judges.
NEEDED: Final = FITTED_FROM

#: One metric's whole state, but for the model's own. ``lower`` belongs to the shared step.
ROW: Final = np.dtype(
    [
        ("seen", "i8"),
        ("first_timestamp", "i8"),
        ("last_timestamp", "i8"),
        ("interval", "f8"),
        ("lower", "f8"),
        ("counter", COUNTER),
        ("likelihood", GAUSSIAN),
        ("alarm", ALARM),
    ],
    align=True,
)


@kernel
def _step(row: Any, timestamp: int, given: float, wanted: Any, out: Any) -> None:
    raw = out.raw_score
    value = enter(row, timestamp, given, out)
    out.raw_score = raw
    if row.seen >= NEEDED:
        p = survival(row.likelihood, raw)
        judge(row, p, p, wanted, out)
    add(row.likelihood, raw, value)


@kernel
def score_samples(
    rows: Any, metric: Any, timestamp: Any, civil: Any, value: Any, wanted: Any, out: Any
) -> None:
    """Judge and learn the raw scores in ``out``, in the order given; fills the rest of ``out``.

    ``rows``: the fleet's states; ``metric``: row numbers; ``timestamp``: ns; ``civil``: not used;
    ``wanted``: see `Settings.wanted`.
    """
    for i in range(len(value)):
        row = rows[metric[i]]
        seen = watch(row, timestamp[i], value[i], wanted.counter, out[i])
        if not math.isnan(seen):
            _step(row, timestamp[i], seen, wanted, out[i])
