"""Fleet: very many metrics as rows of one array, one compiled kernel over all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.detect import snapshot
from tocsin.detect.kernels import kernel_of
from tocsin.detect.result import RESULT, Readiness
from tocsin.detect.settings import Settings
from tocsin.errors import BadInputError
from tocsin.samples import civil_ns

__all__ = ["Fleet"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_SMALLEST = 16


class Fleet:
    """Many metrics watched with one `Settings`; a metric is the number of its row.

    ``update`` is bit-identical to one `Detector` per metric, in any mix of metrics, as long as
    each metric's samples come in order. The caller sees to it that values are finite and times
    rise per metric (`Detector` and the engine do).
    """

    def __init__(self, settings: Settings | None = None, metrics: int = 0) -> None:
        self._settings = settings or Settings()
        self._kernel = kernel_of(self._settings.likelihood)
        self._rows: NDArray[np.void] = np.zeros(max(metrics, 1), dtype=self._kernel.row)
        self._count = 0
        if metrics:
            self.add(metrics)

    def __len__(self) -> int:
        return self._count

    @property
    def settings(self) -> Settings:
        """What every metric of this fleet is watched with."""
        return self._settings

    @property
    def row_bytes(self) -> int:
        """Bytes of state per metric: 6.3 KiB; 17.2 KiB with the ``gaussian`` likelihood."""
        return self._kernel.row.itemsize

    def add(self, count: int = 1) -> Ints:
        """Make room for new metrics and return their row numbers."""
        first, self._count = self._count, self._count + count
        if self._count > len(self._rows):
            size = max(self._count, 2 * len(self._rows), _SMALLEST)
            grown: NDArray[np.void] = np.zeros(size, dtype=self._kernel.row)
            grown[:first] = self._rows[:first]
            self._rows = grown
        return np.arange(first, self._count)

    def update(self, metric: Ints, timestamp: Ints, value: Floats) -> NDArray[np.void]:
        """Score samples in the order given, then learn each; returns rows of `RESULT`.

        Errors: `BadInputError` for columns of different lengths or a row number that is not
        there; nothing is learnt then. Cost: O(samples); fixed state per metric.
        """
        self._check(metric, timestamp, value)
        scored = np.zeros(len(value), dtype=RESULT)
        civil = civil_ns(timestamp, self._settings.timezone)
        self._kernel.score(
            self._rows,
            metric,
            timestamp,
            civil,
            value,
            self._settings.false_alarms_per_week,
            scored,
        )
        return scored

    def _check(self, metric: Ints, timestamp: Ints, value: Floats) -> None:
        # The kernel does not look: a wrong row would be somebody else's memory.
        if not len(metric) == len(timestamp) == len(value):
            raise BadInputError(
                "metrics, times and values must be columns of equal length: "
                f"{len(metric)}, {len(timestamp)}, {len(value)}"
            )
        if len(metric) and not 0 <= metric.min() <= metric.max() < self._count:
            raise BadInputError(
                f"rows {metric.min()} to {metric.max()}: this fleet has rows 0 to {self._count - 1}"
            )

    def readiness(self, metric: int) -> Readiness:
        """How many samples this metric has seen of how many that a likelihood needs."""
        return Readiness(int(self._rows[metric]["seen"]), self._kernel.needed)

    def seen(self, metric: int) -> int:
        """How many samples this metric has learnt."""
        return int(self._rows[metric]["seen"])

    def last_timestamp(self, metric: int) -> int | None:
        """Time of this metric's newest sample (ns, UTC), or None before the first."""
        row = self._rows[metric]
        return int(row["last_timestamp"]) if row["seen"] else None

    def take(self, metrics: Ints) -> NDArray[Any]:
        """A copy of these metrics' states, for `put` (roll-back of a batch)."""
        return self._rows[metrics].copy()

    def put(self, metrics: Ints, states: NDArray[Any]) -> None:
        """Set these metrics' states to what `take` returned."""
        self._rows[metrics] = states

    def to_bytes(self, metric: int) -> bytes:
        """One metric's whole state, versioned and checksummed."""
        return snapshot.pack(self._rows[metric : metric + 1], self._settings)

    def load(self, metric: int, data: bytes) -> None:
        """Set one metric's state from `to_bytes`.

        Errors: `StateError`, also when it was made with other settings, which it names.
        """
        self._rows[metric : metric + 1] = snapshot.unpack(data, expected=self._settings)[0]

    @classmethod
    def from_bytes(cls, data: bytes) -> Fleet:
        """A fleet of the one metric whose `to_bytes` this is. Errors: `StateError`."""
        rows, settings = snapshot.unpack(data)
        fleet = cls(settings, 1)
        fleet._rows[:1] = rows
        return fleet
