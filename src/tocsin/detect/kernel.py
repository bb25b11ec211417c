"""A metric's row of state, and the step that scores one sample against it and then learns it."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.alarm import ALARM, tell
from tocsin.detect.compile import kernel
from tocsin.detect.likelihood.evidence import EVIDENCE, add, level, survival
from tocsin.detect.models.views import VIEWS, expectation, learn, surprise

__all__ = ["NEEDED", "ROW", "score_samples"]

#: Samples before there is a likelihood.
NEEDED: Final = 100
#: Raw scores are learnt from this sample on: before, the views have nothing to say.
_SCORED_FROM: Final = 31
#: The band is looked for anew every so many samples.
_BAND_EVERY: Final = 32
#: The share of samples that may be false alarms, whatever the budget and the interval say.
_SMALLEST_SHARE: Final = 1e-8
_LARGEST_SHARE: Final = 1e-3
_WEEK_NS: Final = 7 * 86_400 * 1_000_000_000
#: A pause counts as at most this many usual intervals.
_LONGEST_PAUSE: Final = 4.0
_INTERVAL_RATE: Final = 0.01
#: Values beyond this are as large as this: differences and sums must stay finite.
_LARGEST: Final = 1e290
_SMALLEST_LIKELIHOOD_GAP: Final = 1e-16

#: One metric's whole state.
ROW: Final = np.dtype(
    [
        ("seen", "i8"),
        ("last_timestamp", "i8"),
        ("interval", "f8"),  # running mean of the time between samples, ns
        ("lower", "f8"),  # the band as last looked for
        ("upper", "f8"),
        ("model", VIEWS),
        ("likelihood", EVIDENCE),
        ("alarm", ALARM),
    ],
    align=True,
)


@kernel
def _edge(row: Any, expected: float, sign: float, limit: float) -> float:
    """How far from the expectation, to one side, the raw score first reaches the limit."""
    seen = row.model.values
    step = max(1e-9 * abs(expected), 1e-6 * (seen.high[seen.spans - 1] - seen.low[0])) + 1e-280
    inside = 0.0
    while surprise(row.model, expected + sign * step, expected) < limit:
        inside = step
        step *= 4.0
        if step > _LARGEST:
            return np.inf
    for _ in range(12):
        middle = 0.5 * (inside + step)
        if surprise(row.model, expected + sign * middle, expected) < limit:
            inside = middle
        else:
            step = middle
    return step


@kernel
def _band(row: Any, value: float, expected: float, anomalous: bool, limit: float, out: Any) -> None:
    """Lower and upper: the values whose crossing is the decision."""
    if row.seen % _BAND_EVERY == NEEDED % _BAND_EVERY or math.isnan(row.lower):
        raw_limit = level(row.likelihood, limit)
        row.lower = expected - _edge(row, expected, -1.0, raw_limit)
        row.upper = expected + _edge(row, expected, 1.0, raw_limit)
    out.lower = min(row.lower, expected)
    out.upper = max(row.upper, expected)
    # Between two searches the band is approximate, the decision is not: where they differ at this
    # sample, the band gives way.
    if anomalous:
        if value >= expected:
            out.upper = min(out.upper, 0.5 * (value + expected))
        else:
            out.lower = max(out.lower, 0.5 * (value + expected))
    else:
        out.lower = min(out.lower, value)
        out.upper = max(out.upper, value)


@kernel
def _follow_interval(row: Any, timestamp: int) -> None:
    """Learn the usual time between samples; pauses hardly count."""
    if row.seen > 0:
        since = float(timestamp - row.last_timestamp)
        if row.interval > 0.0:
            since = min(since, _LONGEST_PAUSE * row.interval)
        row.interval += max(_INTERVAL_RATE, 1.0 / row.seen) * (since - row.interval)
    row.last_timestamp = timestamp


@kernel
def _event_share(row: Any, budget: float) -> float:
    """The p-value from which a sample is anomalous: budget per week over samples per week."""
    return min(max(budget * row.interval / _WEEK_NS, _SMALLEST_SHARE), _LARGEST_SHARE)


@kernel
def _step(row: Any, timestamp: int, civil: int, given: float, budget: float, out: Any) -> None:
    value = min(max(given, -_LARGEST), _LARGEST)
    if row.seen == 0:
        row.lower = np.nan
    _follow_interval(row, timestamp)
    expected = expectation(row.model, civil)
    raw = surprise(row.model, value, expected)
    row.seen += 1
    out.raw_score = raw
    out.expected = expected
    out.likelihood = np.nan
    out.anomaly_score = np.nan
    out.alert_score = np.nan
    out.lower = np.nan
    out.upper = np.nan
    out.event = 0
    p = survival(row.likelihood, raw)
    if row.seen >= NEEDED:
        out.likelihood = 1.0 - max(p, _SMALLEST_LIKELIHOOD_GAP)
        out.anomaly_score = min(1.0, -0.1 * math.log10(max(p, 1e-10)))
        share = _event_share(row, budget)
        tell(row.alarm, out, p <= share)
        _band(row, value, expected, p <= share, share, out)
    if row.seen >= _SCORED_FROM:
        add(row.likelihood, raw)
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
