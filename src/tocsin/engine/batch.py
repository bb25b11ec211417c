"""What arrives at the engine and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tocsin.samples import Metric, Samples

__all__ = ["Batch", "Reason", "Receipt", "Rejection"]


class Reason(StrEnum):
    """Why a sample is refused; the short word under which it is counted."""

    BAD_TYPE = "bad_type"
    BAD_METRIC = "bad_metric"
    BAD_TIMESTAMP = "bad_timestamp"
    BAD_LINE = "bad_line"
    BAD_MESSAGE = "bad_message"
    #: Well formed, but text where only numbers are watched.
    NOT_NUMERIC = "not_numeric"
    NOT_FINITE = "not_finite"
    FUTURE = "future"
    PAST = "past"
    TOO_OLD = "too_old"
    LATE = "late"
    CONFLICT = "conflict"
    TOO_MANY_METRICS = "too_many_metrics"
    TOO_MANY_NEW = "too_many_new"
    FILTERED = "filtered"
    NOT_STORED = "not_stored"
    KEY_REUSED = "key_reused"
    NATIVE_HISTOGRAM = "native_histogram"
    EXEMPLAR = "exemplar"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refused sample: its place in what was sent, and why (``word: explanation``)."""

    index: int
    code: Reason
    detail: str

    @property
    def reason(self) -> str:
        """The reason as told to the sender."""
        return f"{self.code}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples as one sender sent them; ``samples.metric`` holds indices into ``metrics``."""

    metrics: Sequence[Metric]
    samples: Samples
    #: Who brought it, for the counts: "http", "graphite", "host".
    protocol: str
    #: A sender that counts its batches, and this one's number: what it sends again is answered
    #: from the book of deliveries. None: it does not count.
    source: str | None = None
    position: int = 0
    #: Who gets turns of its own where many send.
    sender: str = ""
    #: Part of a large load, which waits for others.
    bulk: bool = False
    #: Indices of metrics that the sender declares as monotonic counters.
    counters: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(slots=True)
class Receipt:
    """What became of a batch; given only after the commit."""

    accepted: int
    duplicates: int
    rejected: list[Rejection] = field(default_factory=list)
    #: Kept, but too late to be scored.
    late: int = 0
    #: Dropped because a rule of the configuration says so.
    filtered: int = 0
