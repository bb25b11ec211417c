"""Scored rows of one metric, and where the last of them come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.detect.likelihood.limits import whole
from tocsin.errors import BadSampleError

__all__ = ["LARGEST_RAW_SCORE", "CountedRows", "MemoryRows", "Rows", "StoredRows"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Larger raw scores would overflow a sum of squares.
LARGEST_RAW_SCORE: Final = 1e100


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows with raw scores, in the order of their ids, as columns of one length.

    Errors of `check`: `BadSampleError` names the first row whose raw score is negative or not
    finite, whose value is not finite, or whose id does not rise; ``row`` is its position from 0.
    """

    #: Row ids: rising, gaps allowed.
    ids: Ints
    #: The metric's values, in its own unit.
    values: Floats
    #: The model's raw anomaly scores, from 0 to `LARGEST_RAW_SCORE`.
    raw_scores: Floats

    @classmethod
    def of(cls, ids: ArrayLike, values: ArrayLike, raw_scores: ArrayLike) -> Rows:
        """Rows from anything that NumPy takes, checked."""
        rows = cls(
            np.asarray(ids, dtype=np.int64),
            np.asarray(values, dtype=np.float64),
            np.asarray(raw_scores, dtype=np.float64),
        )
        rows.check()
        return rows

    def check(self) -> None:
        """Refuse what no statistics may learn from. Cost: O(rows)."""
        if not len(self.ids) == len(self.values) == len(self.raw_scores):
            lengths = f"{len(self.ids)}, {len(self.values)}, {len(self.raw_scores)}"
            raise BadSampleError(f"ids, values and raw scores differ in number: {lengths}")
        with np.errstate(invalid="ignore"):
            fine = (self.raw_scores >= 0.0) & (self.raw_scores <= LARGEST_RAW_SCORE)
        self._refuse(~fine, f"raw anomaly score {{raw}}: must be from 0 to {LARGEST_RAW_SCORE:g}")
        self._refuse(~np.isfinite(self.values), "value {value}: must be finite")
        self._refuse(np.diff(self.ids, prepend=self.ids[:1] - 1) <= 0, "its id does not rise")

    def _refuse(self, bad: NDArray[np.bool_], why: str) -> None:
        if not bad.any():
            return
        row = int(np.argmax(bad))
        reason = why.format(raw=self.raw_scores[row], value=self.values[row])
        raise BadSampleError(f"row {self.ids[row]} (position {row}): {reason}", row=row)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, part: slice) -> Rows:
        """A view of some of the rows."""
        return Rows(self.ids[part], self.values[part], self.raw_scores[part])

    def __add__(self, later: Rows) -> Rows:
        return Rows(
            np.concatenate((self.ids, later.ids)),
            np.concatenate((self.values, later.values)),
            np.concatenate((self.raw_scores, later.raw_scores)),
        )


class StoredRows(Protocol):
    """A metric's rows that have a raw score and were scored in earlier batches."""

    def count(self) -> int:
        """How many there are; at least as many as `tail` can give is enough."""

    def tail(self, rows: int) -> Rows:
        """The newest ``rows`` of them, or all if there are fewer; oldest first."""


def _none() -> Rows:
    return Rows.of([], [], [])


@dataclass(slots=True)
class MemoryRows:
    """The last rows of a metric, kept in memory so that no database row need be read.

    Fill it once from the store with `of`; then `append` every batch once it is committed.
    State: 24 bytes times up to twice ``capacity``. Cost: `tail` O(1), `append` O(batch)
    amortised.
    """

    #: Rows kept at least; as many as the largest sample of statistics.
    capacity: int
    _rows: Rows = field(default_factory=_none)
    _end: int = 0

    def __post_init__(self) -> None:
        whole("capacity", self.capacity, 1, 10_000_000)

    @classmethod
    def of(cls, stored: StoredRows, capacity: int) -> MemoryRows:
        """Begin with what is stored: reads at most ``capacity`` rows, once."""
        memory = cls(capacity)
        memory.append(stored.tail(capacity))
        return memory

    def count(self) -> int:
        """Rows held: all there were, or at least ``capacity``."""
        return self._end

    def tail(self, rows: int) -> Rows:
        """The newest ``rows``; a view that stays as it is when rows are appended."""
        return self._rows[max(self._end - rows, 0) : self._end]

    def append(self, later: Rows) -> None:
        """Take in the rows of a committed batch.

        Errors: `BadSampleError` if they do not come after those held; nothing is taken then.
        """
        if len(later) and self._end and later.ids[0] <= self._rows.ids[self._end - 1]:
            last = self._rows.ids[self._end - 1]
            raise BadSampleError(f"row {later.ids[0]} is not later than row {last}", row=0)
        newest = later[-self.capacity :]
        if self._end + len(newest) > len(self._rows):
            self._make_room(len(newest))
        room = self._rows[self._end : self._end + len(newest)]
        room.ids[:], room.values[:] = newest.ids, newest.values
        room.raw_scores[:] = newest.raw_scores
        self._end += len(newest)

    def _make_room(self, more: int) -> None:
        """Move the newest rows to the front of new columns: views given out stay as they are."""
        kept = self.tail(self.capacity)
        spare = max(len(kept), more)
        blank = np.zeros(spare)
        self._rows = kept + Rows(np.zeros(spare, dtype=np.int64), blank, blank)
        self._end = len(kept)


@dataclass(slots=True)
class CountedRows:
    """Stored rows with a tally of what is read from them."""

    stored: StoredRows
    #: Calls of `count` and of `tail`, and rows that `tail` gave.
    counts: int = 0
    tails: int = 0
    rows: int = 0

    def count(self) -> int:
        """As stored, counted."""
        self.counts += 1
        return self.stored.count()

    def tail(self, rows: int) -> Rows:
        """As stored, counted."""
        found = self.stored.tail(rows)
        self.tails += 1
        self.rows += len(found)
        return found
