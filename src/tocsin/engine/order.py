"""Which samples of a group are taken, and in which order: pure, over columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.engine.batch import Reason

__all__ = ["REASONS", "Group", "Verdict", "arrange", "screen"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Verdicts = NDArray[np.int8]
#: Looks values up that are stored at these (rising) times of a row.
LookUp = Callable[[int, Sequence[int]], dict[int, float]]


class Verdict(IntEnum):
    """What becomes of one sample."""

    ACCEPTED = 0
    DUPLICATE = 1
    NOT_FINITE = 2
    FUTURE = 3
    PAST = 4
    TOO_MANY_METRICS = 5
    LATE = 6
    CONFLICT = 7


#: How a refusal is counted and told.
REASONS: Final = {
    Verdict.NOT_FINITE: (Reason.NOT_FINITE, "the value is not a finite number"),
    Verdict.FUTURE: (Reason.FUTURE, "the time lies too far ahead of this machine's clock"),
    Verdict.PAST: (Reason.PAST, "the time is not after 1970-01-01T00:00:00Z"),
    Verdict.TOO_MANY_METRICS: (
        Reason.TOO_MANY_METRICS,
        "there are already as many metrics as max_metrics allows",
    ),
    Verdict.LATE: (Reason.LATE, "older than the newest sample of this metric"),
    Verdict.CONFLICT: (Reason.CONFLICT, "another value is stored for this metric and time"),
}


@dataclass(frozen=True, slots=True)
class Group:
    """The samples of several batches as columns, in order of arrival.

    ``batch`` counts the batches; ``row`` is the metric's row, -1 when it has none.
    """

    batch: Ints
    row: Ints
    timestamp: Ints
    value: Floats


def screen(timestamp: Ints, value: Floats, newest: int) -> Verdicts:
    """Judge samples by themselves: finite, and at a time that can be (not after ``newest``)."""
    verdict = np.zeros(len(value), dtype=np.int8)
    verdict[timestamp <= 0] = Verdict.PAST
    verdict[timestamp > newest] = Verdict.FUTURE
    verdict[~np.isfinite(value)] = Verdict.NOT_FINITE
    return verdict


def arrange(group: Group, verdict: Verdicts, position: NDArray[np.void], stored: LookUp) -> Ints:
    """Put the samples in order per metric, and judge those that do not come after the last.

    Within a batch the samples of a metric are sorted by time; batches count as they arrived.
    Marks refused ones in ``verdict``; returns the accepted samples' places, metric by metric.
    """
    verdict[(verdict == Verdict.ACCEPTED) & (group.row < 0)] = Verdict.TOO_MANY_METRICS
    left = np.flatnonzero(verdict == Verdict.ACCEPTED)
    keys = (group.timestamp[left], group.batch[left], group.row[left])
    order = left[np.lexsort(keys)]
    rows, times = group.row[order], group.timestamp[order]
    if len(order):
        before = np.concatenate([[0], times[:-1]])
        first = np.concatenate([[True], rows[1:] != rows[:-1]])
        before[first] = position["timestamp"][rows[first]]
        for row in np.unique(rows[times <= before]):
            low, high = np.searchsorted(rows, [row, row + 1])
            _walk(group, order[low:high], verdict, position[row], stored)
    accepted: Ints = order[verdict[order] == Verdict.ACCEPTED]
    return accepted


def _walk(group: Group, places: Ints, verdict: Verdicts, position: np.void, stored: LookUp) -> None:
    """Judge one metric's samples one by one, some of which are not news."""
    times, values = group.timestamp[places].tolist(), group.value[places].tolist()
    newest = int(position["timestamp"])
    known = {newest: float(position["value"])}
    old = sorted({time for time in times if time < newest})
    if old:
        known |= stored(int(group.row[places[0]]), old)
    for place, time, value in zip(places.tolist(), times, values, strict=True):
        if time > newest:
            known[time] = value
            newest = time
        elif time not in known:
            verdict[place] = Verdict.LATE
        else:
            same = known[time] == value
            verdict[place] = Verdict.DUPLICATE if same else Verdict.CONFLICT
