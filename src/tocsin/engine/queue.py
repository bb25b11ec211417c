"""The bounded queue between senders and the writer thread."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

from tocsin.engine.batch import Batch, Receipt
from tocsin.errors import QueueFullError, StoreError

__all__ = ["Entry", "Queue"]


@dataclass(slots=True)
class Entry:
    """A batch that waits, and the promise of its receipt."""

    batch: Batch
    receipt: Future[Receipt] = field(default_factory=Future)


class Queue:
    """First in, first out; bounded by samples, because batches differ in size."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: deque[Entry] = deque()
        self._samples = 0
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """How many samples wait."""
        return self._samples

    @property
    def closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._closed

    def put(self, batch: Batch) -> Future[Receipt]:
        """Add a batch; never blocks.

        Errors: `QueueFullError` when it does not fit now; `StoreError` when closed.
        """
        with self._changed:
            if self._closed:
                raise StoreError("tocsin is stopping and takes no more samples")
            # A batch larger than the whole queue still gets in when it is alone.
            if self._entries and self._samples + len(batch) > self._limit:
                raise QueueFullError(f"{self._samples} samples already wait to be stored")
            entry = Entry(batch)
            self._entries.append(entry)
            self._samples += len(batch)
            self._changed.notify()
            return entry.receipt

    def take(self, samples: int, timeout: float | None) -> list[Entry]:
        """What has arrived, at least one batch and about ``samples`` samples.

        Waits for the first up to ``timeout`` seconds; empty when none came or it is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._entries or self._closed, timeout)
            taken: list[Entry] = []
            size = 0
            while self._entries and (not taken or size + len(self._entries[0].batch) <= samples):
                taken.append(self._entries.popleft())
                size += len(taken[-1].batch)
            self._samples -= size
            return taken

    def close(self) -> None:
        """Take nothing more; what waits can still be taken out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
