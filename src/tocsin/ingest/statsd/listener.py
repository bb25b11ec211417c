"""StatsD's port: datagrams into the aggregator, and a flush on every round time."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable
from typing import Final

import structlog

from tocsin.engine.batch import Batch, Reason, Rejection
from tocsin.engine.engine import Engine
from tocsin.ingest.datagrams import Packets
from tocsin.ingest.delivery import deliver
from tocsin.ingest.statsd.aggregator import PROTOCOL, Aggregator
from tocsin.samples import SECOND_NS

__all__ = ["StatsD"]

#: How many flushes may wait for a database that refuses; the oldest gives way.
_WAITING: Final = 30
_PATIENCE_S: Final = 300.0

_log: Final = structlog.get_logger("tocsin.ingest")


class StatsD:
    """Takes datagrams, and stores what they add up to."""

    def __init__(self, engine: Engine, aggregator: Aggregator, interval_s: float) -> None:
        self._engine = engine
        self._aggregator = aggregator
        self._interval = int(interval_s * SECOND_NS)
        self._packets = Packets(self._lost)
        self._flushed: asyncio.Queue[Batch | None] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Receive on these bound sockets."""
        await self._packets.open(sockets)
        self._tasks = [asyncio.create_task(one()) for one in (self._take, self._tick, self._store)]

    async def stop(self) -> None:
        """Receive nothing more; what came since the last flush is flushed now, and stored."""
        if not self._tasks:
            return
        taking, ticking, storing = self._tasks
        self._tasks = []
        await self._packets.close()
        await taking
        ticking.cancel()
        self._put(self._aggregator.flush(time.time_ns()))
        self._flushed.put_nowait(None)
        await storing

    async def _take(self) -> None:
        while taken := await self._packets.take():
            for _, packet in taken:
                if rejected := self._aggregator.take(packet):
                    self._engine.telemetry.refused(PROTOCOL, rejected)
                    first = rejected[0].reason
                    _log.info("messages_refused", messages=len(rejected), first=first)
            # Others get their turn.
            await asyncio.sleep(0)

    async def _tick(self) -> None:
        while True:
            now = time.time_ns()
            due = (now // self._interval + 1) * self._interval
            await asyncio.sleep((due - now) / SECOND_NS)
            if time.time_ns() >= due:  # a sleep may end early
                self._put(self._aggregator.flush(due))

    async def _store(self) -> None:
        while (batch := await self._flushed.get()) is not None:
            await deliver(self._engine, batch, patience_s=_PATIENCE_S)

    def _put(self, batch: Batch) -> None:
        if not len(batch):
            return
        if self._flushed.qsize() >= _WAITING:
            old = self._flushed.get_nowait()
            self._refuse(0 if old is None else len(old), "the database refuses for too long")
        self._flushed.put_nowait(batch)

    def _lost(self, packet: bytes) -> None:
        self._refuse(packet.count(b"\n") + 1, "more arrives than can be read")

    def _refuse(self, count: int, why: str) -> None:
        lost = Rejection(0, Reason.NOT_STORED, why)
        self._engine.telemetry.refused(PROTOCOL, [lost] * count)
