"""Tocsin's own figures of what is above the engine, for `tocsin.ingest.itself` (docs/self.md)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tocsin.samples import SECOND_NS, Metric
from tocsin.store.notifications import Counts

if TYPE_CHECKING:
    from tocsin.alert.delivering import Delivering
    from tocsin.ingest.looking import Reading
    from tocsin.publish.publishing import Publishing

__all__ = ["Figures"]


class Figures:
    """Subscribers and channels; every call of `read` is one look.

    Cost of a look: some short queries. Errors: `StoreError`.
    """

    def __init__(
        self,
        publishing: Publishing,
        delivering: Delivering,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._publishing = publishing
        self._delivering = delivering
        self._clock = clock
        #: Positions at the last look.
        self._before: dict[str, int] = {}

    def read(self) -> Iterator[Reading]:
        """How far subscribers are, and what waits for channels, as of now."""
        yield from self._subscribers()
        yield from self._channels()

    def _subscribers(self) -> Iterator[Reading]:
        before, told = self._before, self._publishing.look()
        self._before = {name: one.position for name, one in told.items()}
        for name, one in told.items():
            labels = {"subscriber": name}
            yield Metric.of("tocsin.subscriber.lag_s", labels), one.seconds
            # One that is stuck falls silent: a lag that grows steadily is soon what is expected.
            if one.commits == 0 or one.position > before.get(name, one.position):
                yield Metric.of("tocsin.subscriber.alive", labels), 1.0

    def _channels(self) -> Iterator[Reading]:
        # One that was never told anything stands at 0, so that what is usual is known beforehand.
        counts = {line.channel.name: Counts() for line in self._delivering.lines}
        counts |= self._delivering.notifications.counts()
        now = self._clock()
        for name, one in counts.items():
            labels = {"channel": name}
            waits = 0 if one.since is None else max(0, now - one.since)
            yield Metric.of("tocsin.notifications.pending", labels), float(one.pending)
            yield Metric.of("tocsin.notifications.age_s", labels), waits / SECOND_NS
            yield Metric.of("tocsin.notifications.dead", labels), float(one.dead)
