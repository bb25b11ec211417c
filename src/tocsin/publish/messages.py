"""Results as JSON says them: times as ISO 8601 in UTC, null for what is not known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tocsin.detect.result import EVENT_CODES, NUMBERS
from tocsin.publish.delivery import Change, Delivery, Gap, Identity
from tocsin.samples import SECOND_NS, iso

__all__ = ["EventMessage", "GapMessage", "SampleMessage", "event_messages", "sample_messages"]

_STATES: Final = (*(state.value for state in EVENT_CODES), None)  # the last is at -1


class SampleMessage(msgspec.Struct):
    """A sample with its result; (metric, seq) is its key.

    Numbers that are not known (yet) are not-a-number here and null in JSON.
    """

    #: The metric's uid: another one for every generation.
    metric: str
    name: str
    labels: dict[str, str]
    generation: int
    seq: int
    timestamp: str
    value: float
    #: Of a counter: its rate per second, which is what was watched; else null.
    rate: float
    raw_score: float
    likelihood: float
    anomaly_score: float
    alert_score: float
    expected: float
    lower: float
    upper: float
    #: "", "start", "ongoing", "quiet", "end"; null: stored without being scored.
    event: str | None


class EventMessage(msgspec.Struct):
    """An event as it stood after a commit; a later message with its id replaces it."""

    id: int
    metric: str
    name: str
    labels: dict[str, str]
    generation: int
    start: str
    peak: str
    end: str
    open: bool
    #: At the peak, as expectation and band; a counter's rate.
    value: float
    expected: float
    lower: float
    upper: float
    likelihood: float
    anomaly_score: float
    samples: int
    #: What it is ("spike", "level_shift", …), why in a sentence, and what each view found.
    pattern: str
    why: str
    views: dict[str, float]
    #: Why nobody is to be alarmed; "": somebody is.
    muted: str
    #: The mark that it was told for; "": it needed none.
    because: str


class GapMessage(msgspec.Struct):
    """Results that are not there (any more): those after ``after`` up to ``resumes``."""

    after: int
    resumes: int
    reason: str

    @classmethod
    def of(cls, gap: Gap) -> GapMessage:
        """As a message."""
        return cls(gap.after, gap.position, gap.reason)


def sample_messages(
    delivery: Delivery, start: int = 0, stop: int | None = None
) -> list[SampleMessage]:
    """The samples from ``start`` up to ``stop``. Cost: about 2 µs a sample."""
    part = slice(start, stop)
    scored = delivery.scored[part]
    which = delivery.metric[part].tolist()
    who: dict[int, tuple[Any, ...]] = {
        metric: _who(delivery.metrics[metric]) for metric in set(which)
    }
    columns = (
        which,
        delivery.seq[part].tolist(),
        _iso(delivery.timestamp[part]),
        delivery.value[part].tolist(),
        *(scored[name].tolist() for name in NUMBERS),
        [_STATES[code] for code in scored["event"].tolist()],
    )
    return [SampleMessage(*who[metric], *rest) for metric, *rest in zip(*columns, strict=True)]


def event_messages(delivery: Delivery) -> Iterator[EventMessage]:
    """The events."""
    return map(_event, delivery.events)


def _who(metric: Identity) -> tuple[str, str, dict[str, str], int]:
    return metric.uid, metric.name, dict(metric.labels), metric.generation


def _event(change: Change) -> EventMessage:
    event = change.event
    return EventMessage(
        change.id,
        *_who(change.metric),
        start=iso(event.start),
        peak=iso(event.peak),
        end=iso(event.end),
        open=event.open,
        value=event.value,
        expected=event.expected,
        lower=event.lower,
        upper=event.upper,
        likelihood=event.likelihood,
        anomaly_score=event.anomaly_score,
        samples=event.samples,
        pattern=event.pattern,
        why=event.why,
        views=event.views,
        muted=event.muted,
        because=event.because,
    )


def _iso(timestamps: NDArray[np.int64]) -> list[str]:
    """As `iso`, fast where all times are whole seconds."""
    seconds, rests = np.divmod(timestamps, SECOND_NS)
    if rests.any():
        return [iso(time) for time in timestamps.tolist()]
    moments = np.datetime_as_string(seconds.astype("datetime64[s]"), timezone="UTC")
    told: list[str] = moments.tolist()
    return told
