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

Cost: some 2 ms a look at 100,000 metrics of which a twelfth had samples. Memory: 80 bytes a metric.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.compile import kernel
from tocsin.samples import SECOND_NS

__all__ = ["KEPT", "Pauses"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

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
_HALVES: Final = math.log(2.0)
_PER_DECADE: Final = 1.0 / math.log(10.0)
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
        #: When rows are overdue, as long as `listening` is what it was then.
        self._due: Floats = np.zeros(0)
        self._heard_since = 0

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, ids: Ints, seq: Ints, time: Ints, known: Mapping[int, np.void]) -> None:
        """Start with metrics as they stand, and what was kept of them, by id."""
        self._grow(len(ids))
        self._kept["id"], self._seq[:], self._time[:] = ids, seq, time
        rows = [row for row, metric in enumerate(ids.tolist()) if metric in known]
        for row in rows:
            self._kept[row] = known[int(ids[row])]
        draw(np.array(rows, dtype=np.int64), self._kept, self._limit, self._budget, self._least)
        self._expect()
        # Compiled now, where it may have to be: a look that takes so long hears nothing.
        self.look(0, ids, seq, time)

    def look(self, now: int, ids: Ints, seq: Ints, time: Ints) -> Ints:
        """Learn from what came since the last look; returns the rows to which something came.

        Columns of the registry as they stand: id, last seq, and the last sample's time. Others
        may go on writing to ``ids`` and ``time``, not to ``seq``.
        Cost: about 10 µs per 1,000 rows, and 60 µs per 1,000 to which something came.
        """
        if len(seq) > len(self):
            self._grow(len(seq))
            self._kept["id"] = ids[: len(seq)]
        came = np.flatnonzero(seq > self._seq)
        times, before = time[came], (self._seq, self._time)
        learn(came, now, self.listening, self._kept, self._half_life, seq, times, *before)
        draw(came, self._kept, self._limit, self._budget, self._least)
        self._due[came] = max(now, self.listening) + self._limit[came]
        return came

    def overdue(self, now: int) -> Ints:
        """Rows of which nothing has come for longer than their limit."""
        if self._heard_since != self.listening:
            self._expect()
        return np.flatnonzero(self._due < now)

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
        return float(decades_of(self._kept["interval"][row], self._budget))

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
        self._due = np.concatenate([self._due, np.full(more, np.inf)])

    def _expect(self) -> None:
        """When rows are overdue, of what is heard since `listening`."""
        self._due = np.maximum(self._kept["last"], self.listening) + self._limit
        self._heard_since = self.listening


@kernel
def learn(
    rows: Ints,
    now: int,
    listening: int,
    kept: NDArray[np.void],
    half_life: float,
    seq: Ints,
    times: Ints,
    seq_before: Ints,
    time_before: Ints,
) -> None:
    """Learn that something came to these rows; ``times``: of these rows, the others: of all."""
    for i in range(len(rows)):
        row = rows[i]
        one = kept[row]
        count = max(seq[row] - seq_before[row], 1)
        step = float(times[i] - time_before[row]) if seq_before[row] > 0 else 0.0
        seq_before[row], time_before[row] = seq[row], times[i]
        known = one.last > 0
        quiet = float(max(now - max(one.last, listening), 0)) if known else 0.0
        # By its own time where that is exact and somebody listened, and by when it came.
        if count == 1 and one.last >= max(listening, 1):
            quiet = max(quiet, step)
        if step > 0.0:
            one.interval = interval_of(one.interval, step / count, count, one.heard)
        faded = one.longest * math.exp(-_HALVES * float(max(now - one.last, 0)) / half_life)
        one.longest = max(faded, quiet)
        if one.first == 0:
            one.first = now
        one.last = now
        one.heard += 1


@kernel
def interval_of(known: float, each: float, count: int, heard: int) -> float:
    """The usual time between samples, after ``count`` more of them; long pauses hardly count."""
    if known <= 0.0:
        return each
    share = min(1.0, max(_INTERVAL_RATE, 1.0 / (heard + 1)) * count)
    return known + share * (min(each, _LONGEST_PAUSE * known) - known)


@kernel
def decades_of(interval: float, budget: float) -> float:
    """By how many decades a false alarm must be improbable at this interval."""
    share = min(max(budget * interval / _WEEK_NS, _SMALLEST_SHARE), _LARGEST_SHARE)
    return -math.log(share) * _PER_DECADE


@kernel
def draw(rows: Ints, kept: NDArray[np.void], limit: Floats, budget: float, least: float) -> None:
    """The limits of some rows: infinite until they were heard for longer than that."""
    for row in rows:
        one = kept[row]
        limit[row] = np.inf
        if one.heard >= _HEARD_FROM and one.interval > 0.0:
            beyond = _MARGIN + decades_of(one.interval, budget) / _RARITY_OF_MISSING
            length = max(least, _TIMES * one.longest + beyond * one.interval)
            if one.last - one.first >= length:
                limit[row] = length
