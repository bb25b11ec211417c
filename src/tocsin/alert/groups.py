"""Hosts and services by how anomalous they were: this hour, today, this week, at their worst.

As HTM Engine ranked its instances: time is cut into bars (an hour into bars of five minutes, a day
of one hour, a week of eight hours); a bar counts as much as the most improbable event of any of the
group's metrics in it; a group ranks by the sum of its bars. What an event counts is its
improbability in decades (-log10 p). A bar keeps the highest it was ever told, so that it does not
matter in which order, or how often, it is told.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.alert.bonds import group_of
from tocsin.samples import SECOND_NS

if TYPE_CHECKING:
    from tocsin.engine.committed import Committed
    from tocsin.samples import Metric

__all__ = ["RANKS", "WEEK_NS", "Bars", "Group", "Groups", "Rank"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

Rank = Literal["hour", "day", "week", "best"]
RANKS: Final[tuple[Rank, ...]] = ("hour", "day", "week", "best")

_MINUTE_NS: Final = 60 * SECOND_NS
_HOUR_NS: Final = 60 * _MINUTE_NS
WEEK_NS: Final = 7 * 24 * _HOUR_NS
#: An anomaly score is a tenth of the decades.
_DECADES: Final = 10.0
#: Metrics whose groups are looked up with the lock held.
_PIECE: Final = 5_000


class Group(NamedTuple):
    """A group: what it is called by, its sums over the bars, and its highest bar of the week."""

    name: str
    hour: float
    day: float
    week: float
    best: float
    #: How many metrics it has.
    metrics: int


class Bars:
    """For each group, the last ``count`` bars of ``width`` (ns). 4 bytes a bar."""

    def __init__(self, width: int, count: int) -> None:
        self._width, self._count = width, count
        self._newest = 0
        #: A bar's place is its number modulo the count.
        self._highest: Floats = np.zeros((16, count), dtype=np.float32)

    def raise_to(self, group: int, start: int, end: int, decades: float, now: int) -> None:
        """A group was so anomalous from ``start`` to ``end`` (ns)."""
        self._move(now)
        while group >= len(self._highest):
            more = np.zeros_like(self._highest)
            self._highest = np.concatenate([self._highest, more])
        first = max(start // self._width, self._newest - self._count + 1)
        last = min(end // self._width, self._newest)
        for bar in range(first, last + 1):
            place = bar % self._count
            self._highest[group, place] = max(self._highest[group, place], decades)

    def told(self, groups: int, now: int) -> Floats:
        """The bars of the first so many groups, in no order."""
        self._move(now)
        some = np.zeros((groups, self._count), dtype=np.float32)
        known = min(groups, len(self._highest))
        some[:known] = self._highest[:known]
        return some

    def _move(self, now: int) -> None:
        """Time goes on: bars of the past give their places to new ones."""
        newest = now // self._width
        steps = min(newest - self._newest, self._count)
        for bar in range(newest - steps + 1, newest + 1):
            self._highest[:, bar % self._count] = 0.0
        self._newest = max(newest, self._newest)


class Groups:
    """Groups of a list of metrics that grows. Any threads.

    Memory: 4 bytes a metric, some 400 a group.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        places: Sequence[str],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """``metrics``: the list itself, which others append to; ``places``: see `group_of`."""
        self._metrics, self._places, self._clock = metrics, tuple(places), clock
        self._lock = threading.Lock()
        self._number: dict[str, int] = {}
        self._of_row: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._done = 0
        self._bars = {
            "hour": Bars(5 * _MINUTE_NS, 12),
            "day": Bars(_HOUR_NS, 24),
            "week": Bars(8 * _HOUR_NS, 21),
        }

    def take(self, committed: Committed) -> None:
        """Called after every commit. Cost: some µs for each event in it."""
        for change in committed.events:
            event = change.event
            if not event.muted:
                self.note(change.row, event.start, event.end, event.anomaly_score)

    def note(self, row: int, start: int, end: int, score: float) -> None:
        """A metric's event from ``start`` to ``end`` (ns), and its highest anomaly score."""
        now = self._clock()
        if not score > 0.0 or end < now - WEEK_NS:
            return
        with self._lock:
            group = self._numbered(row)
            for bars in self._bars.values():
                bars.raise_to(group, start, end, _DECADES * score, now)

    def grow(self) -> bool:
        """Look up the groups of some metrics that are new; whether there are more."""
        with self._lock:
            until = min(len(self._metrics), self._done + _PIECE)
            if until > len(self._of_row):
                room = np.zeros(max(until, 2 * len(self._of_row)), dtype=np.int32)
                room[: self._done] = self._of_row[: self._done]
                self._of_row = room
            for row in range(self._done, until):
                self._of_row[row] = self._numbered(row)
            self._done = until
            return until < len(self._metrics)

    def ranked(self, live: NDArray[np.bool_], also: Iterable[str] = ()) -> list[Group]:
        """The groups that were anomalous within a week, and ``also`` these, in no order.

        ``live``: by row, whether the metric is there. Cost: some ns a metric.
        """
        while self.grow():
            pass
        with self._lock:
            now, count = self._clock(), len(self._number)
            rows = self._of_row[: min(self._done, len(live))]
            metrics = np.bincount(rows[live[: len(rows)]], minlength=count)
            bars = {name: some.told(count, now) for name, some in self._bars.items()}
            sums = {name: some.sum(axis=1) for name, some in bars.items()}
            best = np.max([some.max(axis=1, initial=0.0) for some in bars.values()], axis=0)
            names = list(self._number)
            shown = set(np.flatnonzero(best).tolist())
            shown.update(self._number[name] for name in also if name in self._number)
        hour, day, week = (sums[name].tolist() for name in ("hour", "day", "week"))
        return [
            Group(names[i], hour[i], day[i], week[i], float(best[i]), int(metrics[i]))
            for i in sorted(shown)
        ]

    def _numbered(self, row: int) -> int:
        name = group_of(self._metrics[row], self._places)
        return self._number.setdefault(name, len(self._number))
