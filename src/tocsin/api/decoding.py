"""Decoders of requests, which remember what they have read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Generic, TypeVar

from tocsin.engine.telemetry import Telemetry
from tocsin.ingest.turns import Turns

__all__ = ["OneByOne"]

D = TypeVar("D")
T = TypeVar("T")

#: Larger bodies are read beside the event loop, so that others need not wait.
_LARGE: Final = 256 * 1024


class OneByOne(Generic[D]):
    """A decoder that is taken by turns; what it costs is counted."""

    def __init__(self, decoder: D, telemetry: Telemetry) -> None:
        self._decoder = decoder
        self._turns = Turns(telemetry)

    async def take(self, work: Callable[[D], T], body: bytes, encoding: str) -> T:
        """What ``work`` makes of the decoder. Errors: what it raises."""
        # Who packs may have packed much.
        large = len(body) >= _LARGE or bool(encoding)
        return await self._turns.take(partial(work, self._decoder), large=large)
