"""What looks new and is no anomaly: a detector should keep as quiet as it is without it.

Every series comes with its twin: the same noise, and nothing happens. Noise alone has its false
alarms, within the budget; what counts here is how many more there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.injected.backgrounds import (
    DAY_NS,
    INTERVAL_NS,
    JOB_AT,
    JOB_ROWS,
    START_NS,
    Background,
    jobs,
)
from tocsin.bench.injected.kinds import GRACE
from tocsin.bench.streams import DAY
from tocsin.samples import civil_ns

__all__ = ["HARMLESS", "Watched", "on_real"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_DST_ZONE: Final = "Europe/Berlin"
#: Midnights (UTC) of the Mondays 2024-03-04 and 2024-09-30: the clocks go forward on the fourth
#: Sunday after the one, 2024-03-31, and back on that after the other, 2024-10-27.
_BEFORE_DST_NS: Final = (1_709_510_400 * 1_000_000_000, 1_727_654_400 * 1_000_000_000)
_DST_DAY: Final = 27


@dataclass(frozen=True, slots=True)
class Watched:
    """A series, its twin, and the rows in which no alarm is due: where it happens."""

    background: Background
    twin: Background
    rows: Bools


def _pair(values: Floats, without: Floats, rows: Bools, start: int = START_NS) -> Watched:
    times = start + np.arange(len(values)) * INTERVAL_NS
    series = Background("", "made", times, values, DAY)
    return Watched(series, replace(series, values=without), rows)


def _drift(rng: np.random.Generator) -> Watched:
    """From the second week on one standard deviation a week, up or down, for three weeks."""
    rows = 28 * DAY
    season = rng.uniform(0.0, 5.0) * np.sin(2 * np.pi * np.arange(rows) / DAY)
    ramp = np.clip(np.arange(rows) / DAY - 7, 0, None) / 7 * rng.choice([-1.0, 1.0])
    values = 100 + season + rng.normal(size=rows)
    spread = 1.4826 * np.median(np.abs(values - np.median(values)))
    return _pair(values + spread * ramp, values, np.arange(rows) >= 7 * DAY)


def _office(hour: Floats, rise: float) -> Floats:
    return np.clip((hour - 8) / rise, 0, 1) * np.clip((18 - hour) / rise, 0, 1)


def _clock_change(rng: np.random.Generator) -> Watched:
    """Office hours in civil time, in the week after the clocks go forward or back."""
    rows = (_DST_DAY + 8) * DAY
    start = int(rng.choice(_BEFORE_DST_NS))
    times = start + np.arange(rows) * INTERVAL_NS
    rise, noise = rng.uniform(0.3, 1.5), rng.normal(size=rows)

    def values(civil: Ints) -> Floats:
        return np.asarray(10 + 40 * _office(civil % DAY_NS / (DAY_NS / 24), rise) + noise)

    after = np.arange(rows) >= _DST_DAY * DAY
    civil = civil_ns(times, _DST_ZONE)
    unchanged = times + (civil[0] - times[0])
    found = _pair(values(civil), values(unchanged), after, start)
    return replace(found, background=replace(found.background, timezone=_DST_ZONE))


def _weekends(rng: np.random.Generator) -> Watched:
    """The third, fourth and fifth weekends of an office, and the Mondays."""
    weeks = 5
    rows = weeks * 7 * DAY + DAY
    day = np.arange(rows) // DAY % 7
    busy = 1.5 + np.sin(2 * np.pi * np.arange(rows) / DAY)
    noise, rest = rng.normal(size=rows), rng.uniform(1.0, 5.0)
    values = np.where(day < 5, 10.0, rest) * busy + noise
    off = (np.arange(rows) >= 2 * 7 * DAY) & ((day >= 5) | (day == 0))
    return _pair(values, 10.0 * busy + noise, off)


def _batch_job(rng: np.random.Generator) -> Watched:
    """A daily job that starts after ten quiet days, from its fourth run on, for eight days."""
    seed = rng.integers(1 << 32)
    values = jobs(np.random.default_rng(seed), 21 * DAY, first_day=10)
    without = jobs(np.random.default_rng(seed), 21 * DAY, first_day=21)
    row = np.arange(21 * DAY)
    return _pair(values, without, (row >= 13 * DAY) & _near_job(row % DAY - JOB_AT, JOB_ROWS))


def _near_job(since: Ints, length: int) -> Bools:
    """Rows of a job, given the rows since it began, and just after it."""
    return (since >= 0) & (since < length + GRACE)


#: Name -> maker of a series in which it happens.
HARMLESS: Final[dict[str, Callable[[np.random.Generator], Watched]]] = {
    "slow drift": _drift,
    "clock change": _clock_change,
    "weekends after two": _weekends,
    "batch job after three": _batch_job,
}

#: On real backgrounds: from this share of the rows on.
_FROM: Final = 0.4
#: Days of a new job: three runs to learn it, the others are watched.
_RUNS: Final = 6
#: Its height in sigma, and its length as a share of a day.
_HEIGHT: Final = 10.0
_JOB_SHARE: Final = 1.0 / 28.0


def on_real(background: Background) -> Iterator[tuple[str, Watched]]:
    """What can be put into a real background: its name, and the series with its twin."""
    values, day = background.values, background.day
    after = np.arange(len(values)) - int(_FROM * len(values))
    weeks = np.clip(after, 0, None) / (7 * day)
    drifting = background.with_values(values + background.sigma * weeks)
    yield "slow drift", Watched(drifting, background, after >= 0)
    if after[-1] >= _RUNS * day:
        length = max(1, int(_JOB_SHARE * day))
        busy = (after >= 0) & (after % day < length)
        running = background.with_values(values + _HEIGHT * background.sigma * busy)
        due = (after >= 3 * day) & _near_job(after % day, length)
        yield "batch job after three", Watched(running, background, due)
