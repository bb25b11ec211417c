"""Bringing batches to the engine for senders that cannot be told to try again."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from tocsin.engine.batch import Batch, Reason, Receipt, Rejection
from tocsin.engine.engine import Engine
from tocsin.errors import QueueFullError, StoreError

__all__ = ["deliver"]

_log: Final = structlog.get_logger("tocsin.ingest")

_FULL_S: Final = 0.02
_FIRST_RETRY_S: Final = 0.2
_LAST_RETRY_S: Final = 5.0


async def deliver(engine: Engine, batch: Batch, *, patience_s: float) -> Receipt | None:
    """Wait for room, then for the commit; try again for ``patience_s`` when it fails.

    Returns None, with the samples counted as not stored, when it still fails then, and when
    cancelled meanwhile: repeating what was stored after all is harmless, it is a duplicate.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    pause = _FIRST_RETRY_S
    try:
        while True:
            try:
                return await asyncio.wrap_future(engine.submit(batch))
            except QueueFullError:
                await asyncio.sleep(_FULL_S)
            except StoreError as error:
                if loop.time() >= deadline:
                    _give_up(engine, batch, str(error))
                    return None
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LAST_RETRY_S)
    except asyncio.CancelledError:
        _give_up(engine, batch, "tocsin is stopping")
        raise


def _give_up(engine: Engine, batch: Batch, reason: str) -> None:
    _log.error("samples_lost", protocol=batch.protocol, samples=len(batch), reason=reason)
    lost = [Rejection(i, Reason.NOT_STORED, reason) for i in range(len(batch))]
    engine.telemetry.refused(batch.protocol, lost)
