"""What looks new and is no anomaly: a detector should keep quiet in the stretch that is watched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.injected.backgrounds import DAY_NS, INTERVAL_NS, START_NS, Background, jobs
from tocsin.bench.streams import DAY
from tocsin.samples import civil_ns

__all__ = ["HARMLESS", "Watched"]

Floats = NDArray[np.float64]

_DST_ZONE: Final = "Europe/Berlin"
#: Midnight (UTC) of Monday 2024-03-04: the clocks go forward on the fourth Sunday, 2024-03-31.
_BEFORE_DST_NS: Final = 1_709_510_400 * 1_000_000_000
_DST_DAY: Final = 27


@dataclass(frozen=True, slots=True)
class Watched:
    """A series, and the rows (first, last) in which no alarm is due."""

    background: Background
    first: int
    last: int


def _series(values: Floats, start: int = START_NS, timezone: str = "UTC") -> Background:
    times = start + np.arange(len(values)) * INTERVAL_NS
    return Background("", "made", times, values, DAY, timezone)


def _drift(rng: np.random.Generator) -> Watched:
    """From the second week on one standard deviation a week, up or down."""
    rows = 28 * DAY
    season = rng.uniform(0.0, 5.0) * np.sin(2 * np.pi * np.arange(rows) / DAY)
    ramp = np.clip(np.arange(rows) / DAY - 7, 0, None) / 7 * rng.choice([-1.0, 1.0])
    values = 100 + season + rng.normal(size=rows)
    spread = 1.4826 * np.median(np.abs(values - np.median(values)))
    return Watched(_series(values + spread * ramp), 7 * DAY, rows - 1)


def _clock_change(rng: np.random.Generator) -> Watched:
    """Office hours in civil time, in the week after the clocks go forward."""
    rows = (_DST_DAY + 8) * DAY
    times = _BEFORE_DST_NS + np.arange(rows) * INTERVAL_NS
    hour = civil_ns(times, _DST_ZONE) % DAY_NS / (DAY_NS / 24)
    rise = rng.uniform(0.3, 1.5)
    office = np.clip((hour - 8) / rise, 0, 1) * np.clip((18 - hour) / rise, 0, 1)
    values = 10 + 40 * office + rng.normal(size=rows)
    return Watched(_series(values, _BEFORE_DST_NS, _DST_ZONE), _DST_DAY * DAY, rows - 1)


def _weekend(rng: np.random.Generator) -> Watched:
    """The first day of the third and later weekends of an office."""
    weeks = 3
    rows = weeks * 7 * DAY
    day = np.arange(rows) // DAY % 7
    busy = 1.5 + np.sin(2 * np.pi * np.arange(rows) / DAY)
    values = np.where(day < 5, 10.0, rng.uniform(1.0, 5.0)) * busy + rng.normal(size=rows)
    saturday = (7 * (weeks - 1) + 5) * DAY
    return Watched(_series(values), saturday, saturday + DAY - 1)


def _batch_job(rng: np.random.Generator) -> Watched:
    """A daily job that starts after ten quiet days, from its fourth run on, for a week."""
    values = jobs(rng, 21 * DAY, first_day=10)
    return Watched(_series(values), 13 * DAY, 20 * DAY - 1)


#: Name -> maker of a series in which it happens.
HARMLESS: Final[dict[str, Callable[[np.random.Generator], Watched]]] = {
    "slow drift": _drift,
    "clock change": _clock_change,
    "third weekend": _weekend,
    "batch job after three": _batch_job,
}
