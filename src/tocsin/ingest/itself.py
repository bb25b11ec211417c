"""Tocsin's own figures as metrics that it watches: ``tocsin.*`` (docs/self.md).

What keeps samples from being stored keeps these away, too, and is told by ``/healthz``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import numpy as np
import psutil
import structlog
from numpy.typing import NDArray

from tocsin.engine.engine import Engine
from tocsin.ingest.host import Rates
from tocsin.ingest.looking import Reading, look
from tocsin.samples import Metric

__all__ = ["PROTOCOL", "Itself", "Stuck", "watch"]

PROTOCOL: Final = "self"

_log: Final = structlog.get_logger("tocsin.itself")

#: More figures, of what is above the engine.
More = Callable[[], Iterable[Reading]]


class Stuck:
    """For how long stored samples have waited without their metric getting on."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._scored = np.zeros(0, dtype=np.int64)
        self._since = np.zeros(0)

    def longest(self, seq: NDArray[np.int64], scored: NDArray[np.int64]) -> float:
        """Seconds, of the metric that has waited longest; columns of the registry. O(metrics)."""
        now, count = self._monotonic(), len(seq) - len(self._since)
        self._scored = np.concatenate([self._scored, np.full(count, -1, dtype=np.int64)])
        self._since = np.concatenate([self._since, np.full(count, now)])
        waits = scored < seq
        moved = (scored != self._scored) | ~waits
        self._since[moved], self._scored = now, scored.copy()
        return float(now - self._since[waits].min()) if waits.any() else 0.0


class Itself:
    """Reads the figures; every call of `read` is one look."""

    def __init__(self, engine: Engine, more: More = lambda: ()) -> None:
        self._engine = engine
        self._more = more
        self._rates = Rates()
        self._stuck = Stuck()
        self._commits = (0, 0.0)
        self._process = psutil.Process()

    def read(self) -> list[Reading]:
        """All figures that can be read now; rates only from the second look on."""
        found: list[Reading] = []
        for part in (self._waiting, self._passing, self._metrics, self._machine, self._more):
            try:
                found += part()
            except Exception as error:  # one that fails leaves the others
                _log.debug("unreadable", reason=str(error))
        return found

    def _waiting(self) -> Iterator[Reading]:
        position = self._engine.registry.position
        scored = position["scored_seq"].copy()  # first: what is stored meanwhile only adds
        seq = np.maximum(position["seq"], scored)
        counts = (position["learns"] | position["waits"]) & (scored < seq)
        lag = np.where(counts, seq - scored, 0)
        yield Metric.of("tocsin.queue.samples"), float(len(self._engine.queue))
        yield Metric.of("tocsin.unscored.samples"), float(lag.sum())
        yield Metric.of("tocsin.unscored.most"), float(lag.max(initial=0))
        yield (
            Metric.of("tocsin.unscored.age_s"),
            self._stuck.longest(np.where(counts, seq, scored), scored),
        )

    def _passing(self) -> Iterator[Reading]:
        told, at = self._engine.telemetry, time.monotonic()
        counts = {
            "accepted": told.total_accepted,
            "scored": told.total_scored,
            "refused": told.total_refused,
            "events": told.total_events,
        }
        for name, count in counts.items():
            metric = Metric.of(f"tocsin.{name}.per_s")
            rate = self._rates.per_second(metric, count, at)
            if rate is not None:
                yield metric, rate
        (before, spent), now = self._commits, (told.total_commits, told.total_commit_s)
        self._commits = now
        if now[0] > before > 0:
            yield Metric.of("tocsin.commit.mean_s"), (now[1] - spent) / (now[0] - before)

    def _metrics(self) -> Iterator[Reading]:
        by_status = self._engine.by_status()
        yield Metric.of("tocsin.metrics.all"), sum(by_status.values())
        yield Metric.of("tocsin.metrics.error"), by_status.get("error", 0.0)

    def _machine(self) -> Iterator[Reading]:
        yield Metric.of("tocsin.memory.bytes"), float(self._process.memory_info().rss)
        metric, spent = Metric.of("tocsin.cpu.seconds_per_s"), self._process.cpu_times()
        rate = self._rates.per_second(metric, spent.user + spent.system, time.monotonic())
        if rate is not None:
            yield metric, rate


async def watch(engine: Engine, more: More, interval_s: float) -> None:
    """Look every ``interval_s`` seconds, on round times, until cancelled."""
    await look(engine, Itself(engine, more).read, PROTOCOL, interval_s)
