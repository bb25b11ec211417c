"""Peers: how many metrics have a bond, counted as they come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from zlib import crc32

import numpy as np

from tocsin.alert.bonds import bonds_of
from tocsin.samples import Metric

__all__ = ["Peers"]

#: Counters; bonds that meet in one are taken for one, which makes incidents more careful. 4 MiB.
_CELLS: Final = 1 << 20


class Peers:
    """Counts of bonds over a list of metrics that grows. Memory: fixed."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        """``metrics``: the list itself, which others append to."""
        self._metrics = metrics
        self._counts = np.zeros(_CELLS, dtype=np.uint32)
        self._done = 0

    def look(self, most: int = 20_000) -> bool:
        """Count some that are new; whether there are more. Cost: some 5 µs each."""
        until = min(len(self._metrics), self._done + most)
        cells = [_cell(bond) for m in self._metrics[self._done : until] for bond in bonds_of(m)]
        np.add.at(self._counts, np.array(cells, dtype=np.int64), 1)
        self._done = until
        return until < len(self._metrics)

    def of(self, bonds: Iterable[str]) -> Mapping[str, int]:
        """How many metrics have each of these, at least one."""
        return {bond: max(1, int(self._counts[_cell(bond)])) for bond in bonds}


def _cell(bond: str) -> int:
    # why not hash(): it is another one in every process.
    return crc32(bond.encode("utf-8", "surrogatepass")) % _CELLS
