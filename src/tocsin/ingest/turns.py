"""Decoders that remember what they have read, and so are used one at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from tocsin.engine.telemetry import Telemetry

__all__ = ["Turns"]

T = TypeVar("T")


class Turns:
    """Work that is done by turns; what it costs is counted as decoding.

    It is done on the event loop, which costs less than another thread, except what is large, and
    what comes first: that may have to wait for a compiler.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._turn = asyncio.Lock()
        # Whoever waits for a thread may be cancelled while it goes on.
        self._working = threading.Lock()
        self._warm = False

    async def take(self, work: Callable[[], T], *, large: bool = False) -> T:
        """What ``work`` returns. Errors: what it raises."""
        async with self._turn:
            if self._warm and not large:
                return self._do(work)
            done = await asyncio.to_thread(self._do, work)
            self._warm = True
            return done

    def _do(self, work: Callable[[], T]) -> T:
        with self._working, self._telemetry.stage("decode"):
            return work()
