"""The step with the `evidence` likelihood: the default."""

from __future__ import annotations

from typing import Any, Final

from tocsin.detect.compile import kernel
from tocsin.detect.kernels.step import band_is_due, judge, meet, row_of, seek_band, show_band
from tocsin.detect.likelihood.evidence import EVIDENCE, add, level, survival
from tocsin.detect.models.views import learn

__all__ = ["NEEDED", "ROW", "score_samples"]

#: Samples before there is a likelihood.
NEEDED: Final = 100
#: Raw scores are learnt from this sample on: before, the views have nothing to say.
_SCORED_FROM: Final = 31

#: One metric's whole state.
ROW: Final = row_of(EVIDENCE)


@kernel
def _step(row: Any, timestamp: int, civil: int, given: float, budget: float, out: Any) -> None:
    value, expected, raw = meet(row, timestamp, civil, given, out)
    p = survival(row.likelihood, raw)
    if row.seen >= NEEDED:
        share = judge(row, p, budget, out)
        if band_is_due(row, NEEDED):
            seek_band(row, expected, level(row.likelihood, share))
        show_band(row, value, expected, p <= share, out)
    if row.seen >= _SCORED_FROM:
        add(row.likelihood, raw, p)
    learn(row.model, civil, value, expected)


@kernel
def score_samples(
    rows: Any, metric: Any, timestamp: Any, civil: Any, value: Any, budget: float, out: Any
) -> None:
    """Score and learn samples in the order given; ``out`` gets a `RESULT` row for each.

    ``rows``: the fleet's states; ``metric``: row numbers; ``timestamp``, ``civil``: ns; ``budget``:
    false alarms per metric and week.
    """
    for i in range(len(value)):
        _step(rows[metric[i]], timestamp[i], civil[i], value[i], budget, out[i])
