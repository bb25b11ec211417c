"""Destinations: where results are pushed to, each at its own pace, at least once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from tocsin.errors import TocsinError
from tocsin.publish.delivery import Item
from tocsin.publish.feed import Feed, Subscription
from tocsin.publish.subscribers import Subscribers

__all__ = ["Calling", "Destination", "Pump"]

_log: Final = structlog.get_logger("tocsin.publish")

#: How often a position is confirmed while results keep coming (seconds).
_CONFIRM_S: Final = 1.0
#: Pauses after failures: the first, doubling up to the last (seconds).
_FIRST_PAUSE_S: Final = 1.0
_LAST_PAUSE_S: Final = 60.0


class Destination(Protocol):
    """Takes results. One thread calls it; after an error the same item comes again."""

    def write(self, item: Item) -> None:
        """Take a delivery, or the news that some are gone."""
        ...

    def sync(self) -> None:
        """Return when everything written so far lasts; it is confirmed after that."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class Calling:
    """A function as a destination: what it has returned from is done."""

    def __init__(self, function: Callable[[Item], None]) -> None:
        self.write = function

    def sync(self) -> None:
        """There is nothing to wait for."""

    def close(self) -> None:
        """There is nothing to let go of."""


class Pump:
    """A thread that brings a named subscriber's results to its destination.

    A destination that fails gets the same item again, after pauses that double from one second to
    one minute; nobody else waits for it.
    """

    def __init__(
        self,
        name: str,
        destination: Destination,
        feed: Feed,
        subscribers: Subscribers,
        *,
        pause_s: float = _FIRST_PAUSE_S,
    ) -> None:
        """Go on after what ``name`` has confirmed; a new name begins now. Errors: `StoreError`."""
        self.name = name
        #: Why nothing gets through at the moment; None when all is well.
        self.trouble: str | None = None
        self._destination = destination
        self._subscribers = subscribers
        self._pause_s = pause_s
        #: The item that is to be written next.
        self._item: Item | None = None
        self._written = self._confirmed = subscribers.register(name, feed.newest)
        self._subscription: Subscription = feed.subscribe(self._confirmed)
        self._confirm_at = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"tocsin-publish-{name}", daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Bring what is there, for at most so many seconds; the rest comes after the next start.

        The feed must have been closed.
        """
        self._thread.join(seconds)
        self._stop.set()
        self._subscription.close()
        self._thread.join()

    def _run(self) -> None:
        pause = self._pause_s
        going = True
        while going and not self._stop.is_set():
            try:
                going = self._step()
                pause, self.trouble = self._pause_s, None
            except Exception as error:
                self._tell(error)
                self._stop.wait(pause)
                pause = min(2 * pause, _LAST_PAUSE_S)
        try:
            self._settle(idle=True)
            self._destination.close()
        except Exception as error:
            self._tell(error)

    def _step(self) -> bool:
        """Bring one item, or wait for it; False: there will be no more."""
        if self._item is None:
            # Until something is to be confirmed, or for ever.
            patience = None if self._confirmed == self._written else _CONFIRM_S
            self._item = self._subscription.take(patience)
        if (item := self._item) is not None:
            self._destination.write(item)
            self._item = None
            if item.ends:
                self._written = item.position
        self._settle(idle=item is None)
        return item is not None or not self._subscription.closed

    def _settle(self, *, idle: bool) -> None:
        """Confirm what is written: once a second, and when nothing comes."""
        due = idle or time.monotonic() >= self._confirm_at
        if not due or self._written == self._confirmed:
            return
        self._destination.sync()
        if not self._subscribers.confirm(self.name, self._written):
            self._subscribers.register(self.name, self._written)
        self._confirmed = self._written
        self._confirm_at = time.monotonic() + _CONFIRM_S

    def _tell(self, error: Exception) -> None:
        if self.trouble is None:
            known = isinstance(error, TocsinError | OSError)
            _log.error(
                "publish_failed", destination=self.name, reason=str(error), exc_info=not known
            )
        self.trouble = str(error) or type(error).__name__
