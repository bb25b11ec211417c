"""Judge detectors on injected anomalies: the share found, how late, and false alarms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.injected.backgrounds import Background
from tocsin.bench.injected.harmless import HARMLESS
from tocsin.bench.injected.kinds import KINDS, Kind
from tocsin.bench.judges import Judge
from tocsin.errors import ConfigurationError

__all__ = ["Cell", "Quiet", "Still", "run_harmless", "run_kinds", "run_quiet"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Progress = Callable[[str], None]

#: An anomaly is put in where this share of its background lies before it.
_EARLIEST: Final = 0.7
_LATEST: Final = 0.8
#: Rows at the start in which everything is new: alarms there are not counted.
_SETTLING: Final = 1000
_WEEK_NS: Final = 7 * 86_400 * 1_000_000_000


@dataclass(slots=True)
class Cell:
    """One judge on one kind and size, on the backgrounds of one origin."""

    judge: str
    kind: str
    unit: str
    size: float
    origin: str
    tried: int = 0
    #: Rows from the anomaly's first row to the first alarm, of those found.
    delays: list[int] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Share of the anomalies found."""
        return len(self.delays) / self.tried if self.tried else 0.0

    @property
    def median_delay(self) -> float | None:
        """Median delay in rows."""
        return float(np.median(self.delays)) if self.delays else None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "share": self.share, "median_delay": self.median_delay}


@dataclass(frozen=True, slots=True)
class Quiet:
    """False alarms of one judge on the backgrounds of one origin, as they are."""

    judge: str
    origin: str
    series: int
    alarms: int
    weeks: float

    @property
    def per_week(self) -> float:
        """False alarms per series and week."""
        return self.alarms / self.weeks if self.weeks else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "per_week": self.per_week}


@dataclass(frozen=True, slots=True)
class Still:
    """Alarms of one judge where something happens that is no anomaly."""

    judge: str
    kind: str
    series: int
    alarms: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def _alarms(judge: Judge, background: Background) -> Bools:
    judged = judge.run(background.timestamps, background.values, background.timezone)
    if judged.alarms is None:
        raise ConfigurationError(f"{judge.name} has no threshold of its own: nothing to judge")
    return judged.alarms


def run_kinds(
    judge: Judge,
    backgrounds: Sequence[Background],
    kinds: Sequence[Kind] = KINDS,
    progress: Progress = lambda _: None,
) -> list[Cell]:
    """Put every kind and size into every background that can have it, once each.

    An alarm that the background raises at the same time without the anomaly finds nothing.
    Cost: kinds x sizes x backgrounds x the judge's.
    """
    cells: dict[tuple[str, float, str], Cell] = {}
    for number, background in enumerate(backgrounds):
        progress(f"{judge.name}: {background.name}")
        alone = background.timestamps[_alarms(judge, background)]
        rng = np.random.default_rng([number, len(background.values)])
        row = int(rng.uniform(_EARLIEST, _LATEST) * len(background.values))
        for kind in kinds:
            if not kind.fits(background):
                continue
            for size in kind.sizes:
                key = (kind.name, size, background.origin)
                blank = Cell(judge.name, kind.name, kind.unit, size, background.origin)
                cell = cells.setdefault(key, blank)
                cell.tried += 1
                cell.delays += _delay(judge, background, kind, row, size, alone)
    return list(cells.values())


def _delay(
    judge: Judge, background: Background, kind: Kind, row: int, size: float, alone: Ints
) -> list[int]:
    """Rows until the anomaly was told; empty: it was not."""
    put = kind.put(background, row, size)
    seen = slice(0, put.last + 1)
    series = put.background
    judged = judge.run(series.timestamps[seen], series.values[seen], series.timezone)
    assert judged.alarms is not None
    told = np.flatnonzero(judged.alarms)
    told = told[(told >= put.first) & ~np.isin(series.timestamps[told], alone)]
    return [int(told[0]) - put.first] if len(told) else []


def run_quiet(judge: Judge, backgrounds: Sequence[Background]) -> Iterator[Quiet]:
    """False alarms on the backgrounds themselves, after they have settled; a line per origin."""
    for origin in dict.fromkeys(one.origin for one in backgrounds):
        mine = [one for one in backgrounds if one.origin == origin]
        alarms, weeks = 0, 0.0
        for one in mine:
            alarms += int(np.count_nonzero(_alarms(judge, one)[_SETTLING:]))
            weeks += float(one.timestamps[-1] - one.timestamps[_SETTLING]) / _WEEK_NS
        yield Quiet(judge.name, origin, len(mine), alarms, weeks)


def run_harmless(judge: Judge, series: int, progress: Progress = lambda _: None) -> Iterator[Still]:
    """Count alarms in so many series of each harmless kind."""
    for kind, make in HARMLESS.items():
        progress(f"{judge.name}: {kind}")
        alarms = 0
        for seed in range(series):
            watched = make(np.random.default_rng([seed, len(kind)]))
            told = _alarms(judge, watched.background)
            alarms += int(np.count_nonzero(told[watched.first : watched.last + 1]))
        yield Still(judge.name, kind, series, alarms)
