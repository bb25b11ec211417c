"""What the interface answers. Times are ISO 8601 in UTC; null means not known (yet)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from tocsin.detect.result import EVENT_CODES, Readiness
from tocsin.samples import iso

__all__ = [
    "EventOut",
    "EventsPage",
    "LateOut",
    "LatePage",
    "MetricOut",
    "MetricsPage",
    "ReadinessOut",
    "ReceiptOut",
    "RefusalOut",
    "RefusalsOut",
    "RejectedOut",
    "SampleOut",
    "SamplesPage",
    "SourceOut",
]

Stored = Mapping[Any, Any]


class RejectedOut(msgspec.Struct, omit_defaults=True):
    """A refused sample: its place in the request, and why (``word: explanation``)."""

    index: int
    reason: str
    #: Where the request has one sample a line: which, from 1.
    line: int | None = None


class ReceiptOut(msgspec.Struct, omit_defaults=True):
    """What became of the samples of a request: they are stored, and scored or about to be."""

    accepted: int
    duplicates: int
    rejected: list[RejectedOut]
    #: Kept though they came too late to be scored.
    late: int = 0
    #: Dropped, as a rule of the configuration says; no error.
    filtered: int = 0


class RefusalOut(msgspec.Struct):
    """Refused samples of a metric by reason, with the last of them.

    ``value`` is text: what is no number is one of the reasons.
    """

    reason: str
    count: int
    at: str
    timestamp: str
    value: str

    @classmethod
    def of(cls, row: Stored) -> RefusalOut:
        """From a row of the table `refusal`."""
        at, timestamp = iso(row["at"]), iso(row["timestamp"])
        return cls(row["reason"], row["count"], at, timestamp, row["value"])


class RefusalsOut(msgspec.Struct):
    """All that was refused of a metric."""

    refusals: list[RefusalOut]


class LateOut(msgspec.Struct):
    """A sample that came too late to be scored."""

    timestamp: str
    value: float
    arrived: str

    @classmethod
    def of(cls, row: Stored) -> LateOut:
        """From a row of the table `late`."""
        return cls(iso(row["timestamp"]), row["value"], iso(row["arrived"]))


class LatePage(msgspec.Struct):
    """Some late samples, oldest first; ``cursor`` asks for the next ones, null: no more."""

    samples: list[LateOut]
    cursor: str | None


class SourceOut(msgspec.Struct):
    """How far a sender that counts its requests has been taken."""

    source: str
    position: int
    at: str


class ReadinessOut(msgspec.Struct):
    """Samples seen, of those needed before there are likelihoods."""

    seen: int
    needed: int


class MetricOut(msgspec.Struct):
    """A metric and how it stands."""

    uid: str
    name: str
    labels: dict[str, str]
    status: str
    #: Why it is in this status (a code), and in words.
    reason: str | None
    detail: str | None
    #: When a pause ends, or a metric in error is tried again.
    deadline: str | None
    #: Failures in a row.
    failures: int
    #: What it is watched with; null: it is not monitored.
    model: str | None
    likelihood: str | None
    #: "gauge", or "counter": its rate is watched.
    kind: str | None
    generation: int
    created: str
    samples: int
    #: Stored samples that wait to be scored.
    lag: int
    last_timestamp: str | None
    last_value: float | None
    anomaly_score: float | None
    readiness: ReadinessOut

    @classmethod
    def of(cls, row: Stored, readiness: Readiness, kind: str | None) -> MetricOut:
        """From a row of the table `metric`; ``kind``: what it is watched as."""
        return cls(
            uid=row["uid"],
            name=row["name"],
            labels=json.loads(row["labels"]),
            status=row["status"],
            reason=row["reason"],
            detail=row["detail"],
            deadline=_iso_or_none(row["deadline"]),
            failures=row["failures"],
            model=row["model"],
            likelihood=row["likelihood"],
            kind=kind,
            generation=row["generation"],
            created=iso(row["created"]),
            samples=row["last_seq"],
            lag=row["last_seq"] - row["scored_seq"],
            last_timestamp=_iso_or_none(row["last_timestamp"]),
            last_value=row["last_value"],
            anomaly_score=row["anomaly_score"],
            readiness=ReadinessOut(readiness.seen, readiness.needed),
        )


def _iso_or_none(time: int | None) -> str | None:
    return None if time is None else iso(time)


class MetricsPage(msgspec.Struct):
    """Some metrics; ``cursor`` asks for the next ones, null: there are none."""

    metrics: list[MetricOut]
    cursor: str | None


class SampleOut(msgspec.Struct):
    """A sample with its result; ``event`` is "", "start", "ongoing", "quiet" or "end"."""

    seq: int
    timestamp: str
    #: As it was sent.
    value: float
    #: Of a counter: its rate per second, which is what was watched; null at its first sample.
    rate: float | None
    raw_score: float | None
    likelihood: float | None
    anomaly_score: float | None
    alert_score: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    #: null: stored without being scored, or waits to be.
    event: str | None

    @classmethod
    def of(cls, row: Stored) -> SampleOut:
        """From a row of the table `sample`."""
        code = row["event"]
        return cls(
            seq=row["seq"],
            timestamp=iso(row["timestamp"]),
            value=row["value"],
            rate=row["rate"],
            raw_score=row["raw_score"],
            likelihood=row["likelihood"],
            anomaly_score=row["anomaly_score"],
            alert_score=row["alert_score"],
            expected=row["expected"],
            lower=row["lower"],
            upper=row["upper"],
            event=None if code is None or code < 0 else EVENT_CODES[code].value,
        )


class SamplesPage(msgspec.Struct):
    """Some samples of a metric; ``cursor`` asks for the next ones, null: there are none."""

    samples: list[SampleOut]
    cursor: str | None


class EventOut(msgspec.Struct):
    """A run of anomalous samples of one metric; value, expectation and band are the peak's.

    A counter's value is its rate.
    """

    id: int
    #: The metric's uid.
    metric: str
    name: str
    labels: dict[str, str]
    start: str
    peak: str
    #: The last anomalous sample so far.
    end: str
    open: bool
    value: float
    expected: float | None
    lower: float | None
    upper: float | None
    likelihood: float | None
    anomaly_score: float | None
    samples: int
    #: What it is ("spike", "level_shift", …) and why, in a sentence; "": from before this was kept.
    pattern: str
    why: str
    #: The evidence that each view of the default model brought, in decades.
    views: dict[str, float]
    #: Why nobody is alarmed; "": somebody is.
    muted: str
    #: The mark that it was told for; "": it needed none.
    because: str

    @classmethod
    def of(cls, row: Stored) -> EventOut:
        """From a row of the table `event` joined with its metric's identity."""
        return cls(
            id=row["id"],
            metric=row["uid"],
            name=row["name"],
            labels=json.loads(row["labels"]),
            start=iso(row["start"]),
            peak=iso(row["peak"]),
            end=iso(row["end"]),
            open=row["open"],
            value=row["value"],
            expected=row["expected"],
            lower=row["lower"],
            upper=row["upper"],
            likelihood=row["likelihood"],
            anomaly_score=row["anomaly_score"],
            samples=row["samples"],
            pattern=row["pattern"] or "",
            why=row["why"] or "",
            views=json.loads(row["views"] or "{}"),
            muted=row["muted"] or "",
            because=row["because"] or "",
        )


class EventsPage(msgspec.Struct):
    """Some events, newest first; ``cursor`` asks for older ones, null: there are none."""

    events: list[EventOut]
    cursor: str | None
