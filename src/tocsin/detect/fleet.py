"""Fleet: very many metrics as rows of one array, one compiled kernel over all."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect import snapshot
from tocsin.detect.kernels import kernel_of
from tocsin.detect.kernels.counter import rates
from tocsin.detect.memory import Memory, Resident, reserved
from tocsin.detect.parallel import cores, in_parallel, parts_of
from tocsin.detect.result import RESULT, Readiness
from tocsin.detect.saved import open_rows, save_rows
from tocsin.detect.settings import Settings
from tocsin.errors import BadInputError, ConfigurationError
from tocsin.samples import civil_ns

__all__ = ["Fleet"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: The fewest samples that are worth a thread of their own: with a quick model, with a slow one.
_PART: Final = 2_048
_SLOW_PART: Final = 16
#: Fields of a state that say where the metric stands, and nothing of what it is like.
_STANDS: Final = ("alarm", "counter", "last_timestamp")
#: Parts per thread: whoever is done sooner takes more.
_PARTS: Final = 4


class Fleet:
    """Many metrics watched with one `Settings`; a metric is the number of its row.

    ``update`` is bit-identical to one `Detector` per metric, in any mix of metrics, as long as
    each metric's samples come in order. The caller sees to it that values are finite and times
    rise per metric (`Detector` and the engine do). A large batch is scored by several threads,
    a metric by one of them: the bits are the same.

    Growing copies nothing but what was there before the first growth: addresses for very many
    rows are reserved, and take memory when a row is written to. Under a `Memory` budget, states
    that were not used lately leave the process's memory, and come back when they are needed.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        metrics: int = 0,
        *,
        most: int | None = None,
        memory: Memory | None = None,
        threads: int | None = None,
    ) -> None:
        """``most``: how many metrics there will ever be, if that is known; ``memory``: a budget
        that this fleet shares with others; ``threads``: for large batches, default: all cores.
        """
        self._settings = settings or Settings()
        self._kernel = kernel_of(self._settings)
        self._rows: NDArray[np.void] = np.zeros(max(metrics, 1), dtype=self._kernel.row)
        self._count = metrics
        #: How many metrics there may be; None: nobody said.
        self.most = most
        #: How many threads score a large batch.
        self.threads = threads or cores()
        self._memory = memory
        self._resident: Resident | None = memory.watch(self) if memory else None

    def __len__(self) -> int:
        return self._count

    @property
    def settings(self) -> Settings:
        """What every metric of this fleet is watched with."""
        return self._settings

    @property
    def row_bytes(self) -> int:
        """Bytes of state per metric: 7.8 KiB; 18.7 KiB with the ``gaussian`` likelihood."""
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
        """Make room for new metrics and return their row numbers. Cost: O(count)."""
        first, self._count = self._count, self._count + count
        if self._count > len(self._rows):
            self.move_to(reserved(self._kernel.row, self._count, self.most), first)
        return np.arange(first, self._count)

    def move_to(self, rows: NDArray[np.void], count: int | None = None) -> None:
        """Keep the states in this memory from now on: larger, or mapped from a file.

        ``rows`` has `row_type`, room for all metrics, and is zero. Cost: copies all states.
        """
        kept = len(self) if count is None else count
        rows[:kept] = self._rows[:kept]
        self._rows = rows

    def clear(self, metric: int) -> None:
        """Make a metric as new: it has learnt nothing."""
        self._use(metric)
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

        ``raw``: finite, >= 0; at most 1 with the ``gaussian`` likelihood (the caller sees to it);
        of what is `watched`, so that it is ignored where that is not known.
        """
        scored = np.zeros(len(value), dtype=RESULT)
        scored["raw_score"] = raw
        return self._run(metric, timestamp, value, scored)

    def _run(
        self, metric: Ints, timestamp: Ints, value: Floats, scored: NDArray[np.void]
    ) -> NDArray[np.void]:
        self._check(metric, timestamp, value)
        if self._memory is not None and self._resident is not None:
            self._memory.use(self._resident, np.unique(metric))
        parts = min(_PARTS * self.threads, len(value) // self._least)
        if self.threads == 1 or parts < 2:
            self._score(metric, timestamp, value, scored)
            return scored
        return self._run_parts(parts, metric, timestamp, value, scored)

    @property
    def _least(self) -> int:
        return _SLOW_PART if self._kernel.slow else _PART

    def _run_parts(
        self, parts: int, metric: Ints, timestamp: Ints, value: Floats, scored: NDArray[np.void]
    ) -> NDArray[np.void]:
        """By several threads, each metric's samples by one."""
        if (metric[1:] < metric[:-1]).any():
            order = np.argsort(metric, kind="stable")
            ordered, found = (np.zeros(len(scored), dtype=RESULT) for _ in range(2))
            ordered["raw_score"] = scored["raw_score"][order]
            self._run_parts(parts, metric[order], timestamp[order], value[order], ordered)
            # As bytes: field by field, what lies between the fields would be anything.
            _bytes_of(found)[order] = _bytes_of(ordered)
            return found

        def work(part: slice) -> None:
            self._score(metric[part], timestamp[part], value[part], scored[part])

        in_parallel(work, parts_of(metric, parts), self.threads)
        return scored

    def _score(
        self, metric: Ints, timestamp: Ints, value: Floats, scored: NDArray[np.void]
    ) -> None:
        civil = civil_ns(timestamp, self._settings.timezone)
        wanted = self._settings.wanted
        self._kernel.score(self._rows, metric, timestamp, civil, value, wanted, scored)

    def _use(self, metric: int) -> None:
        if self._memory is not None and self._resident is not None:
            self._memory.use(self._resident, np.array([metric]))

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
        # A counter's first sample is not counted: there was no rate to learn.
        return int(row["last_timestamp"]) if row["seen"] or row["counter"]["known"] else None

    def watched(self, metric: int, timestamp: Ints, value: Floats) -> Floats:
        """What would be watched of one metric's next samples: their values, or a counter's rates.

        Not-a-number where there is no rate yet; nothing is learnt.
        """
        if self._settings.kind == "gauge":
            return value
        return rates(self._rows[metric], timestamp, value)

    def take(self, metrics: Ints) -> NDArray[Any]:
        """A copy of these metrics' states, for `put` (roll-back of a batch)."""
        return self._rows[metrics].copy()

    def put(self, metrics: Ints, states: NDArray[Any]) -> None:
        """Set these metrics' states to what `take` returned."""
        self._rows[metrics] = states

    def copy(self, metric: int, to: int) -> None:
        """Make the state of a row that of another row too."""
        self._use(metric)
        self._use(to)
        self._rows[to] = self._rows[metric]

    def forget_since(self, metric: int, kept: int) -> None:
        """Make a metric's state what row ``kept`` holds, but for what says where it stands.

        The alarm, the time of the last sample and the last count stay: its event goes on, and
        no silence, or growth of a counter, is seen where there was none.
        """
        self._use(metric)
        self._use(kept)
        stands = {name: self._rows[name][metric].copy() for name in _STANDS}
        self._rows[metric] = self._rows[kept]
        for name, told in stands.items():
            self._rows[name][metric] = told

    def pass_over(self, metric: Ints, timestamp: Ints, value: Floats) -> None:
        """Note for each metric the last of its samples that are neither scored nor learnt.

        ``metric``: each once. So the next one is after no silence, and a counter has not grown
        meanwhile; nothing else changes, and nothing at all for one that has seen no sample.
        """
        if self._memory is not None and self._resident is not None:
            self._memory.use(self._resident, metric)
        counter = self._rows["counter"]
        known = counter["known"][metric] != 0
        stands = known | (self._rows["seen"][metric] > 0)
        self._rows["last_timestamp"][metric[stands]] = timestamp[stands]
        counter["count"][metric[known]] = value[known]

    def to_bytes(self, metric: int) -> bytes:
        """One metric's whole state, versioned and checksummed."""
        self._use(metric)
        return snapshot.pack(self._rows[metric : metric + 1], self._settings)

    def load(self, metric: int, data: bytes) -> None:
        """Set one metric's state from `to_bytes`.

        Errors: `StateError`, also when it was made with other settings, which it names.
        """
        rows = snapshot.unpack(data, expected=self._settings)[0]
        self._use(metric)
        self._rows[metric : metric + 1] = rows

    @classmethod
    def from_bytes(cls, data: bytes) -> Fleet:
        """A fleet of the one metric whose `to_bytes` this is. Errors: `StateError`."""
        rows, settings = snapshot.unpack(data)
        fleet = cls(settings, 1)
        fleet._rows[:1] = rows
        return fleet

    def save(self, path: Path | str) -> None:
        """Write all states to a file, whole or not at all; see `open`.

        Errors: `OutputError`. Cost: O(bytes); no copy in memory.
        """
        save_rows(Path(path), self._rows[: self._count], self._settings)

    @classmethod
    def open(cls, path: Path | str, *, check: bool = True, **options: Any) -> Fleet:
        """The fleet that `save` wrote; it goes on exactly where that one was.

        The file is mapped: a state is read when it is first used, and what is learnt from then on
        does not change the file, which must stay as it is. ``check``: compare all checksums
        first, which reads the whole file. ``options``: as when a fleet is made.
        Errors: `StateError` when the file is damaged, foreign, or of another version.
        """
        rows, settings = open_rows(Path(path), check=check)
        fleet = cls(settings, **options)
        fleet._count, fleet._rows = len(rows), rows if len(rows) else fleet._rows
        return fleet


def _bytes_of(rows: NDArray[np.void]) -> NDArray[np.uint8]:
    return rows.view(np.uint8).reshape(len(rows), rows.itemsize)
