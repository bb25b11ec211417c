"""Protocols over UDP: datagrams kept within a bound until somebody takes them."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Final

import structlog

from tocsin.engine.batch import Reason, Rejection
from tocsin.engine.engine import Engine
from tocsin.ingest.decoded import Decoded
from tocsin.ingest.delivery import deliver
from tocsin.ingest.turns import Turns

__all__ = ["Datagrams", "Packets"]

#: Bytes that may wait; what comes beyond is lost, and counted.
_MOST: Final = 8 * 2**20
#: What the system may hold for us while the event loop is busy.
_SYSTEM: Final = 4 * 2**20
#: What is taken out at once.
_GROUP: Final = 2**18
#: A datagram costs this much beside its bytes.
_OVERHEAD: Final = 150
_PATIENCE_S: Final = 60.0
#: When stopping, datagrams that the system holds are waited for so long.
_ARRIVED_S: Final = 0.05

_log: Final = structlog.get_logger("tocsin.ingest")


class Packets:
    """A bounded queue of datagrams with their senders, over any number of sockets."""

    def __init__(self, lost: Callable[[bytes], None], most: int = _MOST) -> None:
        """``lost``: told of each datagram for which there is no room."""
        self._lost = lost
        self._most = most
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._size = 0
        self._transports: list[asyncio.DatagramTransport] = []
        self._arrived = asyncio.Event()
        self._closed = False

    async def open(self, sockets: Iterable[socket.socket]) -> None:
        """Receive on these bound sockets."""
        loop = asyncio.get_running_loop()
        for bound in sockets:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SYSTEM)
            transport, _ = await loop.create_datagram_endpoint(lambda: _Receiver(self), sock=bound)
            self._transports.append(transport)

    async def close(self) -> None:
        """Receive nothing more; what waits can still be taken."""
        await asyncio.sleep(_ARRIVED_S)
        self._closed = True
        for transport in self._transports:
            transport.close()
        self._arrived.set()

    def put(self, host: str, data: bytes) -> None:
        """Add a datagram, or lose it."""
        cost = len(data) + _OVERHEAD
        if self._size + cost > self._most:
            self._lost(data)
            return
        self._waiting.append((host, data))
        self._size += cost
        self._arrived.set()

    async def take(self) -> list[tuple[str, bytes]]:
        """What has arrived, at least one and up to some hundred KiB; empty: closed."""
        while not self._waiting and not self._closed:
            self._arrived.clear()
            await self._arrived.wait()
        return self._take()

    def _take(self) -> list[tuple[str, bytes]]:
        taken: list[tuple[str, bytes]] = []
        size = 0
        while self._waiting and size < _GROUP:
            taken.append(self._waiting.popleft())
            size += len(taken[-1][1]) + _OVERHEAD
        self._size -= size
        return taken


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, packets: Packets) -> None:
        self._packets = packets

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._packets.put(str(addr[0]), data)

    def error_received(self, exc: Exception) -> None:
        _log.debug("datagram_error", reason=str(exc))


class Datagrams:
    """Takes datagrams that are complete in themselves, and stores what they hold."""

    def __init__(
        self,
        engine: Engine,
        protocol: str,
        decode: Callable[[list[bytes], int], Decoded],
    ) -> None:
        """``decode``: datagrams of one sender and the wall clock (ns) into samples; by turns."""
        self._engine = engine
        self._protocol = protocol
        self._decode = decode
        self._turns = Turns(engine.telemetry)
        self._packets = Packets(self._lost)
        self._task: asyncio.Task[None] | None = None

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Receive on these bound sockets."""
        await self._packets.open(sockets)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Receive nothing more, store what has come."""
        if self._task is not None:
            await self._packets.close()
            await self._task
            self._task = None

    async def _run(self) -> None:
        while taken := await self._packets.take():
            by_host: dict[str, list[bytes]] = {}
            for host, data in taken:
                by_host.setdefault(host, []).append(data)
            now = time.time_ns()
            await asyncio.gather(*(self._one(host, d, now) for host, d in by_host.items()))

    async def _one(self, host: str, data: list[bytes], now: int) -> None:
        decoded = await self._turns.take(partial(self._decode, data, now))
        if decoded.rejected:
            self._engine.telemetry.refused(self._protocol, decoded.rejected)
            first = decoded.rejected[0].reason
            count = len(decoded.rejected)
            _log.info("samples_refused", protocol=self._protocol, samples=count, first=first)
        if len(decoded.batch):
            batch = replace(decoded.batch, sender=f"{self._protocol} {host}")
            await deliver(self._engine, batch, patience_s=_PATIENCE_S)

    def _lost(self, data: bytes) -> None:
        lines = max(1, data.rstrip(b"\n").count(b"\n") + 1)
        lost = Rejection(0, Reason.NOT_STORED, "more arrives than can be stored")
        self._engine.telemetry.refused(self._protocol, [lost] * lines)
