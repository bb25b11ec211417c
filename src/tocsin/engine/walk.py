"""One metric's samples one by one, where some of them may not be news."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heapify, heappop, heappush
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tocsin.engine.policy import Policy
from tocsin.engine.verdicts import Group, Verdict

__all__ = ["Known", "LookUp", "Sample", "judge", "walk"]

#: Looks values up that are stored at these (rising) times of a row; may find others beside them.
LookUp = Callable[[int, Sequence[int]], dict[int, float]]
#: Time and value.
Sample = tuple[int, float]


def _nothing(_row: int, _times: Sequence[int]) -> dict[int, float]:
    return {}


@dataclass(frozen=True, slots=True)
class Known:
    """Where to look for what was stored before: in order, and come too late."""

    stored: LookUp
    late: LookUp = _nothing


def judge(
    group: Group,
    places: NDArray[np.int64],
    verdict: NDArray[np.int8],
    position: NDArray[np.void],
    known: Known,
    policy: Policy,
    held: Mapping[int, float] = MappingProxyType({}),
) -> None:
    """Write the verdicts on one metric's samples, which stand at ``places`` in their order."""
    row = int(group.row[places[0]])
    samples = zip(group.timestamp[places].tolist(), group.value[places].tolist(), strict=True)
    last = int(position["timestamp"][row]), float(position["value"][row])
    stored = partial(known.stored, row)
    late = partial(known.late, row) if policy.store_late else None
    verdict[places] = list(walk(list(samples), last, held, policy.window, stored, late))


def walk(
    samples: Sequence[Sample],
    last: Sample,
    held: Mapping[int, float],
    window: int,
    stored: Callable[[Sequence[int]], dict[int, float]],
    late: Callable[[Sequence[int]], dict[int, float]] | None,
) -> Iterator[Verdict]:
    """Judge samples in order of arrival, each as if those before it had been taken already.

    ``last``: the last one taken; ``held``: those that wait; ``late``: None when samples that
    come too late are not kept. Cost: a microsecond a sample; look-ups only for those older than
    the last one.
    """
    old = sorted({time for time, _ in samples if time < last[0]})
    known = {last[0]: last[1], **held}
    kept: dict[int, float] = {}
    if old:
        known |= stored(old)
        kept = late(old) if late else {}
    passed, newest, waiting = last[0], max(held, default=last[0]), list(held)
    newest = max(newest, passed)
    heapify(waiting)
    for time, value in samples:
        if time in known:
            yield _again(known[time], value)
        elif time > passed:
            known[time] = value
            newest = max(newest, time)
            heappush(waiting, time)
            while waiting and waiting[0] <= newest - window:
                passed = heappop(waiting)
            yield Verdict.ACCEPTED
        elif late is None:
            yield Verdict.LATE
        elif time in kept:
            yield _again(kept[time], value)
        else:
            kept[time] = value
            yield Verdict.STORED_LATE


def _again(before: float, value: float) -> Verdict:
    return Verdict.DUPLICATE if before == value else Verdict.CONFLICT
