"""Kinds of anomaly, each put into a background at a row and in a size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.injected.backgrounds import JOB_ROWS, Background

__all__ = ["KINDS", "Kind"]

Floats = NDArray[np.float64]

#: Rows of the running median around which noise grows or shrinks.
_AROUND: Final = 13
#: Rows after the last anomalous one in which an alarm still counts.
GRACE: Final = 5
#: A metric that stands still so long by itself (rows) cannot be told to be stuck ...
_LONGEST_STAND: Final = 10
#: ... and one with such gaps (intervals) cannot be told to be silent.
_LONGEST_GAP: Final = 6.0


@dataclass(frozen=True, slots=True)
class Injected:
    """A background with one anomaly: an alarm from row ``first`` to ``last`` finds it."""

    background: Background
    first: int
    last: int


PutInto = Callable[[Background, int, float], Injected]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of anomaly, and the sizes in which it is tried."""

    name: str
    unit: str
    sizes: tuple[float, ...]
    #: Background, row, size -> the same with the anomaly.
    put: PutInto
    #: Which backgrounds can have it.
    fits: Callable[[Background], bool] = lambda _: True


def _lasting(change: Callable[[Background, int, float], Floats], rows: int) -> PutInto:
    """A change that lasts, to be found within so many rows."""

    def put(background: Background, row: int, size: float) -> Injected:
        last = min(row + rows, len(background.values)) - 1
        return Injected(background.with_values(change(background, row, size)), row, last)

    return put


def _spike(background: Background, row: int, size: float) -> Injected:
    values = background.values.copy()
    values[row] += size * background.sigma
    return Injected(background.with_values(values), row, row + GRACE)


def _dip(background: Background, row: int, size: float) -> Injected:
    return _spike(background, row, -size)


def _shift(background: Background, row: int, size: float) -> Floats:
    values = background.values.copy()
    values[row:] += size * background.sigma
    return values


def _trend(background: Background, row: int, size: float) -> Floats:
    values = background.values.copy()
    values[row:] += size * background.sigma * np.arange(len(values) - row) / background.day
    return values


def _noise(background: Background, row: int, size: float) -> Floats:
    """Deviations from a running median grow ``size`` times from the row on."""
    values = background.values
    padded = np.pad(values, _AROUND // 2, mode="edge")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, _AROUND), axis=1)
    return np.where(np.arange(len(values)) < row, values, middle + size * (values - middle))


def _flat(background: Background, row: int, size: float) -> Injected:
    values = background.values.copy()
    last = row + int(size) - 1
    values[row : last + 1] = values[row - 1]
    return Injected(background.with_values(values), row, last + GRACE)


def _silence(background: Background, row: int, size: float) -> Injected:
    """No samples for ``size`` intervals; can only be told from the first sample after it."""
    kept = np.ones(len(background.values), dtype=bool)
    kept[row : row + int(size)] = False
    shorter = replace(
        background,
        timestamps=background.timestamps[kept],
        values=background.values[kept],
    )
    return Injected(shorter, row, row + GRACE)


def _missing_job(background: Background, row: int, size: float) -> Injected:
    """The next daily spikes, ``size`` of them, do not come."""
    values = background.values.copy()
    first = next(start for start in background.jobs if start >= row)
    last = first
    for start in [one for one in background.jobs if one >= row][: int(size)]:
        last = start + JOB_ROWS
        # What ran just before the spike goes on.
        values[start:last] = values[start - JOB_ROWS : start]
    return Injected(background.with_values(values), first, last + GRACE)


def _season_of(background: Background) -> Floats:
    """The mean of every time of day, repeated."""
    days = len(background.values) // background.day
    whole = background.values[: days * background.day].reshape(days, background.day)
    return np.resize(whole.mean(axis=0), len(background.values))


def _season_break(background: Background, row: int, size: float) -> Injected:
    """The season is gone for ``size`` days: its mean stands in for it."""
    season = _season_of(background)
    last = row + int(size * background.day) - 1
    values = background.values.copy()
    values[row : last + 1] += season.mean() - season[row : last + 1]
    return Injected(background.with_values(values), row, last + GRACE)


def _faster(background: Background, row: int, size: float) -> Floats:
    """The season runs ``size`` times as fast from the row on, without a jump there."""
    season = _season_of(background)
    after = np.arange(len(season) - row)
    values = background.values.copy()
    faster = season[(row + (size * after).astype(np.int64)) % background.day]
    values[row:] += faster - season[row:]
    return values


def _is_seasonal(background: Background) -> bool:
    return background.seasonal


def _moves(background: Background) -> bool:
    return background.longest_stand < _LONGEST_STAND


def _is_regular(background: Background) -> bool:
    return background.longest_gap < _LONGEST_GAP


def _has_jobs(background: Background) -> bool:
    return bool(background.jobs)


#: Rows within which a lasting change is to be found; a trend or a frequency has longer.
_SOON: Final = 50
_LATER: Final = 3 * 288

KINDS: Final = (
    Kind("spike", "sigma", (4, 6, 10, 20), _spike),
    Kind("dip", "sigma", (4, 6, 10, 20), _dip),
    Kind("level shift", "sigma", (2, 4, 8), _lasting(_shift, _SOON)),
    Kind("trend change", "sigma/day", (2, 4, 8), _lasting(_trend, _LATER)),
    Kind("variance up", "times", (2, 4, 8), _lasting(_noise, _SOON)),
    Kind("variance down", "times", (0.25, 0.0625), _lasting(_noise, _LATER)),
    Kind("flat line", "rows", (20, 60, 200), _flat, _moves),
    Kind("silence", "intervals", (12, 72, 288), _silence, _is_regular),
    Kind("missing job", "jobs", (1, 3), _missing_job, _has_jobs),
    Kind("season break", "days", (1, 2), _season_break, _is_seasonal),
    Kind("frequency change", "times", (2, 4), _lasting(_faster, _LATER), _is_seasonal),
)
