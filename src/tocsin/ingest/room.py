"""Columns that a scan of bytes fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Room"]


_Ints = NDArray[np.int64]
_Columns = tuple[NDArray[np.uint64], _Ints, NDArray[Any], NDArray[np.float64], NDArray[Any], _Ints]


@dataclass(frozen=True, slots=True)
class Room:
    """A row a sample, as many as there may be. Memory is only taken where it is written to."""

    #: Of the bytes that stand for the metric.
    hashes: NDArray[np.uint64]
    #: From and to of what may be read later.
    spans: NDArray[np.int64]
    times: NDArray[Any]
    values: NDArray[np.float64]
    #: What is to be known of a sample beside, in the scan's own words.
    flags: NDArray[Any]
    #: Where it stood in what was sent.
    places: NDArray[np.int64]
    #: How far the scan is, in its own words.
    state: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        rows: int,
        *,
        spans: int,
        state: int,
        times: DTypeLike = np.int64,
        flags: DTypeLike = np.uint8,
    ) -> Room:
        """Room for so many samples, with ``spans`` and ``state`` numbers of those."""
        return cls(
            np.zeros((rows, 2), dtype=np.uint64),
            np.empty((rows, spans), dtype=np.int64),
            np.empty(rows, dtype=times),
            np.empty(rows, dtype=np.float64),
            np.empty(rows, dtype=flags),
            np.empty(rows, dtype=np.int64),
            np.zeros(state, dtype=np.int64),
        )

    @property
    def columns(self) -> _Columns:
        """All but ``state``, as scans take them."""
        return self.hashes, self.spans, self.times, self.values, self.flags, self.places
