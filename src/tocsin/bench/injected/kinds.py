"""Kinds of anomaly, each put into a background at a row and in a size.

An anomaly is *usual* where the background does the like by itself: nobody should find a spike of
six sigma where one value in a hundred lies twice as far out, or that a metric is stuck which often
stands still.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.injected.backgrounds import Background

__all__ = ["GRACE", "KINDS", "Injected", "Kind"]

Floats = NDArray[np.float64]

#: Rows after the last anomalous one in which an alarm still counts.
GRACE: Final = 5
#: A value is usual if more than this share of the background's lies near it ...
_RARE: Final = 1.0 / 4000.0
#: ... within this share of the anomaly's size.
_NEAR: Final = 0.25
#: A deviation is usual, too, if more than this share of the background's values deviates so many
#: times as much: sigma says nothing about how such a metric spreads.
_FAR_SHARE: Final = 0.01
_FAR_TIMES: Final = 2.0
#: A stand or a gap is usual if the background has by itself one of more than this share of it.
_OWN_SHARE: Final = 1.0 / 3.0


@dataclass(frozen=True, slots=True)
class Injected:
    """A background with one anomaly: an alarm from row ``first`` to ``last`` finds it."""

    background: Background
    first: int
    last: int
    #: Whether the background does the like by itself.
    usual: bool = False


#: Background, row, size -> the same with the anomaly; None: it cannot have one like that there.
PutInto = Callable[[Background, int, float], Injected | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of anomaly, and the sizes in which it is tried."""

    name: str
    unit: str
    sizes: tuple[float, ...]
    put: PutInto


def _is_usual(levels: Floats, target: float, away: float) -> bool:
    """Whether a background's values, or levels, come near ``target`` or go much further away."""
    near = np.mean(np.abs(levels - target) <= _NEAR * abs(away))
    far = np.mean(np.abs(levels - np.median(levels)) >= _FAR_TIMES * abs(away))
    return bool(near > _RARE or far > _FAR_SHARE)


def _side(background: Background, row: int, largest: float) -> float:
    """Up at even rows, down at odd ones where that leads nowhere below what is possible."""
    down = row % 2 and background.around[row] - largest >= background.lowest
    return -1.0 if down else 1.0


def _lasting(change: Callable[[Background, int, float], Floats], days: float, rows: int) -> PutInto:
    """A change that lasts, to be found within so many days and rows, or the third that is left."""

    def put(background: Background, row: int, size: float) -> Injected | None:
        longest = rows + int(days * background.day)
        last = min(row + longest, len(background.values)) - 1
        if 3 * (last - row + 1) < longest:
            return None
        return Injected(background.with_values(change(background, row, size)), row, last)

    return put


def _spike(background: Background, row: int, size: float) -> Injected | None:
    """One value lies ``size`` sigma from the level around it."""
    away = size * background.sigma
    target = float(background.around[row]) + away
    if row + GRACE >= len(background.values) or target < background.lowest:
        return None
    values = background.values.copy()
    values[row] = target
    usual = _is_usual(background.values, target, away)
    return Injected(background.with_values(values), row, row + GRACE, usual)


def _dip(background: Background, row: int, size: float) -> Injected | None:
    return _spike(background, row, -size)


def _shift(background: Background, row: int, size: float) -> Injected | None:
    """All values from the row on are ``size`` sigma higher or lower."""
    last = row + _SOON - 1
    if last >= len(background.values):
        return None
    away = size * background.sigma
    away *= _side(background, row, away)
    values = background.values.copy()
    values[row:] += away
    target = float(np.median(background.values[row : last + 1])) + away
    usual = _is_usual(background.lasting, target, away)
    return Injected(background.with_values(values), row, last, usual)


def _trend(background: Background, row: int, size: float) -> Floats:
    """The values rise or fall by ``size`` sigma a day from the row on."""
    slope = size * background.sigma / background.day
    slope *= _side(background, row, slope * _LATER * background.day)
    values = background.values.copy()
    values[row:] += slope * np.arange(len(values) - row)
    return values


