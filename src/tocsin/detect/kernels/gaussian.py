"""The step with the `gaussian` likelihood: HTM Engine's, in live operation.

The moving average of ten samples is judged, not the sample: an anomaly is seen late, stays for
ten samples, and what a single value must be to cross the limit depends on the nine before it. The
band is drawn for those nine: infinite where no single value can cross the limit.
"""

from __future__ import annotations

import math
from typing import Any, Final

from tocsin.detect.compile import kernel
from tocsin.detect.kernels.counter import watch
from tocsin.detect.kernels.step import band_is_due, judge, meet, row_of, seek_band, show_band
from tocsin.detect.likelihood.gaussian_row import FITTED_FROM, GAUSSIAN, add, level, survival
from tocsin.detect.likelihood.gaussian_row import bounded as _bounded
from tocsin.detect.likelihood.gaussian_row import unbounded as _unbounded
from tocsin.detect.models.views import learn

__all__ = ["NEEDED", "ROW", "score_samples"]

#: Samples before there is a likelihood: the first that a fitted law judges.
NEEDED: Final = FITTED_FROM

#: One metric's whole state.
ROW: Final = row_of(GAUSSIAN)


@kernel
def _step(row: Any, timestamp: int, civil: int, given: float, wanted: Any, out: Any) -> None:
    value, expected, raw = meet(row, timestamp, civil, given, out)
    p = survival(row.likelihood, _bounded(raw))
    if row.seen >= NEEDED:
        share, anomalous = judge(row, p, p, wanted, out)
        if band_is_due(row, NEEDED):
            limit = _unbounded(level(row.likelihood, share))
            # At a limit of zero any value is anomalous, as long as an anomaly fills the average:
            # the band from before it says more.
            if limit > 0.0 or row.seen == NEEDED:
                seek_band(row, expected, limit)
        show_band(row, value, expected, anomalous, wanted, out)
    add(row.likelihood, _bounded(raw), value)
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
            _step(row, timestamp[i], civil[i], seen, wanted, out[i])
