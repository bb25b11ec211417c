"""Which samples of a group are taken now, and in which order: pure, over columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.engine.aside import Arranged, Aside
from tocsin.engine.policy import Policy
from tocsin.engine.reorder import rearrange
from tocsin.engine.verdicts import REASONS, Group, Verdict, screen
from tocsin.engine.walk import Known, LookUp, judge

__all__ = [
    "REASONS",
    "Arranged",
    "Aside",
    "Group",
    "Known",
    "LookUp",
    "Policy",
    "Verdict",
    "arrange",
    "release",
    "screen",
]

Ints = NDArray[np.int64]
Verdicts = NDArray[np.int8]

_NONE = Aside.empty()


def arrange(
    group: Group,
    verdict: Verdicts,
    position: NDArray[np.void],
    known: Known,
    held: Aside = _NONE,
    *,
    policy: Policy = Policy(),  # noqa: B008 - frozen
    now: int = 0,
) -> Arranged:
    """Put samples in order per metric, and judge those that do not come after the last.

    Within a batch the samples of a metric are sorted by time; batches count as they arrived.
    ``position``: of each metric row, "timestamp" and "value" of the last sample taken; ``held``:
    what waits from before; ``now``: the wall clock (ns). Marks refused ones in ``verdict``, and
    changes nothing else. Errors: what the look-ups in ``known`` raise.
    Cost: a sort; look-ups and a walk only for metrics with samples that are not news.
    """
    verdict[(verdict == Verdict.ACCEPTED) & (group.row < 0)] = Verdict.TOO_MANY_METRICS
    if policy.window or len(held):
        return rearrange(group, verdict, position, known, held, policy, now)
    order = _in_order(group, verdict, position, known, policy)
    columns = group.row[order], group.timestamp[order], group.value[order]
    late = Aside.late(group, verdict, now) if policy.store_late else _NONE
    return Arranged(*columns, held=_NONE, added=_NONE, dropped=_NONE, late=late)


def release(
    position: NDArray[np.void], known: Known, held: Aside, *, policy: Policy, now: int
) -> Arranged:
    """What is held no longer because enough time has passed, though nothing newer has come."""
    nothing = np.empty(0, dtype=np.int8)
    return arrange(Group.empty(), nothing, position, known, held, policy=policy, now=now)


def _in_order(
    group: Group, verdict: Verdicts, position: NDArray[np.void], known: Known, policy: Policy
) -> Ints:
    """Places of the samples that are taken, where none is held."""
    left = np.flatnonzero(verdict == Verdict.ACCEPTED)
    order: Ints = left[np.lexsort((group.timestamp[left], group.batch[left], group.row[left]))]
    if _news(group, order, position).all():
        return order
    order = _without_repeats(group, order, verdict, position)
    rows = group.row[order]
    doubtful = np.unique(rows[~_news(group, order, position)])
    low, high = np.searchsorted(rows, doubtful), np.searchsorted(rows, doubtful, side="right")
    for start, stop in zip(low.tolist(), high.tolist(), strict=True):
        judge(group, order[start:stop], verdict, position, known, policy)
    taken: Ints = order[verdict[order] == Verdict.ACCEPTED]
    return taken


def _news(group: Group, order: Ints, position: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which samples come after the one before them of the same metric."""
    rows, times = group.row[order], group.timestamp[order]
    before = np.empty_like(times)
    before[1:] = times[:-1]
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = rows[1:] != rows[:-1]
    before[first] = position["timestamp"][rows[first]]
    news: NDArray[np.bool_] = times > before
    return news


def _without_repeats(
    group: Group, order: Ints, verdict: Verdicts, position: NDArray[np.void]
) -> Ints:
    """Judge what has the time of the last sample taken: a whole batch that was sent again."""
    last = position[["timestamp", "value"]][group.row[order]]
    repeat = group.timestamp[order] == last["timestamp"]
    places = order[repeat]
    same = group.value[places] == last["value"][repeat]
    verdict[places] = np.where(same, Verdict.DUPLICATE, Verdict.CONFLICT)
    others: Ints = order[~repeat]
    return others
