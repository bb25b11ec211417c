"""The committing thread: what was scored is written, in order, until the database takes it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol, runtime_checkable

import structlog

from tocsin.errors import OwnerLostError, StoreError, TocsinError
from tocsin.store.commits import Writer

__all__ = ["Committing", "Job", "Joinable"]

_log: Final = structlog.get_logger("tocsin.engine")

#: How many jobs may wait while one is written: scoring is at most this far ahead.
_AHEAD: Final = 4
_FIRST_PAUSE_S: Final = 0.05
_LAST_PAUSE_S: Final = 2.0
#: How long a database that is gone may keep a stop waiting.
_PATIENCE_S: Final = 10.0


class Job(Protocol):
    """Something to write."""

    def write(self, writer: Writer, *, again: bool) -> None:
        """Write it, all or nothing. Errors: `StoreError`; it is called once more then."""
        ...

    def done(self) -> None:
        """It is written."""
        ...

    def lost(self, error: StoreError) -> None:
        """It will not be written: tocsin stops, or the database belongs to another."""
        ...


@runtime_checkable
class Joinable(Protocol):
    """A job that takes others along, in one transaction: a sync to the disk takes milliseconds."""

    def join(self, other: Job) -> bool:
        """Take the next job along: from now on it is a part of this one; False: it cannot be."""
        ...


class Committing:
    """Writes jobs in order. A refusal is not an end: the job is repeated, with back-off.

    So nothing that was scored is ever rolled back; senders wait meanwhile, and are told why.
    """

    def __init__(self, writer: Writer, failed: Callable[[Exception], None]) -> None:
        """``failed`` is told of every refusal."""
        self._writer = writer
        self._failed = failed
        self._jobs: deque[Job] = deque()
        self._busy = False
        self._closed = False
        self._hurried_at: float | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="tocsin-commit", daemon=True)
        #: Why nothing can be stored at the moment; None when all is well.
        self.trouble: str | None = None
        #: Whether nothing will ever be stored again.
        self.over = False

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def put(self, job: Job) -> None:
        """Hand over a job; waits while too many are under way."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._jobs) <= _AHEAD)
            self._jobs.append(job)
            self._changed.notify_all()

    def drain(self) -> None:
        """Wait until everything handed over is written (or lost)."""
        with self._changed:
            self._changed.wait_for(lambda: not self._jobs and not self._busy)

    def give_up(self, reason: str) -> None:
        """Write nothing more: memory and database may have parted."""
        self.trouble, self.over = reason, True

    def hurry(self) -> None:
        """A stop is near: from now on a database that refuses is waited for some seconds only."""
        with self._changed:
            self._hurried_at = time.monotonic()
            self._changed.notify_all()

    def stop(self) -> None:
        """Write what was handed over, then end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            self._work(job)
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _next(self) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            if not self._jobs:
                return None
            self._busy = True
            job = self._jobs.popleft()
            while isinstance(job, Joinable) and self._jobs and job.join(self._jobs[0]):
                self._jobs.popleft()
            self._changed.notify_all()
            return job

    def _work(self, job: Job) -> None:
        pause, again = _FIRST_PAUSE_S, False
        while True:
            try:
                if self.over:
                    raise OwnerLostError(self.trouble or "the database belongs to another")
                job.write(self._writer, again=again)
            except Exception as error:
                self._tell(error)
                if self._hopeless(error):
                    job.lost(_as_store_error(error))
                    return
                self._sleep(pause)
                pause, again = min(2 * pause, _LAST_PAUSE_S), True
            else:
                self.trouble = None
                self._finish(job.done)
                return

    def _tell(self, error: Exception) -> None:
        if not self.over:
            self.trouble = str(error)
        self._failed(error)
        _log.error("commit_failed", reason=str(error), exc_info=not isinstance(error, TocsinError))

    def _hopeless(self, error: Exception) -> bool:
        if isinstance(error, OwnerLostError) or getattr(error, "lasting", False):
            # The same would be refused again: memory and database have parted.
            self.give_up(f"{error}; restart tocsin")
        hurried = self._hurried_at
        if hurried is not None and time.monotonic() > hurried + _PATIENCE_S:
            self.give_up(f"{error}; tocsin is stopping")
        return self.over

    def _sleep(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait(seconds)

    @staticmethod
    def _finish(done: Callable[[], Any]) -> None:
        try:
            done()
        except Exception as error:
            _log.error("engine_work_failed", reason=str(error), exc_info=True)


def _as_store_error(error: Exception) -> StoreError:
    return error if isinstance(error, StoreError) else StoreError(f"not stored: {error}")
