"""The feed: every commit handed to subscriptions, from memory while they keep up."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Self

from tocsin.publish.delivery import Change, Delivery, Identity, Item
from tocsin.publish.outbox import Outbox
from tocsin.store.schema import WAITING

if TYPE_CHECKING:
    from tocsin.engine.committed import Committed
    from tocsin.engine.registry import Registry

__all__ = ["Feed", "Subscription"]

#: What may wait in memory for one subscription; beyond it the outbox is read.
_SAMPLES: Final = 200_000
_DELIVERIES: Final = 512
#: About how many samples are read from the outbox at once.
_READ: Final = 10_000


def _nothing() -> None:
    pass


class Feed:
    """Hands commits on; neither the engine nor another subscription ever waits for a slow one."""

    def __init__(self, registry: Registry, outbox: Outbox) -> None:
        """Begin at the newest commit: before the engine starts. Errors: `StoreError`."""
        self._metrics = _Registered(registry)
        self.outbox = outbox
        self._lock = threading.Lock()
        self._newest = outbox.newest()
        self._subscriptions: set[Subscription] = set()
        self._closed = False

    @property
    def newest(self) -> int:
        """The position of the last commit."""
        return self._newest

    def publish(self, committed: Committed) -> None:
        """Called by the engine's thread after every commit. Nearly free while nobody listens."""
        if not committed.position:  # nothing became final
            return
        with self._lock:
            delivery = None
            # What was committed between, without results, is in the outbox alone.
            follows = committed.whole and committed.position == self._newest + 1
            try:
                if not all(one.behind for one in self._subscriptions):
                    delivery = self._delivery(committed)
            finally:
                self._newest = committed.position
                for one in self._subscriptions:
                    one._put(delivery, follows=follows)
                self._tell()

    def subscribe(
        self,
        after: int | None = None,
        *,
        complete: bool = True,
        news: Callable[[], None] = _nothing,
    ) -> Subscription:
        """What comes after a position; None: from now on.

        ``complete``: one that is too slow gets what it missed from the outbox; else it ends with
        ``lost``. ``news`` is called, in any thread, when there may be something: must be quick.
        """
        with self._lock:
            mine = Subscription(self, after, complete, news)
            self._subscriptions.add(mine)
            if self._closed:
                mine.closed = True
        return mine

    def close(self) -> None:
        """End all subscriptions, also those to come."""
        with self._lock:
            self._closed = True
            for one in self._subscriptions:
                one.closed = True
            self._tell()

    def _tell(self) -> None:
        for one in self._subscriptions:
            one._told.set()
            one._news()

    def _drop(self, subscription: Subscription) -> None:
        with self._lock:
            self._subscriptions.discard(subscription)

    def _delivery(self, what: Committed) -> Delivery:
        # Samples that are still to be scored come with the commit that scores them.
        final = what.scored["event"] != WAITING
        which = slice(None) if final.all() else final
        return Delivery(
            what.position,
            self._metrics,
            what.row[which],
            what.seq[which],
            what.timestamp[which],
            what.value[which],
            what.scored[which],
            [Change(c.id, self._metrics[c.row], c.event) for c in what.events],
        )


class _Registered:
    """Identities by row. Made when asked for, in any thread: rows are never given again."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __getitem__(self, row: int, /) -> Identity:
        of, metric = self._registry, self._registry.metrics[row]
        return Identity(of.uids[row], metric.name, metric.labels, of.generations[row])


class Subscription:
    """What comes after a position, in order, at least once: deliveries, and gaps where it is gone.

    Iterate over it, or call `take`, in one thread; or `ready` and `read` from an event loop.
    After an error it can be used on: nothing is skipped.
    """

    def __init__(
        self, feed: Feed, after: int | None, complete: bool, news: Callable[[], None]
    ) -> None:
        self._feed = feed
        #: Everything up to it was taken.
        self.position = feed.newest if after is None else after
        #: Whether the next items must be read from the outbox.
        self.behind = after is not None
        #: It was too slow and misses something (only where not ``complete``).
        self.lost = False
        self.closed = False
        self._complete = complete
        self._news = news
        self._told = threading.Event()
        self._live: deque[Delivery] = deque()
        self._samples = 0
        #: How much of the next commit was taken already.
        self._done = 0
        self._read: deque[Item] = deque()

    def ready(self) -> Item | None:
        """The next item from memory; None: there is none now. Never blocks."""
        if self._read:
            return self._take(self._read.popleft())
        with self._feed._lock:
            while self._live:
                delivery = self._live.popleft()
                self._samples -= len(delivery)
                if delivery.position > self.position:
                    return self._take(delivery)
        return None

    def read(self) -> None:
        """Get the next items from the outbox, for `ready`. Blocks; errors: `StoreError`."""
        newest = self._feed.newest
        self._read.extend(self._feed.outbox.after(self.position, _READ, self._done))
        if self._read:
            return
        with self._feed._lock:
            # Nothing was committed since the outbox was found to hold nothing more.
            if self._feed.newest == newest:
                self.behind = False

    def take(self, timeout: float | None = None) -> Item | None:
        """The next item, after waiting for it up to ``timeout`` seconds; None: none came.

        Errors: `StoreError` when the outbox cannot be read; call it again later.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._told.clear()
            if (item := self.ready()) is not None:
                return item
            if self.behind:
                self.read()
            elif self.closed or not self._told.wait(_left(deadline)):
                return None

    def close(self) -> None:
        """Get nothing more, not even what waits."""
        self._feed._drop(self)
        self.closed, self.behind = True, False
        self._live.clear()
        self._read.clear()
        self._told.set()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        """Waits for the next item. Ends when the feed is closed and all is taken."""
        item = self.take()
        if item is None:
            raise StopIteration
        return item

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, item: Item) -> Item:
        if isinstance(item, Delivery) and not item.ends:
            self._done = item.done + len(item) + item.missing
        else:
            self.position, self._done = item.position, 0
        return item

    def _put(self, delivery: Delivery | None, *, follows: bool) -> None:
        """Called with the feed's lock held; None: it could not be made."""
        if self.behind or self.lost:
            return
        if delivery is None or self._is_full(delivery) or (self._complete and not follows):
            self._live.clear()
            self._samples = 0
            self.behind, self.lost = self._complete, not self._complete
            return
        self._live.append(delivery)
        self._samples += len(delivery)

    def _is_full(self, delivery: Delivery) -> bool:
        waits = len(self._live)
        return waits >= _DELIVERIES or (waits > 0 and self._samples + len(delivery) > _SAMPLES)


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())
