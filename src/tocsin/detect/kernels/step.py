"""What every step does, whatever the likelihood: expect, score, tell what is news, draw the band.

A kernel module lays out its row with `row_of` and writes the step's order with these functions.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.alarm import ALARM, AWAY, concerns, least, tell
from tocsin.detect.compile import kernel
from tocsin.detect.kernels.counter import COUNTER
from tocsin.detect.models.views import (
    VIEWS,
    beyond,
    expectation,
    laws,
    reaches,
    score,
    standstill,
    stays_away,
)
from tocsin.detect.models.views.habit import is_long_pause
from tocsin.detect.models.views.level import usually
from tocsin.detect.result import VIEW_NAMES

__all__ = [
    "band_is_due",
    "enter",
    "judge",
    "meet",
    "row_of",
    "seek_band",
    "show_band",
    "tell_beyond",
]

#: The band is looked for anew every so many samples.
_BAND_EVERY: Final = 64
#: The share of samples that may be false alarms, whatever the budget and the interval say.
_SMALLEST_SHARE: Final = 1e-8
_LARGEST_SHARE: Final = 1e-3
#: What was told last fades by a factor e in this time; but not slower or faster per sample than so.
_TOLD_NS: Final = 86_400 * 1_000_000_000
_LEAST_FORGOTTEN: Final = 1.0 / 1000.0
_MOST_FORGOTTEN: Final = 1.0 / 8.0
_WEEK_NS: Final = 7 * 86_400 * 1_000_000_000
#: A pause counts as at most this many usual intervals.
_LONGEST_PAUSE: Final = 4.0
_INTERVAL_RATE: Final = 0.01
#: Samples before the usual time between them is known.
_PAUSES_FROM: Final = 10
#: What a broken habit is told as, in evidence, and where.
_BROKEN: Final = 6.0
_LEVEL: Final = VIEW_NAMES.index("level")
_FLAT: Final = VIEW_NAMES.index("flat")
_SILENCE: Final = VIEW_NAMES.index("silence")
#: Values beyond this are as large as this: differences and sums must stay finite.
_LARGEST: Final = 1e290
#: The same for what is told in single precision.
_LARGEST_TOLD: Final = 1e38
#: Steps below this are nothing.
_SMALLEST: Final = 1e-280
_SMALLEST_LIKELIHOOD_GAP: Final = 1e-16
#: Tenths of powers of ten in one of two: the logarithm to base two is the quicker one.
_TENTHS: Final = 0.1 * math.log10(2.0)


def row_of(likelihood: np.dtype[np.void], model: np.dtype[np.void] = VIEWS) -> np.dtype[np.void]:
    """The layout of one metric's whole state, given the likelihood's and the model's parts."""
    return np.dtype(
        [
            ("seen", "i8"),
            ("first_timestamp", "i8"),
            ("last_timestamp", "i8"),
            ("interval", "f8"),  # running mean of the time between samples, ns
            ("longest_pause", "f8"),  # samples that did not come in it
            ("lower", "f8"),  # the band as last looked for
            ("upper", "f8"),
            ("counter", COUNTER),
            ("model", model),
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
def enter(row: Any, timestamp: int, given: float, out: Any) -> float:
    """Count a sample in and return its value; ``out`` says "not known yet" of everything."""
    if row.seen == 0:
        row.lower = np.nan
        row.first_timestamp = timestamp
        row.last_timestamp = timestamp
    out.age = 1e-9 * (timestamp - row.first_timestamp)
    out.pause = 1e-9 * (timestamp - row.last_timestamp)
    _follow_interval(row, timestamp)
    row.seen += 1
    out.raw_score = np.nan
    out.expected = np.nan
    out.likelihood = np.nan
    out.anomaly_score = np.nan
    out.alert_score = np.nan
    out.lower = np.nan
    out.upper = np.nan
    out.event = 0
    value = min(max(given, -_LARGEST), _LARGEST)
    row.alarm.value = value
    row.alarm.broken = 0.0
    return value


@kernel
def _paused(row: Any, timestamp: int) -> bool:
    """Whether the time since the last sample, which is learnt, breaks a habit."""
    if row.seen < _PAUSES_FROM or row.interval <= 0.0:
        return False
    missed = float(timestamp - row.last_timestamp) / row.interval - 1.0
    broken = is_long_pause(missed, row.longest_pause)
    row.longest_pause = max(row.longest_pause, missed)
    return broken


@kernel
def meet(
    row: Any, timestamp: int, civil: int, given: float, out: Any
) -> tuple[float, float, float]:
    """Count a sample in; returns its value, what was expected, and its raw score.

    ``out`` gets what is known without a likelihood; the rest of it is "not known yet".
    """
    paused = _paused(row, timestamp)
    value = enter(row, timestamp, given, out)
    expected = expectation(row.model, civil)
    raw = score(row.model, value, expected, out.views)
    tell_beyond(out, beyond(row.model, value))
    still = standstill(row.model, value)
    away = stays_away(row.model)
    if away:
        out.views[_LEVEL] = max(out.views[_LEVEL], _BROKEN)
        row.alarm.usual = usually(row.model.level, row.model.forecast)
    if still:
        out.views[_FLAT] = _BROKEN
    if paused:
        out.views[_SILENCE] = _BROKEN
    row.alarm.broken = 1.0 if paused or still else (AWAY if away else 0.0)
    out.raw_score = raw
    out.expected = expected
    return value, expected, raw


@kernel
def tell_beyond(out: Any, away: float) -> None:
    """Write how far the value lies beyond all before it, in single precision."""
    out.beyond = min(max(away, -_LARGEST_TOLD), _LARGEST_TOLD)


@kernel
def _event_share(row: Any, budget: float) -> float:
    """The p-value from which a sample is anomalous: budget per week over samples per week."""
    return min(max(budget * row.interval / _WEEK_NS, _SMALLEST_SHARE), _LARGEST_SHARE)


@kernel
def _forgetting(row: Any) -> float:
    """The share of what was told last that is forgotten per sample: by time, within bounds."""
    return min(max(row.interval / _TOLD_NS, _LEAST_FORGOTTEN), _MOST_FORGOTTEN)


@kernel
def judge(row: Any, p: float, often: float, wanted: Any, out: Any) -> tuple[float, bool]:
    """Write scores and event of a p-value; a broken habit is as rare as what is told.

    ``p``: how rare an anomaly so strong is, which decides; ``often``: the share of samples that are
    as rare, which is the likelihood. Returns the p-value from which a sample is anomalous, and
    whether this one is.
    """
    share = _event_share(row, wanted.budget)
    wished = concerns(row.alarm.value, out.expected, wanted)
    if row.alarm.broken == AWAY and not concerns(row.alarm.value, row.alarm.usual, wanted):
        row.alarm.broken = 0.0
    broken = row.alarm.broken > 0.0
    if broken:
        p = min(p, share)
        often = min(often, share)
    out.likelihood = 1.0 - max(often, _SMALLEST_LIKELIHOOD_GAP)
    out.anomaly_score = min(1.0, -_TENTHS * math.log2(max(p, 1e-10)))
    heard = broken or wished
    anomalous = heard and p <= share
    tell(row.alarm, out, anomalous, heard, _forgetting(row))
    return share, anomalous


@kernel
def band_is_due(row: Any, needed: int) -> bool:
    """Whether the band is to be looked for at this sample; the first at sample ``needed``."""
    return row.seen % _BAND_EVERY == needed % _BAND_EVERY or math.isnan(row.lower)


@kernel
def _edge(row: Any, known: Any, expected: float, sign: float, limit: float) -> float:
    """How far from the expectation, to one side, the raw score first reaches the limit."""
    if limit == np.inf:
        return np.inf
    seen = row.model.values
    step = max(1e-9 * abs(expected), 1e-6 * (seen.high[seen.spans - 1] - seen.low[0])) + _SMALLEST
    inside = 0.0
    while not reaches(row.model, known, expected + sign * step, expected, limit):
        inside = step
        step *= 4.0
        if step > _LARGEST:
            return np.inf
    for _ in range(12):
        middle = 0.5 * (inside + step)
        if reaches(row.model, known, expected + sign * middle, expected, limit):
            step = middle
        else:
            inside = middle
    # A metric that has only ever been one value: any other crosses its band.
    return step if step > _SMALLEST else 0.0


@kernel
def seek_band(row: Any, expected: float, raw_limit: float) -> None:
    """Look for the values to both sides whose raw score first reaches the limit."""
    known = laws(row.model)
    row.lower = expected - _edge(row, known, expected, -1.0, raw_limit)
    row.upper = expected + _edge(row, known, expected, 1.0, raw_limit)


@kernel
def show_band(
    row: Any, value: float, expected: float, anomalous: bool, wanted: Any, out: Any
) -> None:
    """Lower and upper: the values whose crossing is the decision; infinite where none is told.

    Between two searches the band is approximate, the decision is not: where they differ at this
    sample, the band gives way.
    """
    floor = least(expected, wanted)
    out.lower = -np.inf if wanted.direction > 0 else min(row.lower, expected - floor)
    out.upper = np.inf if wanted.direction < 0 else max(row.upper, expected + floor)
    if anomalous:
        if value >= expected:
            out.upper = min(out.upper, 0.5 * (value + expected))
        else:
            out.lower = max(out.lower, 0.5 * (value + expected))
    else:
        out.lower = min(out.lower, value)
        out.upper = max(out.upper, value)
