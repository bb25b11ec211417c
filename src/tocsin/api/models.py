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
    "MetricOut",
    "MetricsPage",
    "ReceiptOut",
    "RejectedOut",
    "SampleOut",
    "SamplesPage",
]

Stored = Mapping[Any, Any]


class RejectedOut(msgspec.Struct):
    """A refused sample: its place in the request, and why (``word: explanation``)."""

    index: int
    reason: str


class ReceiptOut(msgspec.Struct):
    """What became of the samples of a request; they are stored and scored."""

    accepted: int
    duplicates: int
    rejected: list[RejectedOut]


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
    generation: int
    created: str
    samples: int
    last_timestamp: str | None
    last_value: float | None
    anomaly_score: float | None
    readiness: ReadinessOut

    @classmethod
    def of(cls, row: Stored, readiness: Readiness) -> MetricOut:
        """From a row of the table `metric`."""
        return cls(
            uid=row["uid"],
            name=row["name"],
            labels=json.loads(row["labels"]),
            status=row["status"],
            generation=row["generation"],
            created=iso(row["created"]),
            samples=row["last_seq"],
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
    value: float
    raw_score: float | None
    likelihood: float | None
    anomaly_score: float | None
    alert_score: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    #: null: stored without being scored.
    event: str | None

    @classmethod
    def of(cls, row: Stored) -> SampleOut:
        """From a row of the table `sample`."""
        code = row["event"]
        return cls(
            seq=row["seq"],
            timestamp=iso(row["timestamp"]),
            value=row["value"],
            raw_score=row["raw_score"],
            likelihood=row["likelihood"],
            anomaly_score=row["anomaly_score"],
            alert_score=row["alert_score"],
            expected=row["expected"],
            lower=row["lower"],
            upper=row["upper"],
            event=None if code is None else EVENT_CODES[code].value,
        )


class SamplesPage(msgspec.Struct):
    """Some samples of a metric; ``cursor`` asks for the next ones, null: there are none."""

    samples: list[SampleOut]
    cursor: str | None


class EventOut(msgspec.Struct):
    """A run of anomalous samples of one metric; value, expectation and band are the peak's."""

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
        )


class EventsPage(msgspec.Struct):
    """Some events, newest first; ``cursor`` asks for older ones, null: there are none."""

    events: list[EventOut]
    cursor: str | None
