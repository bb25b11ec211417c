"""What every step does, whatever the likelihood: expect, score, tell what is news, draw the band.

A kernel module lays out its row with `row_of` and writes the step's order with these functions.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.alarm import ALARM, tell
from tocsin.detect.compile import kernel
from tocsin.detect.models.views import VIEWS, expectation, surprise

__all__ = ["band_is_due", "judge", "meet", "row_of", "seek_band", "show_band"]

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
#: Steps below this are nothing.
_SMALLEST: Final = 1e-280
_SMALLEST_LIKELIHOOD_GAP: Final = 1e-16


def row_of(likelihood: np.dtype[np.void]) -> np.dtype[np.void]:
    """The layout of one metric's whole state, given the likelihood's part of it."""
    return np.dtype(
        [
            ("seen", "i8"),
            ("last_timestamp", "i8"),
            ("interval", "f8"),  # running mean of the time between samples, ns
            ("lower", "f8"),  # the band as last looked for
            ("upper", "f8"),
            ("model", VIEWS),
            ("likelihood", likelihood),
            ("alarm", ALARM),
        ],
        align=True,
    )


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
def meet(
    row: Any, timestamp: int, civil: int, given: float, out: Any
) -> tuple[float, float, float]:
    """Count a sample in; returns its value, what was expected, and its raw score.

    ``out`` gets what is known without a likelihood; the rest of it is "not known yet".
    """
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
    return value, expected, raw


@kernel
def _event_share(row: Any, budget: float) -> float:
    """The p-value from which a sample is anomalous: budget per week over samples per week."""
    return min(max(budget * row.interval / _WEEK_NS, _SMALLEST_SHARE), _LARGEST_SHARE)


@kernel
def judge(row: Any, p: float, budget: float, out: Any) -> float:
    """Write scores and event of a p-value; returns the p-value from which one is anomalous."""
    out.likelihood = 1.0 - max(p, _SMALLEST_LIKELIHOOD_GAP)
    out.anomaly_score = min(1.0, -0.1 * math.log10(max(p, 1e-10)))
    share = _event_share(row, budget)
    tell(row.alarm, out, p <= share)
    return share


@kernel
def band_is_due(row: Any, needed: int) -> bool:
    """Whether the band is to be looked for at this sample; the first at sample ``needed``."""
    return row.seen % _BAND_EVERY == needed % _BAND_EVERY or math.isnan(row.lower)


@kernel
def _edge(row: Any, expected: float, sign: float, limit: float) -> float:
    """How far from the expectation, to one side, the raw score first reaches the limit."""
    if limit == np.inf:
        return np.inf
    seen = row.model.values
    step = max(1e-9 * abs(expected), 1e-6 * (seen.high[seen.spans - 1] - seen.low[0])) + _SMALLEST
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
    # A metric that has only ever been one value: any other crosses its band.
    return step if step > _SMALLEST else 0.0


@kernel
def seek_band(row: Any, expected: float, raw_limit: float) -> None:
    """Look for the values to both sides whose raw score first reaches the limit."""
    row.lower = expected - _edge(row, expected, -1.0, raw_limit)
    row.upper = expected + _edge(row, expected, 1.0, raw_limit)


@kernel
def show_band(row: Any, value: float, expected: float, anomalous: bool, out: Any) -> None:
    """Lower and upper: the values whose crossing is the decision.

    Between two searches the band is approximate, the decision is not: where they differ at this
    sample, the band gives way.
    """
    out.lower = min(row.lower, expected)
    out.upper = max(row.upper, expected)
    if anomalous:
        if value >= expected:
            out.upper = min(out.upper, 0.5 * (value + expected))
        else:
            out.lower = max(out.lower, 0.5 * (value + expected))
    else:
        out.lower = min(out.lower, value)
        out.upper = max(out.upper, value)
