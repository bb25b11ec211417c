"""Events: runs of anomalous samples of one metric, folded from scored rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.result import EVENT_CODES, EventState

__all__ = ["Event", "EventFold"]

_START, _ONGOING, _END = (
    EVENT_CODES.index(state) for state in (EventState.START, EventState.ONGOING, EventState.END)
)


@dataclass(slots=True)
class Event:
    """A run of anomalous samples of one metric: one alarm.

    Times are nanoseconds since 1970 (UTC). ``end`` is the last anomalous sample so far; the event
    is ``open`` until enough quiet samples have followed.
    """

    start: int
    end: int
    peak: int
    #: Value, expectation and band at the peak.
    value: float
    expected: float
    lower: float
    upper: float
    #: The largest anomaly score and likelihood in the event.
    anomaly_score: float
    likelihood: float
    #: Anomalous samples in it.
    samples: int
    open: bool = True


@dataclass(slots=True)
class EventFold:
    """Follows one metric's scored rows and keeps its current event.

    Feed rows in order, in any batches; cost O(1) per row that belongs to an event and nothing
    for the others. State: one `Event`.
    """

    #: The event that is open now, if any.
    current: Event | None = None

    def feed(
        self,
        timestamps: NDArray[np.int64],
        values: NDArray[np.float64],
        scored: NDArray[np.void],
    ) -> Iterator[Event]:
        """Yield every event that these rows start, change or end (the same object as it grows)."""
        codes = scored["event"]
        for i in np.flatnonzero(codes):
            code = int(codes[i])
            if code == _START:
                self.current = self._begin(int(timestamps[i]), float(values[i]), scored[i])
                yield self.current
                continue
            if self.current is None:  # fed from the middle: nothing to add to
                continue
            event = self.current
            if code == _END:
                event.open = False
                self.current = None
            elif code == _ONGOING:
                self._extend(event, int(timestamps[i]), float(values[i]), scored[i])
            else:
                continue
            yield event

    @staticmethod
    def _begin(timestamp: int, value: float, row: np.void) -> Event:
        return Event(
            start=timestamp,
            end=timestamp,
            peak=timestamp,
            value=value,
            expected=float(row["expected"]),
            lower=float(row["lower"]),
            upper=float(row["upper"]),
            anomaly_score=float(row["anomaly_score"]),
            likelihood=float(row["likelihood"]),
            samples=1,
        )

    @staticmethod
    def _extend(event: Event, timestamp: int, value: float, row: np.void) -> None:
        event.end = timestamp
        event.samples += 1
        if row["anomaly_score"] > event.anomaly_score:
            event.peak, event.value = timestamp, value
            event.expected = float(row["expected"])
            event.lower, event.upper = float(row["lower"]), float(row["upper"])
            event.anomaly_score = float(row["anomaly_score"])
            event.likelihood = float(row["likelihood"])
