"""Quiet backgrounds to put anomalies into: made, or unlabelled stretches of real series."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.labelled.corpus import load_data_sets
from tocsin.bench.labelled.ranking import runs
from tocsin.bench.nab.corpus import load_corpus
from tocsin.bench.streams import DAY, autoregressive

__all__ = ["Background", "from_labelled", "from_nab", "jobs", "quiet_stretch", "synthetic"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DAY_NS: Final = 86_400 * 1_000_000_000
INTERVAL_NS: Final = DAY_NS // DAY
#: Midnight (UTC) of Monday 2024-01-01.
START_NS: Final = 1_704_067_200 * 1_000_000_000
#: Made backgrounds last so long.
_DAYS: Final = 24
#: Shorter quiet stretches of real series are not used, and longer ones are cut.
_SHORTEST: Final = 600
_LONGEST: Final = 8000
#: A real background must take at least so many values: a stuck metric has no spread to measure.
_FEWEST_VALUES: Final = 10
#: It follows the time of day if its first half's profile explains so much of its second half.
_EXPLAINED: Final = 0.4
_FEWEST_DAYS: Final = 6
#: Rows whose median is the level around a row.
_AROUND: Final = 13
#: Rows whose median is a level that lasts.
_LASTING: Final = 50


@dataclass(frozen=True)
class Background:
    """A series in which nothing is wrong: times (ns, UTC), values, rows to a day."""

    name: str
    #: ``made`` or ``real``.
    origin: str
    timestamps: Ints
    values: Floats
    day: int
    timezone: str = "UTC"
    #: First rows of the jobs that it runs again and again, and their length; empty: it has none.
    jobs: tuple[int, ...] = ()
    job_rows: int = 0
    #: Whether it follows the time of day.
    seasonal: bool = False

    @cached_property
    def sigma(self) -> float:
        """Robust standard deviation of the values: 1.4826 times the median absolute deviation.

        Of what is not the most frequent value, where half of the values are the same.
        """
        away = np.abs(self.values - np.median(self.values))
        return float(1.4826 * np.median(away if np.median(away) > 0 else away[away > 0]))

    @cached_property
    def around(self) -> Floats:
        """The level around every row: the median of 13 rows."""
        return _running_median(self.values, _AROUND)

    @cached_property
    def lasting(self) -> Floats:
        """The level that lasts around every row: the median of 50 rows."""
        return _running_median(self.values, _LASTING)

    @cached_property
    def longest_stand(self) -> int:
        """Most rows in a row with the same value."""
        return _longest(np.diff(self.values) == 0) + 1

    @cached_property
    def longest_gap(self) -> float:
        """Longest time between two samples, in median intervals."""
        steps = np.diff(self.timestamps)
        return float(steps.max() / np.median(steps))

    @cached_property
    def counts(self) -> bool:
        """Whether all values are whole numbers."""
        return bool(np.all(self.values == np.round(self.values)))

    @cached_property
    def lowest(self) -> float:
        """What no value may fall below: 0 where none does, else minus infinity."""
        return 0.0 if self.values.min() >= 0.0 else -np.inf

    def with_values(self, values: Floats) -> Background:
        """The same times with other values: whole and not negative where all of its own are."""
        whole = np.round(values) if self.counts else values
        return replace(self, values=np.maximum(whole, self.lowest))


def _running_median(values: Floats, rows: int) -> Floats:
    padded = np.pad(values, (rows // 2, (rows - 1) // 2), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, rows)
    return np.asarray(np.median(windows, axis=1))


def _longest(marked: Bools) -> int:
    spans = runs(marked)
    return int((spans[:, 1] - spans[:, 0]).max() + 1) if len(spans) else 0


def _hour(rows: int) -> Floats:
    return np.asarray(2 * np.pi * np.arange(rows) / DAY)


def _work_week(rng: np.random.Generator, rows: int) -> Floats:
    day = np.arange(rows) // DAY % 7
    return np.asarray(
        np.where(day < 5, 10.0, 4.0) * (1.5 + np.sin(_hour(rows))) + rng.normal(size=rows)
    )


#: Rows after midnight at which the daily job runs, and its length in rows.
JOB_AT: Final = 100
JOB_ROWS: Final = 10
#: The same for the hourly one, in rows after the hour.
_HOURLY_AT: Final = 4
_HOURLY_ROWS: Final = 2
_HOUR: Final = DAY // 24


def jobs(rng: np.random.Generator, rows: int, first_day: int = 0) -> Floats:
    """A noisy level with a job of `JOB_ROWS` rows every day from ``first_day`` on."""
    row = np.arange(rows)
    at = row % DAY - JOB_AT
    busy = (at >= 0) & (at < JOB_ROWS) & (row >= first_day * DAY)
    return np.asarray(20.0 + 60.0 * busy + 2.0 * rng.normal(size=rows))


def _hourly(rng: np.random.Generator, rows: int) -> Floats:
    at = np.arange(rows) % _HOUR - _HOURLY_AT
    busy = (at >= 0) & (at < _HOURLY_ROWS)
    return np.asarray(20.0 + 60.0 * busy + 2.0 * rng.normal(size=rows))


#: Name -> maker, and whether it follows the time of day.
_MADE: Final[dict[str, tuple[Callable[[np.random.Generator, int], Floats], bool]]] = {
    "white": (lambda rng, n: 100.0 + rng.normal(size=n), False),
    "AR(1) 0.9": (lambda rng, n: autoregressive(rng, n, 0.9), False),
    "log-normal": (lambda rng, n: rng.lognormal(0.0, 0.5, n), False),
    "counts": (lambda rng, n: rng.poisson(20.0, n).astype(np.float64), False),
    "daily season": (lambda rng, n: 10 + 5 * np.sin(_hour(n)) + rng.normal(size=n), True),
    "smooth season": (lambda rng, n: 50 + 20 * np.sin(_hour(n)) + rng.normal(size=n), True),
    "work week": (_work_week, True),
    "daily job": (jobs, False),
    "hourly job": (_hourly, False),
}
#: Rows between two jobs, the first one's row, and its length.
_JOBS: Final = {
    "daily job": (DAY, JOB_AT, JOB_ROWS),
    "hourly job": (_HOUR, _HOURLY_AT, _HOURLY_ROWS),
}


def synthetic(seed: int) -> Iterator[Background]:
    """One background of each made kind, 24 days of five-minute samples from a Monday on."""
    rows = _DAYS * DAY
    times = START_NS + np.arange(rows) * INTERVAL_NS
    for number, (name, (make, seasonal)) in enumerate(_MADE.items()):
        values = make(np.random.default_rng([seed, number]), rows)
        every, first, length = _JOBS.get(name, (rows, rows, 0))
        starts = tuple(range(first, rows, every))
        yield Background(
            f"{name} {seed}", "made", times, values, DAY, "UTC", starts, length, seasonal
        )


def from_nab(folder: Path) -> Iterator[Background]:
    """The longest stretch outside the labelled windows of each real file of a NAB folder."""
    for file in load_corpus(folder).files:
        if file.name.startswith("artificial"):
            continue
        labels = np.zeros(len(file.values), dtype=bool)
        for first, last in file.windows:
            labels[first : last + 1] = True
        yield from quiet_stretch(file.name, file.timestamps, file.values, labels)


def from_labelled(folder: Path) -> Iterator[Background]:
    """The longest unlabelled stretch of each series of a folder of labelled data sets."""
    for data in load_data_sets(folder):
        for series in data.series:
            name = f"{data.name}/{series.name}"
            yield from quiet_stretch(name, series.timestamps, series.values, series.labels)


def quiet_stretch(name: str, times: Ints, values: Floats, labels: Bools) -> Iterator[Background]:
    """The longest stretch without a label, if it is long enough and takes enough values."""
    stretches = runs(~labels)
    first, last = stretches[np.argmax(stretches[:, 1] - stretches[:, 0])].tolist()
    kept = slice(max(first, last + 1 - _LONGEST), last + 1)
    # Times must rise: what was recorded twice when the clocks changed is left out.
    rising = np.append(True, np.diff(np.maximum.accumulate(times[kept])) > 0)
    times, values = times[kept][rising], values[kept][rising]
    if len(values) < _SHORTEST or len(np.unique(values)) < _FEWEST_VALUES:
        return
    day = max(1, round(DAY_NS / float(np.median(np.diff(times)))))
    yield Background(name, "real", times, values, day, seasonal=_follows_the_day(values, day))


def _follows_the_day(values: Floats, day: int) -> bool:
    """Whether the profile of the first days' values explains the later ones'."""
    days = len(values) // day
    if days < _FEWEST_DAYS or day < 2:
        return False
    known, later = np.split(values[: days * day].reshape(days, day), [days // 2])
    rest = later - np.median(known, axis=0)
    before = np.median(np.abs(later - np.median(later)))
    after = np.median(np.abs(rest - np.median(rest)))
    return bool(after < (1.0 - _EXPLAINED) * before)
