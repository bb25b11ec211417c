"""The bounded queue between senders and the engine's thread, fair to all senders."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.engine.batch import Batch, Receipt
from tocsin.engine.committed import Behind
from tocsin.errors import QueueFullError, StoreError

__all__ = ["Control", "Entry", "Queue", "Work"]

#: Share of a group that senders without a backlog get before one with a backlog does.
_LIVE_SHARE: Final = 0.75


@dataclass(slots=True)
class Entry:
    """A batch that waits, and the promise of its receipt."""

    batch: Batch
    receipt: Future[Receipt] = field(default_factory=Future)
    #: When it came (monotonic).
    since: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class Control:
    """Something to be done between two groups, and the promise of its result."""

    function: Callable[[], Any]
    result: Future[Any] = field(default_factory=Future)


@dataclass(slots=True)
class Work:
    """What the engine's thread takes out at once."""

    entries: list[Entry] = field(default_factory=list)
    scored: list[Behind] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.entries or self.scored or self.controls)


class Queue:
    """Bounded by samples, because batches differ in size.

    Each sender's batches stay in order; senders take turns, and whoever sends a backlog
    (``Batch.bulk``) comes after those who do not.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._senders: OrderedDict[tuple[bool, str], deque[Entry]] = OrderedDict()
        self._scored: list[Behind] = []
        self._controls: list[Control] = []
        self._samples = 0
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """How many samples wait."""
        return self._samples

    def oldest(self) -> float | None:
        """When the oldest batch that waits came (monotonic); None: none waits."""
        with self._changed:
            return min((waiting[0].since for waiting in self._senders.values()), default=None)

    @property
    def closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._closed

    def put(self, batch: Batch) -> Future[Receipt]:
        """Add a batch; never blocks.

        Errors: `QueueFullError` when it does not fit now; `StoreError` when closed.
        """
        with self._changed:
            self._open()
            # A batch larger than the whole queue still gets in when it is alone.
            if self._samples and self._samples + len(batch) > self._room(batch):
                raise QueueFullError(f"{self._samples} samples already wait to be stored")
            entry = Entry(batch)
            key = (batch.bulk, batch.sender or batch.protocol)
            self._senders.setdefault(key, deque()).append(entry)
            self._samples += len(batch)
            self._changed.notify()
            return entry.receipt

    def put_scored(self, scored: Behind) -> None:
        """Add results that were scored behind the commit; there are never many."""
        with self._changed:
            self._scored.append(scored)
            self._changed.notify()

    def put_control(self, function: Callable[[], Any]) -> Future[Any]:
        """Add something to do between two groups. Errors: `StoreError` when closed."""
        with self._changed:
            self._open()
            control = Control(function)
            self._controls.append(control)
            self._changed.notify()
            return control.result

    def take(self, samples: int, timeout: float | None) -> Work:
        """What has arrived, at least one batch and about ``samples`` samples.

        Waits for the first up to ``timeout`` seconds; empty when none came or it is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting() or self._closed, timeout)
            work = Work(self._fair(samples), self._scored, self._controls)
            self._scored, self._controls = [], []
            return work

    def take_scored(self) -> list[Behind]:
        """The results that wait, without waiting for any."""
        with self._changed:
            scored, self._scored = self._scored, []
            return scored

    def close(self) -> None:
        """Take nothing more; what waits can still be taken out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _open(self) -> None:
        if self._closed:
            raise StoreError("tocsin is stopping and takes no more samples")

    def _room(self, batch: Batch) -> int:
        """A backlog leaves half of the queue to others."""
        return self._limit // 2 if batch.bulk else self._limit

    def _waiting(self) -> bool:
        return bool(self._senders or self._scored or self._controls)

    def _fair(self, samples: int) -> list[Entry]:
        """One batch of each sender in turn; a backlog gets a share, and what others leave."""
        share = samples if not any(bulk for bulk, _ in self._senders) else _LIVE_SHARE * samples
        taken: list[Entry] = []
        size = self._turns(taken, False, share, 0)
        size = self._turns(taken, True, samples, size)
        size = self._turns(taken, False, samples, size)
        self._samples -= size
        return taken

    def _turns(self, taken: list[Entry], bulk: bool, most: float, size: int) -> int:
        """Take from these senders by turns until there are ``most`` samples; returns how many."""
        while mine := next((key for key in self._senders if key[0] == bulk), None):
            waiting = self._senders[mine]
            if taken and size + len(waiting[0].batch) > most:
                break
            taken.append(waiting.popleft())
            size += len(taken[-1].batch)
            self._senders.move_to_end(mine)
            if not waiting:
                del self._senders[mine]
        return size
