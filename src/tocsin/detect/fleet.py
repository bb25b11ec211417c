"""Fleet: very many metrics as rows of one array, one compiled kernel over all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.detect import snapshot
from tocsin.detect.kernels import kernel_of
from tocsin.detect.result import RESULT, Readiness
from tocsin.detect.settings import Settings
from tocsin.errors import BadInputError, ConfigurationError
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
        self._kernel = kernel_of(self._settings)
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
        """Bytes of state per metric: 7.9 KiB; 18.8 KiB with the ``gaussian`` likelihood."""
        return self._kernel.row.itemsize

    @property
    def slow(self) -> bool:
        """Whether its model is too slow to be waited for where samples arrive."""
        return self._kernel.slow

    @property
    def row_type(self) -> np.dtype[np.void]:
        """The layout of one metric's state."""
        return self._kernel.row

    def add(self, count: int = 1) -> Ints:
        """Make room for new metrics and return their row numbers."""
        first, self._count = self._count, self._count + count
        if self._count > len(self._rows):
            size = max(self._count, 2 * len(self._rows), _SMALLEST)
            self.move_to(np.zeros(size, dtype=self._kernel.row), first)
        return np.arange(first, self._count)

    def reserve(self, metrics: int) -> None:
        """Have room for so many metrics: adding them copies nothing then."""
        if metrics > len(self._rows):
            self.move_to(np.zeros(metrics, dtype=self._kernel.row))

    def move_to(self, rows: NDArray[np.void], count: int | None = None) -> None:
        """Keep the states in this memory from now on: larger, or mapped from a file.

        ``rows`` has `row_type`, room for all metrics, and is zero. Cost: copies all states.
        """
        kept = len(self) if count is None else count
        rows[:kept] = self._rows[:kept]
        self._rows = rows

    def clear(self, metric: int) -> None:
        """Make a metric as new: it has learnt nothing."""
        self._rows[metric : metric + 1] = np.zeros(1, dtype=self._kernel.row)

    def update(self, metric: Ints, timestamp: Ints, value: Floats) -> NDArray[np.void]:
        """Score samples in the order given, then learn each; returns rows of `RESULT`.

        Errors: `BadInputError` for columns of different lengths or a row number that is not
        there; nothing is learnt then. Cost: O(samples); fixed state per metric.
        """
        if self._settings.foreign:
            raise ConfigurationError(
                f"model = {self._settings.model!r}: a fleet only has models of its own; "
                "give its raw scores to judge, or use fleet_of"
            )
        return self._run(metric, timestamp, value, np.zeros(len(value), dtype=RESULT))

    def judge(self, metric: Ints, timestamp: Ints, value: Floats, raw: Floats) -> NDArray[np.void]:
        """As `update`, where the raw scores of a foreign model are given: likelihood and alarm.

        ``raw``: finite, >= 0; at most 1 with the ``gaussian`` likelihood (the caller sees to it).
        """
        scored = np.zeros(len(value), dtype=RESULT)
        scored["raw_score"] = raw
        return self._run(metric, timestamp, value, scored)

    def _run(
        self, metric: Ints, timestamp: Ints, value: Floats, scored: NDArray[np.void]
    ) -> NDArray[np.void]:
        self._check(metric, timestamp, value)
        civil = civil_ns(timestamp, self._settings.timezone)
        self._kernel.score(
            self._rows,
            metric,
            timestamp,
            civil,
            value,
            self._settings.wanted,
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

    def in_event(self, metric: int) -> bool:
        """Whether an event of this metric is open."""
        return bool(self._rows[metric]["alarm"]["open"] > 0)

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
