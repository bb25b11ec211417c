"""Samples put aside, as columns: held for older ones, or come too late."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.engine.verdicts import Group, Verdict

__all__ = ["Arranged", "Aside"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Aside:
    """Columns of equal length, in any order; ``arrived`` is the wall clock's time (ns)."""

    row: Ints
    timestamp: Ints
    value: Floats
    arrived: Ints

    @classmethod
    def empty(cls) -> Aside:
        """None."""
        none = np.empty(0, dtype=np.int64)
        return cls(none, none, np.empty(0), none)

    @classmethod
    def restored(cls, rows: Sequence[Mapping[Any, Any]], row_of_id: Callable[[int], int]) -> Aside:
        """Of rows of the table `held`; ``row_of_id``: a metric's row, below 0 when it is gone."""
        told = [(row_of_id(r["metric"]), r["timestamp"], r["value"], r["arrived"]) for r in rows]
        kept = [columns for columns in told if columns[0] >= 0]
        if not kept:
            return cls.empty()
        row, timestamp, value, arrived = zip(*kept, strict=True)
        return cls(_ints(row), _ints(timestamp), np.array(value, dtype=np.float64), _ints(arrived))

    @classmethod
    def late(cls, group: Group, verdict: NDArray[np.int8], now: int) -> Aside:
        """The samples of a group that are kept though they come too late."""
        which = np.flatnonzero(verdict == Verdict.STORED_LATE)
        arrived = np.full(len(which), now, dtype=np.int64)
        return cls(group.row[which], group.timestamp[which], group.value[which], arrived)

    def __len__(self) -> int:
        return len(self.row)

    def where(self, which: Mask | Ints) -> Aside:
        """Those of them."""
        return Aside(*(getattr(self, field.name)[which] for field in fields(self)))

    def and_(self, other: Aside) -> Aside:
        """These and the others."""
        if not len(other):
            return self
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Aside(*(np.concatenate(pair) for pair in pairs))

    def without(self, row: int) -> Aside:
        """All but one metric's."""
        return self.where(self.row != row)

    def overdue(self, now: int, patience: int) -> Mask:
        """Which of them arrived ``patience`` ns ago, or as long after ``now``.

        The latter is so when the clock was set back: nothing may wait for it to come round again.
        """
        which: Mask = np.abs(now - self.arrived) >= patience
        return which

    def wait(self, now: int, patience: int) -> int | None:
        """In how many ns the first is overdue (0: now); None when there are none."""
        if not len(self):
            return None
        return max(0, patience - int(np.abs(now - self.arrived).max()))

    def rows(self, ids: Ints) -> list[Mapping[str, Any]]:
        """Rows of the tables `held` and `late`; ``ids``: each metric row's id."""
        return _dicts(
            ("metric", "timestamp", "value", "arrived"),
            (ids[self.row], self.timestamp, self.value, self.arrived),
        )

    def keys(self, ids: Ints) -> list[Mapping[str, Any]]:
        """``metric`` and ``timestamp`` of each, which name its row in those tables."""
        return _dicts(("metric", "timestamp"), (ids[self.row], self.timestamp))


@dataclass(frozen=True, slots=True)
class Arranged:
    """What a group leads to: samples to score and store now, and what is put aside."""

    #: To be taken now: metric by metric, times rising, all after the metric's last one.
    row: Ints
    timestamp: Ints
    value: Floats
    #: All that is held from here on; those that are held since now; those held no longer.
    held: Aside
    added: Aside
    dropped: Aside
    #: To be kept in the table `late`.
    late: Aside

    def __len__(self) -> int:
        return len(self.row)

    @property
    def rows(self) -> Ints:
        """The metrics that anything is to be written of, rising: they must be stored too."""
        return np.unique(np.concatenate([self.row, self.added.row, self.late.row]))


def _ints(numbers: Sequence[int]) -> Ints:
    return np.array(numbers, dtype=np.int64)


def _dicts(names: tuple[str, ...], columns: tuple[NDArray[Any], ...]) -> list[Mapping[str, Any]]:
    lists = [column.tolist() for column in columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]
