"""Decoders that remember what they have read, and so take one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from tocsin.engine.telemetry import Telemetry

__all__ = ["OneByOne"]

D = TypeVar("D")
T = TypeVar("T")

#: Larger bodies are read beside the event loop, so that others need not wait.
_LARGE: Final = 256 * 1024


class OneByOne(Generic[D]):
    """A decoder that is taken by turns; what it costs is counted."""

    def __init__(self, decoder: D, telemetry: Telemetry) -> None:
        self._decoder, self._telemetry = decoder, telemetry
        self._turn = asyncio.Lock()
        self._warm = False

    async def take(self, work: Callable[[D], T], body: bytes, encoding: str) -> T:
        """What ``work`` makes of the decoder. Errors: what it raises."""
        async with self._turn:
            if self._warm and len(body) < _LARGE and not encoding:
                return self._do(work)
            # The first one may have to wait for a compiler; who packs may have packed much.
            done = await asyncio.to_thread(self._do, work)
            self._warm = True
            return done

    def _do(self, work: Callable[[D], T]) -> T:
        with self._telemetry.stage("decode"):
            return work(self._decoder)
