"""Courses thinned for drawing: bins in time that keep extremes, and gaps where there was silence.

A *piece* is a run of consecutive samples of one metric, summed up; one sample is a piece, and
pieces that follow each other make one piece, whatever the order in which they are put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLUMNS", "Pieces", "as_numbers", "drawn", "joined"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: What is drawn, in the order in which it is told.
COLUMNS: Final = ("t", "min", "max", "expected", "lower", "upper", "score")
#: A silence so many times as long as usual is a gap.
_GAP: Final = 10.0
_SECOND_NS: Final = 1e9


@dataclass(frozen=True, slots=True)
class Pieces:
    """Pieces of a course in order of time, as columns; not-a-number: not known."""

    #: Times of the first and the last sample (ns), and how many samples there are.
    first: Ints
    last: Ints
    count: Ints
    #: The lowest and the highest value.
    low: Floats
    high: Floats
    #: What was expected: the sum, over so many samples of which it is known.
    expected: Floats
    known: Ints
    #: The outermost edges of the band, and the highest anomaly score.
    lower: Floats
    upper: Floats
    score: Floats

    @classmethod
    def of(
        cls,
        timestamp: Ints,
        value: Floats,
        expected: Floats,
        lower: Floats,
        upper: Floats,
        score: Floats,
    ) -> Self:
        """Each sample as one piece."""
        known = (~np.isnan(expected)).astype(np.int64)
        count = np.ones(len(timestamp), dtype=np.int64)
        sums = np.nan_to_num(expected, nan=0.0)
        return cls(timestamp, timestamp, count, value, value, sums, known, lower, upper, score)

    @classmethod
    def of_columns(cls, columns: Sequence[Any]) -> Self:
        """From columns in the order of these fields, of any kind; None: not known."""
        given = columns or [()] * len(fields(cls))
        whole = ("first", "last", "count", "known")
        kinds = [np.int64 if field.name in whole else np.float64 for field in fields(cls)]
        made: list[Any] = [np.array(c, dtype=k) for c, k in zip(given, kinds, strict=True)]
        return cls(*made)

    @classmethod
    def empty(cls) -> Self:
        """None at all."""
        none = np.empty(0)
        return cls.of(np.empty(0, dtype=np.int64), none, none, none, none, none)

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, which: Any, /) -> Pieces:
        return Pieces(*(getattr(self, field.name)[which] for field in fields(self)))

    def merged(self, starts: Ints) -> Pieces:
        """Put together what lies from each of these places (rising, the first 0) to the next."""
        if not len(self):
            return self
        ends = np.append(starts[1:], len(self)) - 1
        return Pieces(
            self.first[starts],
            self.last[ends],
            np.add.reduceat(self.count, starts),
            np.fmin.reduceat(self.low, starts),
            np.fmax.reduceat(self.high, starts),
            np.add.reduceat(self.expected, starts),
            np.add.reduceat(self.known, starts),
            np.fmin.reduceat(self.lower, starts),
            np.fmax.reduceat(self.upper, starts),
            np.fmax.reduceat(self.score, starts),
        )


def joined(parts: Sequence[Pieces]) -> Pieces:
    """Pieces of one course that follow each other."""
    if not parts:
        return Pieces.empty()
    names = [field.name for field in fields(Pieces)]
    return Pieces(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def drawn(pieces: Pieces, start: int, end: int, points: int) -> dict[str, list[float | None]]:
    """The columns of `COLUMNS` for a drawing from ``start`` to ``end`` (ns), ``points`` wide.

    Times are seconds since 1970. Up to ``points`` pieces stay as they are; more are put together
    in bins of time of equal width. Where a silence is far longer than usual, and wide enough to be
    seen, a row of nulls lies between. At most twice ``points`` rows. Cost: O(pieces).
    """
    width = max(1, (end - start) // points)
    usual = _usual(pieces)
    if len(pieces) > points:
        bins = np.minimum((pieces.first - start) // width, points - 1)
        pieces = pieces.merged(np.flatnonzero(np.diff(bins, prepend=bins[0] - 1)))
    silence = pieces.first[1:] - pieces.last[:-1]
    gaps = np.flatnonzero(silence > max(_GAP * usual, float(width))) + 1
    with np.errstate(invalid="ignore"):
        expected = np.where(pieces.known > 0, pieces.expected / np.maximum(pieces.known, 1), np.nan)
    times = pieces.first + (pieces.last - pieces.first) // 2
    between = pieces.last[gaps - 1] + silence[gaps - 1] // 2
    told = {"t": np.insert(times, gaps, between) / _SECOND_NS}
    columns = (pieces.low, pieces.high, expected, pieces.lower, pieces.upper, pieces.score)
    for name, column in zip(COLUMNS[1:], columns, strict=True):
        told[name] = np.insert(column, gaps, np.nan)
    return {name: as_numbers(column) for name, column in told.items()}


def as_numbers(column: Floats) -> list[float | None]:
    """The same as a list, with None for what is not known."""
    told: list[float | None] = column.tolist()
    for place in np.flatnonzero(np.isnan(column)).tolist():
        told[place] = None
    return told


def _usual(pieces: Pieces) -> float:
    """The usual time from a sample to the next (ns)."""
    if len(pieces) < 2:
        return 0.0
    return float(np.median(np.diff(pieces.first) / pieces.count[:-1]))
