"""Alarms against labelled events: which were hit, how late, and how many alarms were false."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.labelled.ranking import runs

__all__ = ["Tally", "best_tally", "tally"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

#: An event is hit by an alarm from so many rows before to so many after its labelled run.
BEFORE: Final = 2
AFTER: Final = 5
#: False alarms with fewer quiet rows than this between them are one run ...
JOINED: Final = 5
#: ... which counts once per so many rows begun.
LENGTH: Final = 10


@dataclass(frozen=True, slots=True)
class Tally:
    """What alarms were worth over some series."""

    events: int
    hit: int
    false_alarms: int
    #: Judged rows.
    rows: int
    #: For every event hit: rows from its first labelled row to the first alarm (from -`BEFORE`).
    delays: tuple[int, ...]

    @property
    def recall(self) -> float:
        """Share of events hit."""
        return self.hit / self.events if self.events else 0.0

    @property
    def precision(self) -> float:
        """Events hit, of those and the false alarms; 0 where there is no alarm."""
        told = self.hit + self.false_alarms
        return self.hit / told if told else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        whole = self.events + self.hit + self.false_alarms
        return 2.0 * self.hit / whole if whole else 0.0

    @property
    def false_per_1000(self) -> float:
        """False alarms per 1,000 judged rows."""
        return 1000.0 * self.false_alarms / self.rows if self.rows else 0.0

    @property
    def median_delay(self) -> float | None:
        """Median delay in rows of the events hit."""
        return float(np.median(self.delays)) if self.delays else None

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.events + other.events,
            self.hit + other.hit,
            self.false_alarms + other.false_alarms,
            self.rows + other.rows,
            self.delays + other.delays,
        )


NOTHING: Final = Tally(0, 0, 0, 0, ())


def tally(alarms: Bools, labels: Bools) -> Tally:
    """Count the alarm rows of one series against its labelled rows.

    Only alarms outside all hit zones are false. Cost: O(n).
    """
    events, outside = _zones(labels)
    told = np.flatnonzero(alarms)
    first = np.searchsorted(told, events[:, 0] - BEFORE)
    found = first < len(told)
    found[found] = told[first[found]] <= events[found, 1] + AFTER
    delays = told[first[found]] - events[found, 0]
    false = _false_alarms(np.flatnonzero(alarms & outside))
    return Tally(len(events), int(found.sum()), false, len(labels), tuple(delays.tolist()))


def _zones(labels: Bools) -> tuple[Ints, Bools]:
    """Labelled runs, and the rows in which no alarm is right."""
    events = runs(labels)
    outside = np.ones(len(labels), dtype=bool)
    for first, last in events.tolist():
        outside[max(0, first - BEFORE) : last + AFTER + 1] = False
    return events, outside


def _false_alarms(rows: Ints) -> int:
    if not len(rows):
        return 0
    # Between rows a and b lie b - a - 1 quiet ones.
    begins = np.flatnonzero(np.append(True, np.diff(rows) > JOINED))
    lasts = np.append(begins[1:], len(rows)) - 1
    lengths = rows[lasts] - rows[begins] + 1
    return int(np.sum(-(-lengths // LENGTH)))


def best_tally(scores: Sequence[Floats], labels: Sequence[Bools]) -> tuple[Tally, float]:
    """The tally of highest F1 over one threshold for all series, and that threshold.

    Thresholds tried: the highest score in each event's zone, where a hit is won or lost.
    Cost: O(events n).
    """
    best, chosen = NOTHING, np.inf
    for threshold in _highest(scores, labels):
        found = NOTHING
        for score, label in zip(scores, labels, strict=True):
            found += tally(score >= threshold, label)
        if found.f1 > best.f1:
            best, chosen = found, threshold
    return best, chosen


def _highest(scores: Sequence[Floats], labels: Sequence[Bools]) -> list[float]:
    found = set()
    for score, label in zip(scores, labels, strict=True):
        for first, last in runs(label).tolist():
            found.add(float(score[max(0, first - BEFORE) : last + AFTER + 1].max()))
    return sorted(found - {0.0}, reverse=True)
