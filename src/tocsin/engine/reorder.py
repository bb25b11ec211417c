"""The reorder window: samples wait a while for older ones that are still on their way."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from tocsin.engine.aside import Arranged, Aside
from tocsin.engine.policy import Policy
from tocsin.engine.verdicts import Group, Verdict
from tocsin.engine.walk import Known, judge

__all__ = ["rearrange"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Verdicts = NDArray[np.int8]


def rearrange(
    group: Group,
    verdict: Verdicts,
    position: NDArray[np.void],
    known: Known,
    held: Aside,
    policy: Policy,
    now: int,
) -> Arranged:
    """As `order.arrange`, with a window.

    A sample is taken once a sample of its metric is known that lies a window or more after it,
    or once it has waited that long by the clock; older ones that wait are taken with it.
    Cost: O(held) and two sorts of the group and of what its metrics hold.
    """
    left = np.flatnonzero(verdict == Verdict.ACCEPTED)
    crowded = len(held) + len(left) > policy.most_held
    touched = np.full(len(position), crowded)
    touched[group.row[left]] = True
    touched[held.row[held.overdue(now, policy.window)]] = True
    mine = touched[held.row]
    line = _Line.of(group, left, held.where(mine), now)
    line = _without_repeats(line, verdict, position)
    _judge(line, group, verdict, position, known, policy)
    line = line.where(_accepted(line, verdict))
    line = line.where(line.by_time())
    free = _free(line, policy, now)
    waits, fresh = line.aside.where(~free), line.place >= 0
    return Arranged(
        line.row[free],
        line.timestamp[free],
        line.value[free],
        held=held.where(~mine).and_(waits),
        added=line.aside.where(~free & fresh),
        dropped=line.aside.where(free & ~fresh),
        late=Aside.late(group, verdict, now),
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """Samples metric by metric as they arrived: first the held ones, then the group's."""

    row: Ints
    timestamp: Ints
    value: Floats
    arrived: Ints
    #: In the group; -1: held from before.
    place: Ints

    @classmethod
    def of(cls, group: Group, left: Ints, held: Aside, now: int) -> _Line:
        before = np.full(len(held), -1, dtype=np.int64)
        row = np.concatenate([held.row, group.row[left]])
        timestamp = np.concatenate([held.timestamp, group.timestamp[left]])
        value = np.concatenate([held.value, group.value[left]])
        arrived = np.concatenate([held.arrived, np.full(len(left), now, dtype=np.int64)])
        batch = np.concatenate([before, group.batch[left]])
        line = cls(row, timestamp, value, arrived, np.concatenate([before, left]))
        return line.where(np.lexsort((timestamp, batch, row)))

    def where(self, which: Flags | Ints) -> _Line:
        return _Line(*(getattr(self, field.name)[which] for field in fields(self)))

    @property
    def aside(self) -> Aside:
        return Aside(self.row, self.timestamp, self.value, self.arrived)

    def by_time(self) -> Ints:
        """Places metric by metric as time goes; equal times as they arrived."""
        return np.lexsort((self.timestamp, self.row))

    def repeats(self, order: Ints) -> Flags:
        """Which samples, in this order by time, have the time of the one before them."""
        row, timestamp = self.row[order], self.timestamp[order]
        again = np.zeros(len(order), dtype=np.bool_)
        again[1:] = (row[1:] == row[:-1]) & (timestamp[1:] == timestamp[:-1])
        return again


def _without_repeats(line: _Line, verdict: Verdicts, position: NDArray[np.void]) -> _Line:
    """Judge what has the time of the last sample taken, or of one that is held."""
    order = line.by_time()
    # Where the run of equal times begins: with the held one, if there is one.
    heads = np.maximum.accumulate(np.where(line.repeats(order), 0, np.arange(len(order))))
    head = np.empty_like(order)
    head[order] = order[heads]
    fresh = line.place >= 0
    waits = fresh & (line.place[head] < 0)
    taken = fresh & (line.timestamp == position["timestamp"][line.row])
    before = np.where(waits, line.value[head], position["value"][line.row])
    again = waits | taken
    which = np.where(line.value == before, Verdict.DUPLICATE, Verdict.CONFLICT)
    verdict[line.place[again]] = which[again]
    return line.where(~again)


def _judge(
    line: _Line,
    group: Group,
    verdict: Verdicts,
    position: NDArray[np.void],
    known: Known,
    policy: Policy,
) -> None:
    """Judge metrics with samples that may have been passed already, or come twice."""
    doubtful = np.unique(line.row[_doubtful(line, position, policy.window)])
    low = np.searchsorted(line.row, doubtful)
    high = np.searchsorted(line.row, doubtful, side="right")
    for start, stop in zip(low.tolist(), high.tolist(), strict=True):
        mine = line.where(np.arange(start, stop))
        held = mine.where(mine.place < 0)
        waiting = dict(zip(held.timestamp.tolist(), held.value.tolist(), strict=True))
        judge(group, mine.place[mine.place >= 0], verdict, position, known, policy, waiting)


def _accepted(line: _Line, verdict: Verdicts) -> Flags:
    accepted = line.place < 0
    accepted[~accepted] = verdict[line.place[~accepted]] == Verdict.ACCEPTED
    return accepted


def _doubtful(line: _Line, position: NDArray[np.void], window: int) -> Flags:
    order = line.by_time()
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    # Ranks rise from metric to metric, so the newest so far never is another metric's …
    newest = line.timestamp[order][np.maximum.accumulate(rank)]
    # … except for the first of each. Samples' times are positive.
    last = np.maximum(position["timestamp"][line.row], 0)
    before = last.copy()
    same = line.row[1:] == line.row[:-1]
    before[1:][same] = np.maximum(last[1:], newest[:-1])[same]
    twice = np.empty(len(order), dtype=np.bool_)
    twice[order] = line.repeats(order)
    passed = (line.timestamp < last) | (line.timestamp < before - window)
    doubtful: Flags = (line.place >= 0) & (passed | twice)
    return doubtful


def _free(line: _Line, policy: Policy, now: int) -> Flags:
    """Which samples, in order of time, wait no longer."""
    overdue = line.aside.overdue(now, policy.window)
    free = _passed(line, overdue, policy.window)
    excess = int(np.count_nonzero(~free)) - policy.most_held
    if excess > 0:
        first = np.partition(line.arrived[~free], excess - 1)[excess - 1]
        free = _passed(line, overdue | (line.arrived <= first), policy.window)
    return free


def _passed(line: _Line, overdue: Flags, window: int) -> Flags:
    """Those that are overdue or lie a window behind the newest, and all before them."""
    count = len(line.row)
    if not count:
        return np.zeros(0, dtype=np.bool_)
    begins = np.flatnonzero(np.r_[True, line.row[1:] != line.row[:-1]])
    counts = np.diff(np.r_[begins, count])
    newest = np.repeat(line.timestamp[begins + counts - 1], counts)
    free = overdue | (line.timestamp <= newest - window)
    at = np.arange(count)
    last = np.maximum.reduceat(np.where(free, at, -1), begins)
    passed: Flags = at <= np.repeat(last, counts)
    return passed
