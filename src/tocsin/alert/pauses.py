"""Pauses: how often each metric's samples come, and the longest that it ever was quiet.

Learnt from looks at the registry, some seconds apart, by the wall clock: what is judged is whether
anything comes, not what. A metric is overdue when nothing has come for longer than

    limit = max(least, 2 * longest + (4 + D / 2) * interval)

where `interval` is the usual time between its samples, `longest` the longest time without any, and
D the decades by which a false alarm must be improbable: D = -log10(budget * interval / week). This
is the rule by which the default model finds a pause once it is over (`tocsin.detect.models.views.
habit`), so that what is told early is what would have been told late.

`longest` fades to a half in 1 / budget weeks. A pause that was told is learnt like any other, and
the next one is told beyond twice as much. So, whatever a metric does, at most

    log2(its longest pause / interval) + budget * weeks

of its pauses are told that were no failure. (What is bounded is how often, not whether rightly.)

What Tocsin itself could not hear is nobody's silence: time counts from `listening` on.

Cost: some ten passes over arrays a look. Memory: 64 bytes a metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.samples import SECOND_NS

__all__ = ["KEPT", "Pauses"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_WEEK_NS: Final = 7 * 86_400 * SECOND_NS
#: A length that is nothing special: so many times the longest before, and so many intervals more.
_TIMES: Final = 2.0
_MARGIN: Final = 4.0
#: Decades of each sample that did not come beyond that.
_RARITY_OF_MISSING: Final = 2.0
#: The share of samples that may be followed by a false alarm, whatever budget and interval say.
_SMALLEST_SHARE: Final = 1e-8
_LARGEST_SHARE: Final = 1e-3
_INTERVAL_RATE: Final = 0.01
#: A pause counts as at most this many usual intervals of it.
_LONGEST_PAUSE: Final = 4.0
#: Looks that found samples before it is known how often they come.
_HEARD_FROM: Final = 10

#: What is kept over restarts, by the metric's id. Times and lengths in ns, by the wall clock.
KEPT: Final = np.dtype(
    [
        ("id", "<i8"),
        # When something came for the first time, and last; 0: never.
        ("first", "<i8"),
        ("last", "<i8"),
        ("interval", "<f8"),
        ("longest", "<f8"),
        # How many looks have found something.
        ("heard", "<i8"),
    ]
)


class Pauses:
    """Arrays, one element per row of the registry. Not thread-safe."""

    def __init__(self, budget: float, least_s: float) -> None:
        """``budget``: false alarms per metric and week, > 0; ``least_s``: no limit is below."""
        self._budget = budget
        self._least = least_s * SECOND_NS
        self._half_life = _WEEK_NS / budget
        #: Since when what comes is heard (ns).
        self.listening = 0
        self._seq: Ints = np.zeros(0, dtype=np.int64)
        self._time: Ints = np.zeros(0, dtype=np.int64)
        self._kept: NDArray[np.void] = np.zeros(0, dtype=KEPT)
        #: Infinite while it is not known how often samples come.
        self._limit: Floats = np.zeros(0)

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, ids: Ints, seq: Ints, time: Ints, known: Mapping[int, np.void]) -> None:
        """Start with metrics as they stand, and what was kept of them, by id."""
        self._grow(len(ids))
        self._kept["id"], self._seq[:], self._time[:] = ids, seq, time
        rows = [row for row, metric in enumerate(ids.tolist()) if metric in known]
        for row in rows:
            self._kept[row] = known[int(ids[row])]
        self._draw(np.array(rows, dtype=np.int64))

    def look(self, now: int, ids: Ints, seq: Ints, time: Ints) -> Ints:
        """Learn from what came since the last look; returns the rows to which something came.

        Columns of the registry as they stand: id, last seq, and the last sample's time.
        """
        if len(ids) > len(self):
            self._grow(len(ids))
            self._kept["id"] = ids
        came = np.flatnonzero(seq > self._seq)
        if len(came):
            self._learn(came, now, seq[came], time[came])
        return came

    def overdue(self, now: int) -> Ints:
        """Rows of which nothing has come for longer than their limit."""
        since = np.maximum(self._kept["last"], self.listening)
        return np.flatnonzero(since + self._limit < now)

    def of(self, row: int) -> tuple[float, float, float]:
        """A row's usual interval, longest pause, and limit; seconds."""
        kept = self._kept[row]
        told = (kept["interval"], kept["longest"], self._limit[row])
        interval, longest, limit = (float(one) / SECOND_NS for one in told)
        return interval, longest, limit

    def last(self, rows: Ints) -> Ints:
        """When something came last (ns); 0: never."""
        found: Ints = self._kept["last"][rows]
        return found

    def decades(self, row: int) -> float:
        """By how many decades a false alarm of this row is improbable."""
        interval = self._kept["interval"][row : row + 1]
        return float(self._decades(interval)[0])

    def part(self, start: int, size: int) -> NDArray[np.void]:
        """What is to be kept of so many rows."""
        return self._kept[start : start + size]

    def _grow(self, count: int) -> None:
        if count <= len(self):
            return
        more = count - len(self)
        self._seq = np.concatenate([self._seq, np.zeros(more, dtype=np.int64)])
        self._time = np.concatenate([self._time, np.zeros(more, dtype=np.int64)])
        self._kept = np.concatenate([self._kept, np.zeros(more, dtype=KEPT)])
        self._limit = np.concatenate([self._limit, np.full(more, np.inf)])

    def _learn(self, rows: Ints, now: int, seq: Ints, time: Ints) -> None:
        kept = self._kept[rows]
        first = self._seq[rows] == 0
        many = np.maximum(seq - self._seq[rows], 1)
        step = np.where(first, 0.0, time - self._time[rows])
        self._follow_interval(kept, step, many)
        since = np.maximum(kept["last"], self.listening)
        quiet = np.where(kept["last"] > 0, np.maximum(now - since, 0), 0).astype(np.float64)
        # By its own time where that is exact and somebody listened, and by when it came.
        exact = (many == 1) & (kept["last"] >= max(self.listening, 1))
        pause = np.where(exact, np.maximum(quiet, step), quiet)
        faded = np.exp2(-np.maximum(now - kept["last"], 0) / self._half_life)
        kept["longest"] = np.maximum(kept["longest"] * faded, pause)
        kept["first"] = np.where(kept["first"] == 0, now, kept["first"])
        kept["last"] = now
        kept["heard"] += 1
        self._kept[rows], self._seq[rows], self._time[rows] = kept, seq, time
        self._draw(rows)

    @staticmethod
    def _follow_interval(kept: NDArray[np.void], step: Floats, many: Ints) -> None:
        """The usual time between samples; long pauses hardly count."""
        known = kept["interval"]
        each = step / many
        clipped = np.where(known > 0, np.minimum(each, _LONGEST_PAUSE * known), each)
        share = np.minimum(1.0, np.maximum(_INTERVAL_RATE, 1.0 / (kept["heard"] + 1)) * many)
        told = np.where(known > 0, known + share * (clipped - known), each)
        kept["interval"] = np.where(step > 0, told, known)

    def _decades(self, interval: Floats) -> Floats:
        share = np.clip(self._budget * interval / _WEEK_NS, _SMALLEST_SHARE, _LARGEST_SHARE)
        decades: Floats = -np.log10(share)
        return decades

    def _draw(self, rows: Ints) -> None:
        """The limits of some rows: infinite until they were heard for longer than that."""
        kept = self._kept[rows]
        beyond = _MARGIN + self._decades(kept["interval"]) / _RARITY_OF_MISSING
        limit = np.maximum(self._least, _TIMES * kept["longest"] + beyond * kept["interval"])
        heard = (kept["last"] - kept["first"] >= limit) & (kept["heard"] >= _HEARD_FROM)
        self._limit[rows] = np.where(heard & (kept["interval"] > 0), limit, np.inf)
