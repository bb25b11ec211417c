"""Forgetting deliveries that are too old for anybody to repeat them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from tocsin.engine.committing import Job
from tocsin.engine.deliveries import KEY, KEYS_KEPT_NS, SOURCES_KEPT_NS
from tocsin.errors import StoreError
from tocsin.store.commits import Writer

__all__ = ["Forgetting"]

#: Often, so that a step is short.
_EVERY_S: Final = 300.0


class Forgetting:
    """Has old entries of the book of deliveries deleted, now and then."""

    def __init__(
        self,
        put: Callable[[Job], None],
        *,
        every_s: float = _EVERY_S,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """``put`` takes what is to be written; ``clock``: nanoseconds since 1970."""
        self._put = put
        self._every_s = every_s
        self._clock = clock
        self._next = time.monotonic()

    def seconds_left(self) -> float:
        """How long until `work` has something to do."""
        return max(0.0, self._next - time.monotonic())

    def work(self) -> None:
        """Hand over a step when it is time."""
        if self.seconds_left() == 0.0:
            self._next = time.monotonic() + self._every_s
            self._put(_Step(self._clock()))


class _Step:
    def __init__(self, now: int) -> None:
        self._now = now

    def write(self, writer: Writer, *, again: bool) -> None:
        """Delete; to do it twice does no harm."""
        del again
        writer.forget_deliveries(KEY, self._now - KEYS_KEPT_NS)
        # Every name begins so.
        writer.forget_deliveries("", self._now - SOURCES_KEPT_NS)

    def done(self) -> None:
        """Nobody waits for it."""

    def lost(self, error: StoreError) -> None:
        """Nobody waits for it."""
