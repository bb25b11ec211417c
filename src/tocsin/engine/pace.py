"""How fast samples come in: counted by the second, over the last minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

__all__ = ["Pace"]

_SECONDS: Final = 60


class Pace:
    """Samples a second over the last minute. Any threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._began = clock()
        #: By second modulo a minute: which second, and how many samples.
        self._counts: list[tuple[int, int]] = [(-1, 0)] * _SECONDS

    def note(self, samples: int) -> None:
        """So many came now."""
        second = int(self._clock())
        place = second % _SECONDS
        with self._lock:
            at, count = self._counts[place]
            self._counts[place] = (second, samples + (count if at == second else 0))

    def per_second(self) -> float:
        """Of the last minute, or of the time since the begin when that is shorter."""
        now = self._clock()
        oldest = int(now) - _SECONDS
        with self._lock:
            count = sum(count for at, count in self._counts if at > oldest)
        # The present second has only begun.
        return count / max(1.0, min(now - self._began, _SECONDS - 1 + now % 1))
