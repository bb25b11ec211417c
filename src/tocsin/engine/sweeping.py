"""Removing what is left of deleted metrics, in small pieces, without holding up the others."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from tocsin.engine.committing import Job
from tocsin.errors import StoreError
from tocsin.store.commits import Writer

__all__ = ["Sweeper"]

#: Rows that are deleted in one transaction.
_PIECE: Final = 5_000
#: At least this many times as long as a piece took is left to samples before the next one.
_REST: Final = 4
#: How often it is looked whether a piece is done.
_LOOK_S: Final = 0.05


class Sweeper:
    """Deletes the samples, events and states of metrics that are gone. One piece at a time."""

    def __init__(self, put: Callable[[Job], None], left: Iterable[int] = ()) -> None:
        """``put`` takes what is to be written; ``left``: ids that a start before left."""
        self._put = put
        self._left = deque(left)
        self._busy = False
        self._next = 0.0

    def __len__(self) -> int:
        """How many metrics are still to be removed."""
        return len(self._left)

    def add(self, metric: int) -> None:
        """A metric (its id) is deleted."""
        self._left.append(metric)

    def seconds_left(self) -> float:
        """How long until `work` has something to do."""
        if not self._left:
            return math.inf
        # Nobody wakes the engine's thread when a piece is done.
        return _LOOK_S if self._busy else max(0.0, self._next - time.monotonic())

    def work(self) -> None:
        """Hand over one piece when it is time."""
        if self._left and not self._busy and time.monotonic() >= self._next:
            self._busy = True
            self._put(_Piece(self, self._left[0]))

    def swept(self, metric: int, rows: int, seconds: float) -> None:
        """A piece is done (``rows``: how many went; 0: nothing is left)."""
        if not rows and self._left and self._left[0] == metric:
            self._left.popleft()
        self._next = time.monotonic() + seconds * _REST
        self._busy = False


class _Piece:
    """One transaction of a deletion."""

    def __init__(self, sweeper: Sweeper, metric: int) -> None:
        self._sweeper = sweeper
        self._metric = metric
        self._rows = 0
        self._took = 0.0

    def write(self, writer: Writer, *, again: bool) -> None:
        """Delete; to do it twice does no harm."""
        began = time.monotonic()
        self._rows = writer.delete_metric_data(self._metric, _PIECE)
        self._took = time.monotonic() - began

    def done(self) -> None:
        """Say how far it is."""
        self._sweeper.swept(self._metric, self._rows, self._took)

    def lost(self, error: StoreError) -> None:
        """The next start goes on."""
