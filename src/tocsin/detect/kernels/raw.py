"""The step for raw scores from somewhere else, of any scale, with the `calibrated` likelihood.

The raw score of each sample stands in its result row before. There is no band: what such a model
expects, or which values it would find surprising, is not known.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.alarm import ALARM
from tocsin.detect.compile import kernel
from tocsin.detect.kernels.counter import COUNTER, watch
from tocsin.detect.kernels.step import enter, judge
from tocsin.detect.likelihood.calibrated import CALIBRATED, chance

__all__ = ["NEEDED", "ROW", "score_samples"]

#: Samples while the model itself learns: they say nothing about how it will behave.
_SKIPPED: Final = 100
#: Samples before there is a likelihood.
NEEDED: Final = 200
#: Raw scores whose mean is judged: each sample by itself.
_WINDOW: Final = 1

#: One metric's whole state, but for the model's own. ``lower`` belongs to the shared step.
ROW: Final = np.dtype(
    [
        ("seen", "i8"),
        ("first_timestamp", "i8"),
        ("last_timestamp", "i8"),
        ("interval", "f8"),
        ("lower", "f8"),
        ("counter", COUNTER),
        ("likelihood", CALIBRATED),
        ("alarm", ALARM),
    ],
    align=True,
)


@kernel
def _step(row: Any, timestamp: int, given: float, wanted: Any, out: Any) -> None:
    raw = out.raw_score
    enter(row, timestamp, given, out)
    out.raw_score = raw
    p = chance(row.likelihood, raw, _WINDOW, _SKIPPED)
    if row.seen >= NEEDED:
        judge(row, p, p, wanted, out)


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
