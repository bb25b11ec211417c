"""The engine: one thread that owns all states and does all writing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Final, TypeVar

import numpy as np
import structlog
from sqlalchemy import Engine as Database

from tocsin.config import Config
from tocsin.detect.fleet import Fleet
from tocsin.detect.result import Readiness
from tocsin.engine.batch import Batch, Receipt
from tocsin.engine.queue import Entry, Queue
from tocsin.engine.registry import Registry
from tocsin.engine.restore import restore
from tocsin.engine.scoring import Committed, Scoring
from tocsin.engine.snapshots import Snapshots
from tocsin.engine.telemetry import Telemetry
from tocsin.errors import StoreError, TocsinError
from tocsin.store.commits import Writer
from tocsin.store.queries import Reader
from tocsin.store.resume import Resume

__all__ = ["Engine", "Listener"]

_log: Final = structlog.get_logger("tocsin.engine")
T = TypeVar("T")

#: About how many samples one commit holds at most.
_GROUP: Final = 50_000

#: Told about every commit, in the engine's thread: must be quick.
Listener = Callable[[Committed], None]


class Engine:
    """Accepts batches, scores and stores them, then answers.

    ``submit`` may be called from any thread; a receipt means stored and scored.
    """

    def __init__(self, database: Database, config: Config) -> None:
        """Restore everything from the database. Errors: `StoreError`, `ConfigurationError`."""
        self.telemetry = Telemetry()
        self.listeners: list[Listener] = []
        self.registry = Registry(config.max_metrics)
        self._fleet = Fleet(config.settings)
        self._queue = Queue(config.queue_samples)
        writer, reader = Writer(database), Reader(database)
        _compile(config)
        events = restore(self._fleet, self.registry, Resume(database), writer)
        self._scoring = Scoring(
            self._fleet,
            self.registry,
            events,
            writer,
            self._look_up(reader),
            self.telemetry,
            max_future_s=config.max_future_s,
        )
        self._snapshots = Snapshots(
            self._fleet, self.registry, writer, self.telemetry, every_s=config.snapshot_s
        )
        self.telemetry.watch(lambda: len(self._queue), self._by_status)
        self._trouble: str | None = None
        self._saved = 0
        self._thread = threading.Thread(target=self._run, name="tocsin-engine", daemon=True)

    def start(self) -> None:
        """Begin to take batches."""
        self._thread.start()

    def submit(self, batch: Batch) -> Future[Receipt]:
        """Queue a batch; the future resolves after its commit.

        Errors: `QueueFullError`, `StoreError`; from the future: `StoreError`, and the sender
        should try again.
        """
        if not len(batch):
            empty: Future[Receipt] = Future()
            empty.set_result(Receipt(0, 0))
            return empty
        return self._queue.put(batch)

    def stop(self) -> int:
        """Store what waits, save all states, end the thread; says how many states were saved."""
        self._queue.close()
        self._thread.join()
        return self._saved

    @property
    def trouble(self) -> str | None:
        """Why samples cannot be stored at the moment; None when all is well."""
        if not self._thread.is_alive() and not self._queue.closed:
            return "the engine's thread has ended"
        return self._trouble

    def readiness(self, metric_id: int) -> Readiness:
        """How far a stored metric's warm-up is."""
        return self._fleet.readiness(self.registry.row_of_id(metric_id))

    def _look_up(self, reader: Reader) -> Callable[..., dict[int, float]]:
        def stored(row: int, times: list[int]) -> dict[int, float]:
            return reader.values_at(int(self.registry.position["id"][row]), times)

        return stored

    def _by_status(self) -> dict[str, float]:
        return dict(Counter(self.registry.status))

    def _run(self) -> None:
        while True:
            entries = self._queue.take(_GROUP, self._snapshots.seconds_left())
            if entries:
                self._process(entries)
            elif self._queue.closed:
                break
            self._guard(self._snapshots.work)
        self._saved = self._guard(self._snapshots.save_all) or 0

    def _process(self, entries: list[Entry]) -> None:
        # A sender that has gone away is owed no answer, but its samples are taken all the same.
        waiting = [entry for entry in entries if entry.receipt.set_running_or_notify_cancel()]
        try:
            receipts, committed = self._scoring.process([entry.batch for entry in entries])
        except Exception as error:
            self._fail(waiting, error)
            return
        self._trouble = None
        for entry, receipt in zip(entries, receipts, strict=True):
            self.telemetry.received(entry.batch.protocol, receipt)
            if entry.receipt.running():
                entry.receipt.set_result(receipt)
        if committed is not None:
            for listener in self.listeners:
                self._guard(partial(listener, committed))

    def _fail(self, waiting: list[Entry], error: Exception) -> None:
        """Memory is as before the group; every sender is told to try again."""
        self._trouble = str(error)
        self.telemetry.commit_failures.inc()
        _log.error("commit_failed", reason=str(error), exc_info=not isinstance(error, TocsinError))
        told = error if isinstance(error, StoreError) else StoreError(f"not stored: {error}")
        for entry in waiting:
            entry.receipt.set_exception(told)

    def _guard(self, work: Callable[[], T]) -> T | None:
        """Nothing beside the samples themselves may end the thread."""
        try:
            return work()
        except Exception as error:
            _log.error("engine_work_failed", reason=str(error), exc_info=True)
            return None


def _compile(config: Config) -> None:
    """Have the kernels ready, so that the first sample need not wait for them."""
    one = np.zeros(1, dtype=np.int64)
    Fleet(config.settings, 1).update(one, one + 1, np.zeros(1))
