"""The step with the `evidence` likelihood: the default."""

from __future__ import annotations

import math
from typing import Any, Final

from tocsin.detect.compile import kernel
from tocsin.detect.kernels.counter import watch
from tocsin.detect.kernels.prefetch import fetch, lines_of
from tocsin.detect.kernels.step import band_is_due, judge, meet, row_of, seek_band, show_band
from tocsin.detect.likelihood.evidence import EVIDENCE, add, level, survival
from tocsin.detect.likelihood.frequency import frequency
from tocsin.detect.models.views import learn, with_recent, without_recent

__all__ = ["NEEDED", "ROW", "score_samples"]

#: Samples before there is a likelihood.
NEEDED: Final = 100
#: Raw scores are learnt from this sample on: before, the views have nothing to say.
_SCORED_FROM: Final = 31

#: One metric's whole state.
ROW: Final = row_of(EVIDENCE)

#: What a step looks at here and there; the bins are those around where most scores are.
_TAILS: Final = ("value_tail", "level_tail", "forecast_tail", "shape_tail")
_AT_FIRST: Final = lines_of(
    ROW,
    ("seen", 0, 256),
    ("model.values.spans", 0, 8),
    ("model.values.high", 0, 488),
    ("model.level", 0, 144),
    ("model.shape", 0, 96),
    ("model.still", 0, 144),
    ("model.neighbours", 0, 56),
    ("model.usual_course", 0, 48),
)
_THEN: Final = lines_of(
    ROW,
    *((f"model.{tail}", 0, 16) for tail in _TAILS),
    *((f"model.{tail}.bin", 4 * 68, 4 * 100) for tail in _TAILS),
    ("likelihood", 0, 208),
    ("alarm", 0, 48),
)


@kernel
def _step(
    rows: Any,
    metric: int,
    ahead: int,
    timestamp: int,
    civil: int,
    given: float,
    wanted: Any,
    out: Any,
) -> None:
    """One sample; ``ahead``: the metric of the next one."""
    row = rows[metric]
    fetch(rows, ahead, _AT_FIRST)
    value, expected, own = meet(row, timestamp, civil, given, out)
    raw = with_recent(row.model, own)
    out.raw_score = raw
    p = survival(row.likelihood, raw)
    if row.seen >= NEEDED:
        share, anomalous = judge(row, p, frequency(row.likelihood.often, p), wanted, out)
        if band_is_due(row, NEEDED):
            seek_band(row, expected, without_recent(row.model, level(row.likelihood, share)))
        show_band(row, value, expected, anomalous, wanted, out)
    fetch(rows, ahead, _THEN)
    if row.seen >= _SCORED_FROM:
        add(row.likelihood, raw, p)
    learn(row.model, civil, value)


@kernel
def score_samples(
    rows: Any, metric: Any, timestamp: Any, civil: Any, value: Any, wanted: Any, out: Any
) -> None:
    """Score and learn samples in the order given; ``out`` gets a `RESULT` row for each.

    ``rows``: the fleet's states; ``metric``: row numbers; ``timestamp``, ``civil``: ns;
    ``wanted``: see `Settings.wanted`.
    """
    for i in range(len(value)):
        row = rows[metric[i]]
        seen = watch(row, timestamp[i], value[i], wanted.counter, out[i])
        if not math.isnan(seen):
            ahead = metric[min(i + 1, len(value) - 1)]
            _step(rows, metric[i], ahead, timestamp[i], civil[i], seen, wanted, out[i])
