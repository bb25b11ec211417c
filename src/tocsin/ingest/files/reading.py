"""What was read of a file: series, notices, and what was refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tocsin.samples import Metric

__all__ = ["FileReading", "Refusal", "Series"]


@dataclass(slots=True)
class Series:
    """The samples of one metric, in the order of time.

    ``timestamps`` are nanoseconds since 1970 (UTC) and strictly rising, ``values`` finite.
    ``duplicates`` counts dropped samples with the time and value of another, ``conflicts`` those
    with its time and another value (the first was kept), ``gaps`` intervals longer than 1.5 times
    the median, which is ``interval_ns`` (0 for a single sample).
    """

    metric: Metric
    timestamps: NDArray[np.int64]
    values: NDArray[np.float64]
    duplicates: int
    conflicts: int
    gaps: int
    interval_ns: int
    was_sorted: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """A cell or row that was not taken.

    ``line`` counts from 1 as an editor shows it (Parquet: the row, from 1); ``column`` is empty
    when the whole row was refused.
    """

    line: int
    column: str
    text: str
    reason: str


@dataclass(slots=True)
class FileReading:
    """A file's series, how it was read, and what was odd about it.

    ``rows`` counts all rows of data, refused ones too. ``guess`` says in one sentence how columns,
    times and zone were understood. ``refusals`` holds the first 1000 in the order of lines;
    ``refused`` counts all of them by kind of reason (``empty``, ``not a number``, …).
    """

    path: Path
    rows: int
    series: list[Series]
    guess: str
    notices: list[str]
    refusals: list[Refusal]
    refused: dict[str, int]
