"""Events: runs of anomalous samples of one metric, folded from scored rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.result import EVENT_CODES, VIEW_NAMES, EventState
from tocsin.detect.why import JUMPS, Facts, Why, explain

__all__ = ["AFTER", "Event", "EventFold", "Mute", "event_of", "facts_of"]

_START, _ONGOING, _QUIET, _END = (
    EVENT_CODES.index(state)
    for state in (EventState.START, EventState.ONGOING, EventState.QUIET, EventState.END)
)
#: Samples after the peak that say whether the level has shifted, and how many of them must.
AFTER: Final = 8
_STAYED: Final = 6
#: There is no higher anomaly score (one in 10^10).
_HIGHEST: Final = 1.0


@dataclass(slots=True)
class Event:
    """A run of anomalous samples of one metric: one alarm.

    Times are nanoseconds since 1970 (UTC). ``end`` is the last anomalous sample so far; the event
    is ``open`` until enough quiet samples have followed.
    """

    start: int
    end: int
    peak: int
    #: Value (a counter: rate), expectation and band at the peak.
    value: float
    expected: float
    lower: float
    upper: float
    #: The largest anomaly score and likelihood in the event. The peak has the largest score; where
    #: several have the highest that there is, it is the one farthest from what was expected.
    anomaly_score: float
    likelihood: float
    #: Anomalous samples in it.
    samples: int
    open: bool = True
    #: What it is and why, in words, and the evidence that each view of the default model brought
    #: (`tocsin.detect.why`), all at the peak.
    pattern: str = ""
    why: str = ""
    views: dict[str, float] = field(default_factory=dict)
    #: Why nobody is to be alarmed; "": somebody is.
    muted: str = ""
    #: The mark that it was told for (`tocsin.detect.marks`); "": it needed none.
    because: str = ""


#: Why an event as it stands at a sample (its seq) is muted; "": it is not.
Mute = Callable[[Event, int], str]


def _never(_event: Event, _seq: int) -> str:
    return ""


@dataclass(slots=True)
class EventFold:
    """Follows one metric's scored rows and keeps its current event.

    Feed rows in order, in any batches; cost O(1) per row that belongs to an event and nothing
    for the others. State: one `Event`, and what its samples give again.
    """

    #: The event that is open now, if any.
    current: Event | None = None
    #: Civil time for words about it (IANA name).
    timezone: str = "UTC"
    #: What was expected when the event began. Of the samples since its peak, at most `AFTER`,
    #: those that are nearer to the peak than to that.
    base: float = np.nan
    after: int = 0
    stayed: int = 0
    #: Why an event as it stands at a sample (its seq) is to be muted; "": it is not.
    mute: Mute = _never

    def feed(
        self,
        timestamps: NDArray[np.int64],
        values: NDArray[np.float64],
        scored: NDArray[np.void],
        seq: NDArray[np.int64] | None = None,
        because: Mapping[int, str] = MappingProxyType({}),
    ) -> Iterator[Event]:
        """Yield every event that these rows start, change or end (the same object as it grows).

        ``seq``: of the rows, where there are marks; ``because``: why events were begun, by seq.
        """
        codes = scored["event"]
        watched = np.where(np.isnan(scored["rate"]), values, scored["rate"])
        for i in np.flatnonzero(codes):
            if self._take(int(codes[i]), int(timestamps[i]), float(watched[i]), scored[i]):
                event = self.current
                assert event is not None
                if seq is not None:
                    self._heed(event, int(codes[i]), int(seq[i]), because)
                if not event.open:
                    self.current = None
                yield event

    def _take(self, code: int, timestamp: int, value: float, row: np.void) -> bool:
        """Take one row; whether the current event changed."""
        if code == _START:
            self.current = _nothing_yet(timestamp)
            self.base = float(row["expected"])
        event = self.current
        if event is None or code < 0:  # fed from the middle: nothing to add to
            return False
        if code in (_START, _ONGOING):
            self._extend(event, timestamp, value, row)
        changed = self.look_back(value) or code != _QUIET
        if code == _END:
            event.open = False
        return changed

    def _heed(self, event: Event, code: int, seq: int, because: Mapping[int, str]) -> None:
        """Heed the marks: what has been told stays told."""
        if code == _START:
            event.because = because.get(seq, "")
        if code == _START or event.muted:
            event.muted = self.mute(event, seq)

    def _extend(self, event: Event, timestamp: int, value: float, row: np.void) -> None:
        event.end = timestamp
        event.samples += 1
        if _is_worse(event, value, row):
            self._move_peak(event, timestamp, value, row)

    def _move_peak(self, event: Event, timestamp: int, value: float, row: np.void) -> None:
        event.peak, event.value = timestamp, value
        event.expected = float(row["expected"])
        event.lower, event.upper = float(row["lower"]), float(row["upper"])
        event.anomaly_score = float(row["anomaly_score"])
        event.likelihood = float(np.fmax(event.likelihood, row["likelihood"]))
        facts = facts_of(timestamp, value, row, self.timezone, event.pattern)
        event.pattern, _, event.why = explain(facts)
        event.views = {name: round(told, 2) for name, told in facts.views.items()}
        self.after = self.stayed = -1  # the peak is nearest to itself, and not after it

    def look_back(self, value: float) -> bool:
        """Take a value from the peak on; whether the event turns out to be a shift of the level."""
        event = self.current
        if event is None or self.after >= AFTER:
            return False
        self.after += 1
        self.stayed += abs(value - event.value) < abs(value - self.base)
        if self.after < AFTER or self.stayed < _STAYED or event.pattern not in JUMPS:
            return False
        event.pattern, _, event.why = Why(event.pattern, (), event.why).stayed()
        return True


def event_of(stored: Mapping[str, Any]) -> Event:
    """An event from a row with its fields as columns; None: not known."""

    def number(key: str) -> float:
        return np.nan if stored[key] is None else float(stored[key])

    return Event(
        start=stored["start"],
        end=stored["end"],
        peak=stored["peak"],
        value=number("value"),
        expected=number("expected"),
        lower=number("lower"),
        upper=number("upper"),
        anomaly_score=number("anomaly_score"),
        likelihood=number("likelihood"),
        samples=stored["samples"],
        open=bool(stored["open"]),
        pattern=stored.get("pattern") or "",
        why=stored.get("why") or "",
        views=json.loads(stored.get("views") or "{}"),
        muted=stored.get("muted") or "",
        because=stored.get("because") or "",
    )


def _is_worse(event: Event, value: float, row: np.void) -> bool:
    """Whether a sample is worse than the peak so far."""
    score = float(row["anomaly_score"])
    if not (score >= _HIGHEST and event.anomaly_score >= _HIGHEST):
        return score > event.anomaly_score
    # Scores say no more: what is farther from what was expected is worse.
    return abs(value - float(row["expected"])) > abs(event.value - event.expected)


def _nothing_yet(timestamp: int) -> Event:
    unknown = np.nan
    return Event(
        start=timestamp,
        end=timestamp,
        peak=timestamp,
        value=unknown,
        expected=unknown,
        lower=unknown,
        upper=unknown,
        anomaly_score=-np.inf,
        likelihood=unknown,
        samples=0,
    )


def facts_of(
    timestamp: int, value: float, row: np.void, timezone: str = "UTC", before: str = ""
) -> Facts:
    """What `explain` needs of a scored row; ``before``: its event's pattern so far."""
    views = dict(zip(VIEW_NAMES, row["views"].tolist(), strict=True))
    numbers = {
        name: float(row[name])
        for name in ("expected", "lower", "upper", "likelihood", "beyond", "age", "pause")
    }
    return Facts(
        timestamp,
        value,
        **numbers,
        views={name: told for name, told in views.items() if told > 0.0},
        timezone=timezone,
        before=before,
    )
