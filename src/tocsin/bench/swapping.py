"""Many heavy models within a small memory: how fast they are scored and brought back."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import psutil
from numpy.typing import NDArray

from tocsin.config import Config
from tocsin.engine.batch import Batch
from tocsin.engine.engine import Engine
from tocsin.engine.lanes import FleetLane
from tocsin.samples import SECOND_NS, Metric, Samples
from tocsin.store.database import claim

__all__ = ["Round", "run_swapping"]

_STEP_NS: Final = 300 * SECOND_NS
_REQUEST: Final = 5_000
_LOOK_S: Final = 0.02

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Round:
    """One sample for each metric, until all of them are scored."""

    number: int
    metrics: int
    seconds: float
    #: Bytes of all states, of those in memory, and of the process.
    states: int
    inside: int
    resident: int
    #: States that left memory, and that came back into it, during this round.
    released: int
    returned: int

    @property
    def per_second(self) -> float:
        """Samples scored and stored per second."""
        return self.metrics / self.seconds

    def as_dict(self) -> dict[str, Any]:
        """The figures by name."""
        return asdict(self)


def run_swapping(
    metrics: int, rounds: int, memory_mb: int, detect: dict[str, Any], tell: Tell
) -> Iterator[Round]:
    """Feed an engine on a new SQLite file, round by round; states are HTM's or as ``detect`` says.

    Every round touches every metric, so with states over the budget each comes back once: the
    worst case for a cache. Errors: `ConfigurationError`, `StoreError`.
    """
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        url = f"sqlite:///{Path(folder) / 'tocsin.db'}"
        config = msgspec.structs.replace(
            Config(), data=folder, memory_mb=memory_mb, detect=detect, max_metrics=2 * metrics
        )
        with claim(url) as database:
            engine = Engine(database, config)
            engine.start()
            try:
                yield from _rounds(engine, metrics, rounds, tell)
            finally:
                engine.stop()


def _rounds(engine: Engine, metrics: int, rounds: int, tell: Tell) -> Iterator[Round]:
    names = [Metric.of(f"host.{i}") for i in range(metrics)]
    values = np.random.default_rng(0).normal(size=(rounds, metrics))
    start = time.time_ns() - rounds * _STEP_NS
    for number in range(rounds):
        tell(f"round {number + 1} of {rounds}")
        released, returned = engine.memory.released, engine.memory.returned
        began = time.perf_counter()
        _send(engine, names, start + number * _STEP_NS, values[number])
        _wait(engine)
        yield Round(
            number + 1,
            metrics,
            time.perf_counter() - began,
            metrics * _row_bytes(engine),
            engine.memory.bytes,
            int(psutil.Process().memory_info().rss),
            engine.memory.released - released,
            engine.memory.returned - returned,
        )


def _send(engine: Engine, names: list[Metric], at: int, values: NDArray[np.float64]) -> None:
    receipts = []
    for first in range(0, len(names), _REQUEST):
        part = slice(first, first + _REQUEST)
        count = len(values[part])
        samples = Samples(np.arange(count), np.full(count, at), values[part])
        receipts.append(engine.submit(Batch(names[part], samples, "bench")))
    for receipt in receipts:
        receipt.result()


def _wait(engine: Engine) -> None:
    position = engine.registry.position
    while (position["scored_seq"] < position["seq"]).any():
        time.sleep(_LOOK_S)


def _row_bytes(engine: Engine) -> int:
    return max(lane.fleet.row_bytes for lane in engine.lanes if isinstance(lane, FleetLane))
