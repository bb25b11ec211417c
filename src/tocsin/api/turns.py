"""Turns: work that is done one at a time, with few who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from tocsin.errors import QueueFullError

__all__ = ["Turns"]


class Turns:
    """``with turns.place():`` to be among those who wait, in it ``async with turns.one:``."""

    def __init__(self, most: int, busy: str) -> None:
        """``most`` at once; ``busy``: what the next one is told."""
        self.one = asyncio.Semaphore(1)
        self._most = most
        self._busy = busy
        self._here = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Wait or work. Errors: `QueueFullError`."""
        if self._here >= self._most:
            raise QueueFullError(self._busy)
        self._here += 1
        try:
            yield
        finally:
            self._here -= 1
