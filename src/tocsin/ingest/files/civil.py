"""Times off a clock on the wall as moments: hours that are skipped, and hours that come twice."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.files.calendar import DAY_NS
from tocsin.samples import SECOND_NS, zone

__all__ = ["Moments", "to_moments"]

Ints = NDArray[np.int64]

_EPOCH: Final = dt.datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Moments:
    """Nanoseconds since 1970 (UTC); how many times came out of an hour that the clocks skipped,
    of one that they showed twice, and how many of these were put into its second pass.
    """

    ns: Ints
    skipped: int
    repeated: int
    second: int


def to_moments(civil: Ints, timezone: str, starts: Ints) -> Moments:
    """The moments of civil times; ``starts`` are the places where another series begins.

    Within a series the rows are in the order of the file: where times step back once within an
    hour that comes twice, the rows after the step belong to its second pass. All else is read
    with the offset before the change. Cost: O(n), and Python's zone rules only on days of change.
    """
    where = zone(timezone)
    if where is dt.UTC or not len(civil):
        return Moments(civil, 0, 0, 0)
    first, second = _offsets(civil, where)
    repeated = first > second
    late = np.zeros(len(civil), dtype=bool)
    if repeated.any():
        _find_second_passes(civil, first - second, starts, late)
    offset = np.where(late, second, first)
    return Moments(
        civil - offset,
        int(np.count_nonzero(first < second)),
        int(np.count_nonzero(repeated)),
        int(np.count_nonzero(late)),
    )


def _offsets(civil: Ints, where: dt.tzinfo) -> tuple[Ints, Ints]:
    """The zone's offsets (ns) of each time, on the first and on the second pass."""
    days, place = np.unique(civil // DAY_NS, return_inverse=True)
    table = np.array([_offsets_of_day(int(day), where) for day in days], dtype=np.int64)
    first = table[place]
    second = first.copy()
    odd = np.flatnonzero(first == _CHANGING)
    seconds, place = np.unique(civil[odd] // SECOND_NS, return_inverse=True)
    for fold, target in ((0, first), (1, second)):
        known = [_offset(int(each), where, fold) for each in seconds]
        target[odd] = np.array(known, dtype=np.int64)[place]
    return first, second


_CHANGING: Final = np.iinfo(np.int64).min


def _offsets_of_day(day: int, where: dt.tzinfo) -> int:
    """The offset (ns) of a whole day, or a mark when it changes on that day."""
    around = {
        _offset(second, where, fold)
        for second in (day * 86_400, (day + 1) * 86_400)
        for fold in (0, 1)
    }
    return around.pop() if len(around) == 1 else _CHANGING


def _offset(second: int, where: dt.tzinfo, fold: int) -> int:
    moment = (_EPOCH + dt.timedelta(seconds=second)).replace(tzinfo=where, fold=fold)
    return int((where.utcoffset(moment) or dt.timedelta()).total_seconds()) * SECOND_NS


def _find_second_passes(civil: Ints, shift: Ints, starts: Ints, late: NDArray[np.bool_]) -> None:
    """Mark in ``late`` the rows that belong to the second pass of a repeated hour."""
    rows = np.flatnonzero(shift > 0)
    series = np.searchsorted(starts, rows, side="right")
    apart = (np.diff(rows) > 1) | (np.diff(series) > 0) | (abs(np.diff(civil[rows])) > DAY_NS // 2)
    bounds = np.append(starts, len(civil))
    for run in np.split(rows, np.flatnonzero(apart) + 1):
        which = int(np.searchsorted(starts, run[0], side="right")) - 1
        whole = civil[bounds[which] : bounds[which + 1]]
        if whole[-1] < whole[0]:
            run = run[::-1]
        back = _step_back(civil[run], int(shift[run[0]]), whole)
        if back is not None:
            late[run[back:]] = True


def _step_back(times: Ints, shift: int, whole: Ints) -> int | None:
    """The place of the one step back in a repeated hour; None when there is none, or several.

    A series of one sample an hour (or fewer) steps back by repeating the same time.
    """
    steps = np.diff(times)
    back = np.flatnonzero(steps < 0)
    if not len(back) and np.any(steps == 0):
        usual = float(np.median(np.abs(np.diff(whole))))
        if usual * 1.5 >= shift:
            back = np.flatnonzero(steps == 0)
    return int(back[0]) + 1 if len(back) == 1 else None
