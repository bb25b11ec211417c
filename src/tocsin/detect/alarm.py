"""The alarm: what of an anomaly is news, and when an event starts and ends."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from tocsin.detect.compile import kernel
from tocsin.detect.result import EVENT_CODES, EventState

__all__ = ["ALARM", "AWAY", "concerns", "least", "tell", "tell_news"]

#: What was told last is forgotten by this share per sample where there are no times.
_FORGET: Final = 1.0 / 100.0
#: A score is news when it is this many times what was told last.
_WORSE: Final = 1.4
#: An event is over after this many samples in a row below the release level.
_QUIET: Final = 10
#: Release level, as a share of the anomaly score that opened the event (0.99999 -> 0.999).
_RELEASE: Final = 0.6

_START: Final = EVENT_CODES.index(EventState.START)
_ONGOING: Final = EVENT_CODES.index(EventState.ONGOING)
_IS_QUIET: Final = EVENT_CODES.index(EventState.QUIET)
_END: Final = EVENT_CODES.index(EventState.END)

#: What ``broken`` is where values stay away for longer than ever: told where that is wanted.
AWAY: Final = 0.5

#: ``value``: the sample's; ``usual``: where the metric usually is, if ``broken`` is `AWAY`;
#: ``broken``: 1 where it breaks a habit, which is told whatever its value, or `AWAY`, or 0;
#: ``told``: the last alert score, fading; ``begun``: the last of an anomaly, fading; ``open``: the
#: level at which the open event began, or 0.
ALARM: Final = np.dtype(
    [
        ("value", "f8"),
        ("usual", "f8"),
        ("broken", "f8"),
        ("told", "f8"),
        ("begun", "f8"),
        ("open", "f8"),
        ("quiet", "i8"),
    ],
    align=True,
)


@kernel
def least(expected: float, wanted: Any) -> float:
    """The smallest deviation from an expected value that is told."""
    return max(wanted.least_change, wanted.least_relative_change * abs(expected))


@kernel
def concerns(value: float, expected: float, wanted: Any) -> bool:
    """Whether a deviation is large enough and to the side that is wanted; yes if unknown."""
    away = value - expected
    if math.isnan(away):
        return True
    if wanted.direction * away < 0.0:
        return False
    return abs(away) >= least(expected, wanted)


@kernel
def _news(row: Any, score: float, forget: float) -> float:
    """The score where it is news, else 0."""
    row.told *= 1.0 - forget
    if score <= _WORSE * row.told:
        return 0.0
    row.told = score
    return score


@kernel
def tell_news(row: Any, score: Any, out: Any) -> None:
    """Write the alert score of each anomaly score (not-a-number: not ready, 0)."""
    for i in range(len(score)):
        out[i] = 0.0 if np.isnan(score[i]) else _news(row, score[i], _FORGET)


@kernel
def tell(row: Any, out: Any, anomalous: bool, heard: bool, forget: float) -> None:
    """Set ``alert_score`` and ``event`` of a result that has an ``anomaly_score``.

    A score is news when it clearly passes what was told last, which fades by the share ``forget``
    per sample: one alarm per event, a level shift told once, a worse anomaly told at once. Whether
    an anomaly is news is asked of anomalies alone: one that grows is told when it is one, however
    much of its growth was news before.
    A broken habit, which is told once by itself, is news whatever was told before it. What is not
    to be ``heard`` is as a quiet sample.
    """
    score = out.anomaly_score if heard else 0.0
    news = _news(row, score, forget)
    row.begun *= 1.0 - forget
    begins = anomalous and (row.broken > 0.0 or score > _WORSE * row.begun)
    out.alert_score = score if row.broken > 0.0 or begins else news
    if begins:
        row.begun = score
    if row.open > 0.0:
        _follow(row, out, score)
    elif begins:
        row.open = score
        row.quiet = 0
        out.event = _START


@kernel
def _follow(row: Any, out: Any, score: float) -> None:
    """An event is open: it goes on, or has been quiet for long enough."""
    if score >= _RELEASE * row.open:
        row.quiet = 0
        out.event = _ONGOING
        return
    out.event = _IS_QUIET
    row.quiet += 1
    if row.quiet >= _QUIET:
        row.open = 0.0
        out.event = _END
