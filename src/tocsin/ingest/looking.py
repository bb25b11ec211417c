"""Looking at something again and again: readings, on round times, as samples."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import numpy as np

from tocsin.engine.batch import Batch
from tocsin.engine.engine import Engine
from tocsin.ingest.delivery import deliver
from tocsin.samples import SECOND_NS, Metric, Samples

__all__ = ["Reading", "look"]

Reading = tuple[Metric, float]

_AT_THE_END_S: Final = 2.0


async def look(
    engine: Engine, read: Callable[[], Sequence[Reading]], protocol: str, interval_s: float
) -> None:
    """Call ``read`` (in another thread) every ``interval_s`` seconds, until cancelled."""
    step = int(interval_s * SECOND_NS)
    await asyncio.to_thread(read)  # the first look is what rates are counted from
    while True:
        now = time.time_ns()
        due = (now // step + 1) * step
        await asyncio.sleep((due - now) / SECOND_NS)
        readings = await asyncio.to_thread(read)
        # What cannot be stored by the next look is old news.
        batch = _batch(readings, due, protocol)
        delivering = asyncio.ensure_future(deliver(engine, batch, patience_s=interval_s))
        try:
            await asyncio.shield(delivering)
        except asyncio.CancelledError:
            # What was read is stored before the engine stops, if that is soon.
            with suppress(TimeoutError):
                await asyncio.wait_for(delivering, _AT_THE_END_S)
            raise


def _batch(readings: Sequence[Reading], at: int, protocol: str) -> Batch:
    count = len(readings)
    samples = Samples(
        np.arange(count),
        np.full(count, at, dtype=np.int64),
        np.array([value for _, value in readings], dtype=np.float64),
    )
    return Batch([metric for metric, _ in readings], samples, protocol)