def _noise(background: Background, row: int, size: float) -> Floats:
    """Deviations from the level around are ``size`` times as large from the row on."""
    values, level = background.values, background.around
    return np.where(np.arange(len(values)) < row, values, level + size * (values - level))


def _flat(background: Background, row: int, size: float) -> Injected | None:
    """The value before is repeated ``size`` times; to be told while it is."""
    last = row + int(size) - 1
    if last >= len(background.values):
        return None
    values = background.values.copy()
    values[row : last + 1] = values[row - 1]
    usual = background.longest_stand > _OWN_SHARE * size
    return Injected(background.with_values(values), row, last, usual)


def _silence(background: Background, row: int, size: float) -> Injected | None:
    """No samples for ``size`` intervals; can only be told from the first sample after it."""
    kept = np.ones(len(background.values), dtype=bool)
    kept[row : row + int(size)] = False
    if row + int(size) + GRACE >= len(kept):
        return None
    shorter = replace(
        background,
        timestamps=background.timestamps[kept],
        values=background.values[kept],
    )
    usual = background.longest_gap > _OWN_SHARE * size
    return Injected(shorter, row, row + GRACE, usual)


def _missing_job(background: Background, row: int, size: float) -> Injected | None:
    """The next jobs, ``size`` of them, do not run: what was just before each goes on."""
    length = background.job_rows
    starts = [one for one in background.jobs if one >= row][: int(size)]
    if len(starts) < size or starts[-1] + length + GRACE >= len(background.values):
        return None
    values = background.values.copy()
    for start in starts:
        values[start : start + length] = values[start - length : start]
    last = starts[-1] + length - 1 + GRACE
    return Injected(background.with_values(values), starts[0], last)


def _season_of(background: Background) -> Floats:
    """The mean of every time of day, repeated."""
    days = len(background.values) // background.day
    whole = background.values[: days * background.day].reshape(days, background.day)
    return np.resize(whole.mean(axis=0), len(background.values))


def _season_break(background: Background, row: int, size: float) -> Injected | None:
    """The season is gone for ``size`` days: its mean stands in for it."""
    last = row + int(size * background.day) - 1
    if not background.seasonal or last + GRACE >= len(background.values):
        return None
    season = _season_of(background)
    values = background.values.copy()
    values[row : last + 1] += season.mean() - season[row : last + 1]
    return Injected(background.with_values(values), row, last + GRACE)


def _frequency(background: Background, row: int, size: float) -> Injected | None:
    """The season runs ``size`` times as fast from the row on, without a jump there."""
    return _lasting(_faster, _LATER, 0)(background, row, size) if background.seasonal else None


def _faster(background: Background, row: int, size: float) -> Floats:
    season = _season_of(background)
    after = np.arange(len(season) - row)
    values = background.values.copy()
    faster = season[(row + (size * after).astype(np.int64)) % background.day]
    values[row:] += faster - season[row:]
    return values


#: Rows within which a sudden change that lasts is to be found ...
_SOON: Final = 50
#: ... and days for one that shows by and by.
_LATER: Final = 3

KINDS: Final = (
    Kind("spike", "sigma", (4, 6, 10, 20), _spike),
    Kind("dip", "sigma", (4, 6, 10, 20), _dip),
    Kind("level shift", "sigma", (2, 4, 8), _shift),
    Kind("trend change", "sigma/day", (2, 4, 8), _lasting(_trend, _LATER, 0)),
    Kind("variance up", "times", (2, 4, 8), _lasting(_noise, 0, _SOON)),
    Kind("variance down", "times", (0.25, 0.0625), _lasting(_noise, _LATER, 0)),
    Kind("flat line", "rows", (20, 60, 200), _flat),
    Kind("silence", "intervals", (12, 72, 288), _silence),
    Kind("missing job", "jobs", (1, 3), _missing_job),
    Kind("season break", "days", (1, 2), _season_break),
    Kind("frequency change", "times", (2, 4), _frequency),
)
