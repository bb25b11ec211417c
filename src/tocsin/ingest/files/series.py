"""Rows of a table as series: grouped, put in the order of time, each time once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from tocsin.ingest.files.civil import Moments, to_moments
from tocsin.ingest.files.numbers import Numbers
from tocsin.ingest.files.reading import Series
from tocsin.samples import Metric

__all__ = ["Builder", "Groups", "group_rows"]

Ints = NDArray[np.int64]

_GAP: Final = 1.5


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows by what the key columns say: ``of`` is each row's index into ``keys``.

    A key holds one text for every key column.
    """

    of: Ints
    keys: list[tuple[str, ...]]


def group_rows(columns: list[Any], rows: int) -> Groups:
    """Group rows by these columns; one group when there is none. Cost: O(n) a column."""
    of = np.zeros(rows, dtype=np.int64)
    keys: list[tuple[str, ...]] = [()]
    for column in columns:
        encoded = pc.dictionary_encode(column)
        texts = encoded.dictionary.to_pylist()
        mixed = of * len(texts) + encoded.indices.to_numpy().astype(np.int64)
        codes, of = np.unique(mixed, return_inverse=True)
        pairs = (divmod(int(code), len(texts)) for code in codes)
        keys = [(*keys[before], texts[here]) for before, here in pairs]
    return Groups(of.astype(np.int64), keys)


class Builder:
    """Makes the series of a file and keeps count of what was put right on the way."""

    def __init__(self, ns: Ints, rows: Ints, groups: Groups) -> None:
        """Take the times of all rows, the rows to use (rising), and their groups."""
        order = np.argsort(groups.of[rows], kind="stable") if len(groups.keys) > 1 else None
        self._rows = rows if order is None else rows[order]
        present, self._starts = np.unique(groups.of[self._rows], return_index=True)
        self._keys = [groups.keys[int(key)] for key in present]
        self._times = ns[self._rows]
        self.counts: Counter[str] = Counter()

    def use_zone(self, timezone: str) -> Moments:
        """Read the times as civil ones of this zone from now on."""
        moments = to_moments(self._times, timezone, self._starts)
        self._times = moments.ns
        return moments

    def series(
        self, columns: dict[str, Numbers], name: str | None, labels: list[str], stem: str
    ) -> Iterator[Series]:
        """The series of these value columns; those without any sample are left out.

        The key columns are the metric's name (when ``name`` is given) and then ``labels``.
        """
        bounds = np.append(self._starts, len(self._rows))
        for index, key in enumerate(self._keys):
            here = slice(bounds[index], bounds[index + 1])
            rows, times, was_sorted = self._in_order(self._rows[here], self._times[here])
            given = dict(zip(labels, key[1:] if name else key, strict=True))
            for column, numbers in columns.items():
                metric = Metric.of(
                    _name(key[0] if name else None, column, len(columns) > 1, stem),
                    {label: text for label, text in given.items() if text},
                )
                good = numbers.good[rows]
                if good.any():
                    values = numbers.values[rows][good]
                    yield self._finish(metric, times[good], values, was_sorted)

    def _in_order(self, rows: Ints, times: Ints) -> tuple[Ints, Ints, bool]:
        if not np.any(times[1:] < times[:-1]):
            return rows, times, True
        late = times < np.maximum.accumulate(times)
        self.counts["out of order"] += int(np.count_nonzero(late))
        order = np.argsort(times, kind="stable")
        return rows[order], times[order], False

    def _finish(
        self, metric: Metric, times: Ints, values: NDArray[np.float64], was_sorted: bool
    ) -> Series:
        first = np.append(True, times[1:] != times[:-1])
        again = np.flatnonzero(~first)
        kept = np.maximum.accumulate(np.where(first, np.arange(len(times)), 0))[again]
        duplicates = int(np.count_nonzero(values[again] == values[kept]))
        times, values = times[first], values[first]
        interval, gaps = _intervals(times)
        self.counts["duplicates"] += duplicates
        self.counts["conflicts"] += len(again) - duplicates
        self.counts["gaps"] += gaps
        return Series(
            metric, times, values, duplicates, len(again) - duplicates, gaps, interval, was_sorted
        )


def _name(text: str | None, column: str, wide: bool, stem: str) -> str:
    if text is None:
        return column if wide else stem
    return f"{text}.{column}" if wide else text


def _intervals(times: Ints) -> tuple[int, int]:
    """The median interval (ns) and how many intervals are gaps; zeros for a single sample."""
    if len(times) < 2:
        return 0, 0
    steps = np.diff(times)
    steps[steps < 0] = np.iinfo(np.int64).max  # times rise: more than 292 years overflow
    median = int(np.partition(steps, (len(steps) - 1) // 2)[(len(steps) - 1) // 2])
    return median, int(np.count_nonzero(steps > _GAP * median))
