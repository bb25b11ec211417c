"""Judge detectors on injected anomalies: the share found, how late, and false alarms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tocsin.bench.branches import Tail, alarms_of
from tocsin.bench.injected.backgrounds import Background
from tocsin.bench.injected.harmless import HARMLESS, Watched, on_real
from tocsin.bench.injected.kinds import KINDS, Injected, Kind
from tocsin.bench.judges import Judge

__all__ = ["USUAL", "Cell", "Quiet", "Still", "run_harmless", "run_harmless_on", "run_kinds"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Progress = Callable[[str], None]

#: Anomalies are put in where this share of their background lies before them. Alarms of the
#: background itself count from the first of them on.
_EARLIEST: Final = 0.6
_LATEST: Final = 0.85
_WEEK_NS: Final = 7 * 86_400 * 1_000_000_000
#: The origin of the cells in which the background does the like by itself.
USUAL: Final = "usual"


@dataclass(slots=True)
class Cell:
    """One judge on one kind and size, on the backgrounds of one origin; or where it is usual."""

    judge: str
    kind: str
    unit: str
    size: float
    origin: str
    tried: int = 0
    #: Rows from the anomaly's first row to the first alarm, of those found.
    delays: list[int] = field(default_factory=list)
    #: The backgrounds in which it was not found, once for each time.
    missed: list[str] = field(default_factory=list)

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


@dataclass(slots=True)
class Quiet:
    """False alarms of one judge on the backgrounds of one origin, as they are."""

    judge: str
    origin: str
    series: int = 0
    alarms: int = 0
    weeks: float = 0.0

    @property
    def per_week(self) -> float:
        """False alarms per series and week."""
        return self.alarms / self.weeks if self.weeks else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "per_week": self.per_week}


@dataclass(slots=True)
class Still:
    """Alarms of one judge where something happens that is no anomaly, and where it does not."""

    judge: str
    kind: str
    origin: str
    series: int = 0
    alarms: int = 0
    #: Alarms in the same rows of the twins, in which nothing happens.
    without: int = 0

    def per_20(self, alarms: int) -> float:
        """So many alarms as alarms per 20 series."""
        return 20.0 * alarms / self.series if self.series else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        more = self.per_20(self.alarms - self.without)
        return {**asdict(self), "per_20": self.per_20(self.alarms), "more_per_20": more}


def run_kinds(
    judge: Judge,
    backgrounds: Sequence[Background],
    kinds: Sequence[Kind] = KINDS,
    places: int = 5,
    progress: Progress = lambda _: None,
) -> tuple[list[Cell], list[Quiet]]:
    """Put every kind and size into ``places`` rows of every background that can have it there.

    An alarm that the background raises at the same time without the anomaly finds nothing.
    Cost: as `alarms_of`, with kinds x sizes x places tails a background.
    """
    cells: dict[tuple[str, float, str], Cell] = {}
    quiet: dict[str, Quiet] = {}
    for number, background in enumerate(backgrounds, start=1):
        progress(f"{judge.name}: {background.name}, {number} of {len(backgrounds)}")
        trials = list(_trials(background, kinds, places))
        tails = [_tail(put) for _, _, put in trials]
        series = (background.timestamps, background.values, background.timezone)
        alone, told = alarms_of(judge, *series, tails)
        for (kind, size, put), alarms in zip(trials, told, strict=True):
            origin = USUAL if put.usual else background.origin
            blank = Cell(judge.name, kind.name, kind.unit, size, origin)
            cell = cells.setdefault((kind.name, size, origin), blank)
            _count(cell, put, alarms, background, alone)
        _count_quiet(
            quiet.setdefault(background.origin, Quiet(judge.name, background.origin)),
            background,
            alone,
        )
    return list(cells.values()), list(quiet.values())


def _trials(
    background: Background, kinds: Sequence[Kind], places: int
) -> Iterator[tuple[Kind, float, Injected]]:
    rng = np.random.default_rng([crc32(background.name.encode()), len(background.values)])
    shares = _EARLIEST + (_LATEST - _EARLIEST) * (np.arange(places) + rng.random(places)) / places
    for row in (shares * len(background.values)).astype(np.int64).tolist():
        for kind in kinds:
            for size in kind.sizes:
                put = kind.put(background, row, size)
                if put is not None:
                    yield kind, size, put


def _tail(put: Injected) -> Tail:
    rows = slice(put.first, put.last + 1)
    return Tail(put.first, put.background.timestamps[rows], put.background.values[rows])


def _count(cell: Cell, put: Injected, alarms: Bools, background: Background, alone: Bools) -> None:
    """Count one anomaly; ``alarms``: of its rows; ``alone``: of the background without it."""
    times = put.background.timestamps[put.first : put.last + 1]
    told = np.flatnonzero(alarms & ~np.isin(times, background.timestamps[alone]))
    cell.tried += 1
    if len(told):
        cell.delays.append(int(told[0]))
    else:
        cell.missed.append(background.name)


def _count_quiet(quiet: Quiet, background: Background, alone: Bools) -> None:
    first = int(_EARLIEST * len(alone))
    quiet.series += 1
    quiet.alarms += int(np.count_nonzero(alone[first:]))
    quiet.weeks += float(background.timestamps[-1] - background.timestamps[first]) / _WEEK_NS


def run_harmless(judge: Judge, series: int, progress: Progress = lambda _: None) -> Iterator[Still]:
    """Count alarms in so many made series of each harmless kind, and in their twins."""
    for kind, make in HARMLESS.items():
        progress(f"{judge.name}: {kind}")
        still = Still(judge.name, kind, "made")
        for seed in range(series):
            _watch(judge, make(np.random.default_rng([seed, len(kind)])), still)
        yield still


def run_harmless_on(
    judge: Judge, backgrounds: Sequence[Background], progress: Progress = lambda _: None
) -> list[Still]:
    """The same where it is put into real backgrounds."""
    found: dict[str, Still] = {}
    for background in backgrounds:
        if background.origin == "real":
            progress(f"{judge.name}: harmless in {background.name}")
            for kind, watched in on_real(background):
                blank = Still(judge.name, kind, background.origin)
                _watch(judge, watched, found.setdefault(kind, blank))
    return list(found.values())


def _watch(judge: Judge, watched: Watched, still: Still) -> None:
    still.series += 1
    still.alarms += _told(judge, watched.background, watched)
    still.without += _told(judge, watched.twin, watched)


def _told(judge: Judge, series: Background, watched: Watched) -> int:
    whole, _ = alarms_of(judge, series.timestamps, series.values, series.timezone, [])
    return int(np.count_nonzero(whole & watched.rows))
