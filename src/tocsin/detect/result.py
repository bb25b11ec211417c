"""What a sample's scoring gives: one `Result`, or many as columns of a structured array."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.why import Why

__all__ = [
    "EVENT_CODES",
    "NUMBERS",
    "RESULT",
    "VIEW_NAMES",
    "EventState",
    "Readiness",
    "Result",
    "log_score",
    "with_samples",
]


class EventState(StrEnum):
    """Where a sample stands in the story of its metric's events."""

    NONE = ""
    #: The first sample of an event: the alarm.
    START = "start"
    #: The event goes on.
    ONGOING = "ongoing"
    #: The event may be over: this sample is normal again, but too few were.
    QUIET = "quiet"
    #: The first sample at which the event is known to be over (its last anomalous one is past).
    END = "end"


#: The event state by the code that the kernel writes.
EVENT_CODES: Final = tuple(EventState)

#: The views of the default model, in the order of `RESULT`'s ``views``. A new one needs a name
#: here, a phrase in `tocsin.detect.why`, and its evidence from `tocsin.detect.models.views`.
VIEW_NAMES: Final = ("value", "level", "forecast", "shape", "flat", "silence")

#: The columns of `RESULT` that are kept with a sample, but for ``event``.
NUMBERS: Final = (
    # Of a counter: what is watched; not-a-number at its first sample, and for a gauge.
    "rate",
    "raw_score",
    "likelihood",
    "anomaly_score",
    "alert_score",
    "expected",
    "lower",
    "upper",
)

#: One row per sample. Not-a-number means "not known yet", never 0 or 0.5.
#:
#: What follows ``event`` is what an event is explained with, and is kept for events only: by how
#: much the value lies above the highest (below the lowest: negative) of all before, how long the
#: metric and the pause before this sample were (s), and the evidence that each view brought.
RESULT: Final = np.dtype(
    [
        *((name, "f8") for name in NUMBERS),
        ("event", "i8"),
        # Twice as precise as it need be: without it there would be a gap between the fields, whose
        # bytes are anything, and equal results would not be equal bytes.
        ("age", "f8"),
        ("beyond", "f4"),
        ("pause", "f4"),
        ("views", "f4", (len(VIEW_NAMES),)),
    ],
    align=True,
)


@dataclass(frozen=True, slots=True)
class Readiness:
    """How far warm-up is: ``seen`` of ``needed`` samples."""

    seen: int
    needed: int

    @property
    def ready(self) -> bool:
        """Whether samples get a likelihood."""
        return self.seen >= self.needed

    @property
    def reason(self) -> str:
        """Why there is no likelihood yet; empty when there is one.

        >>> Readiness(37, 100).reason
        '63 more samples are needed to know what is usual'
        """
        missing = self.needed - self.seen
        if missing <= 0:
            return ""
        plural = "" if missing == 1 else "s"
        verb = "is" if missing == 1 else "are"
        return f"{missing} more sample{plural} {verb} needed to know what is usual"

    def __str__(self) -> str:
        return f"{min(self.seen, self.needed)} of {self.needed}"


@dataclass(frozen=True, slots=True)
class Result:
    """One scored sample.

    Until the metric is ready, ``likelihood``, ``anomaly_score`` and ``alert_score`` are None and
    ``readiness`` says how many samples are there of how many.
    """

    #: Nanoseconds since 1970, UTC.
    timestamp: int
    #: As it was given.
    value: float
    #: Of a counter: its rate per second, which is what is watched; None before its second sample.
    rate: float | None
    #: How surprising the model found the sample, in the model's own units; None: a counter's first.
    raw_score: float | None
    #: The share of the metric's samples that score less: 0.9999 is one sample in 10,000.
    likelihood: float | None
    #: How rare an anomaly so strong is, on HTM Engine's log scale: 0.5 is one in 100,000.
    #: Of scores that come alone it is the likelihood on that scale; an anomaly that lasts is one,
    #: however many its samples are.
    anomaly_score: float | None
    #: The anomaly score where it is news, 0 where it continues or repeats an event.
    alert_score: float | None
    #: What the model expected, and the band around it; None while there is nothing to go by.
    expected: float | None
    lower: float | None
    upper: float | None
    event: EventState
    readiness: Readiness
    #: What it is and why, where it starts or continues an event; else None.
    why: Why | None = None


def log_score(likelihood: float) -> float:
    """HTM Engine's log scale of a likelihood: -log10(1 - likelihood) / 10, within [0, 1].

    >>> round(log_score(0.99999), 6), round(log_score(0.9999), 6)
    (0.5, 0.4)

    Source: NuPIC's ``computeLogLikelihood``.
    """
    return float(min(1.0, max(0.0, np.log(1.0000000001 - likelihood) / np.log(1e-10))))


def with_samples(
    scored: NDArray[np.void], times: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.void]:
    """Result rows with their samples' ``timestamp`` and ``value`` in front."""
    fields = [(name, RESULT[name]) for name in RESULT.names or ()]
    whole = np.zeros(len(scored), dtype=[("timestamp", "i8"), ("value", "f8"), *fields])
    whole["timestamp"], whole["value"] = times, values
    for name in RESULT.names or ():
        whole[name] = scored[name]
    return whole
