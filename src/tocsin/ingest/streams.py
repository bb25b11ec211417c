"""Protocols over TCP whose senders get no answer: connections, limits, a stop without loss."""

from __future__ import annotations

import asyncio
import math
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol

import structlog

from tocsin.engine.batch import Batch, Reason, Rejection
from tocsin.engine.engine import Engine
from tocsin.ingest.decoded import Decoded
from tocsin.ingest.delivery import deliver
from tocsin.ingest.turns import Turns

__all__ = ["Limits", "Session", "Streams"]

_CHUNK: Final = 65_536
#: Larger pieces are decoded beside the event loop, so that others need not wait.
_LARGE: Final = 131_072
#: A database that refuses for longer than this costs samples; the sender cannot know.
_PATIENCE_S: Final = 300.0
#: When stopping: what was sent just before may still be in the sender's buffer (a full window
#: opens again only when the sender asks, after 0.2 s, then 0.4, 0.8, …), but it is not waited for
#: for ever, and least where nothing has come for a while.
_GRACE_S: Final = 4.0
_IDLE_GRACE_S: Final = 0.5
_IDLE_AFTER_S: Final = 5.0
_STOP_S: Final = 8.0
#: Time for the event loop to hand over bytes that the system has received.
_ARRIVED_S: Final = 0.05

_log: Final = structlog.get_logger("tocsin.ingest")


class Session(Protocol):
    """What one connection has sent so far: pure, without sockets or clock."""

    @property
    def pending(self) -> int:
        """Bytes that are held because what they belong to is not complete."""

    @property
    def broken(self) -> str | None:
        """Why nothing more can be read; None while all is well."""

    def feed(self, data: bytes, now: int) -> Decoded:
        """What is complete with these bytes; ``now``: the wall clock (ns)."""

    def end(self) -> list[Rejection]:
        """The connection is over: what was not complete."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What connections may cost."""

    #: How many at once; a new one more takes the place of one that has been silent for ``spare_s``,
    #: or is closed.
    connections: int = 1_000
    spare_s: float = 60.0
    #: One that says nothing for so long is closed.
    idle_s: float = 3_600.0
    #: Bytes of all that is begun and not complete; beyond, the one that began first is closed.
    pending: int = 64 * 2**20


@dataclass(slots=True, eq=False)
class _Connection:
    """One connection: who, since when silent, since when something is incomplete."""

    task: asyncio.Task[None]
    sender: str
    session: Session
    heard: float
    begun: float | None = None
    pending: int = 0


class Streams:
    """Takes connections; does not read on before what it read is stored (back-pressure)."""

    def __init__(
        self,
        engine: Engine,
        protocol: str,
        session: Callable[[], Session],
        limits: Limits = Limits(),
    ) -> None:
        """``protocol``: under which name it is counted; ``session``: makes one per connection.

        Sessions may share what they remember: they are fed one at a time.
        """
        self._engine = engine
        self._protocol = protocol
        self._session = session
        self._limits = limits
        self._turns = Turns(engine.telemetry)
        self._servers: list[asyncio.Server] = []
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        self._pending = 0
        self._stopping: asyncio.Future[None] | None = None
        self._deadline = math.inf

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections on these bound sockets."""
        self._stopping = asyncio.get_running_loop().create_future()
        for bound in sockets:
            self._servers.append(await asyncio.start_server(self._connected, sock=bound))

    async def stop(self) -> None:
        """Accept nothing new, store what has been sent, close."""
        if self._stopping is None or self._stopping.done():
            return
        # Whoever has connected before the stop is served: the system may hold connections that
        # the event loop has not met yet.
        await asyncio.sleep(_ARRIVED_S)
        for server in self._servers:
            server.close()
        await asyncio.sleep(_ARRIVED_S)
        self._deadline = asyncio.get_running_loop().time() + _STOP_S
        self._stopping.set_result(None)
        if self._connections:
            _, late = await asyncio.wait(list(self._connections), timeout=2 * _STOP_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if not self._make_room():
            _log.warning("connection_refused", protocol=self._protocol, reason="too many")
            writer.close()
            return
        peer = writer.get_extra_info("peername")
        sender = f"{self._protocol} {peer[0]}" if peer else self._protocol
        heard = asyncio.get_running_loop().time()
        connection = _Connection(task, sender, self._session(), heard)
        self._connections[task] = connection
        try:
            await self._serve(reader, connection)
        except OSError as error:
            _log.info("connection_broke", protocol=self._protocol, reason=str(error))
        finally:
            self._note_pending(connection, 0)
            self._connections.pop(task, None)
            writer.close()

    def _make_room(self) -> bool:
        """Whether there may be one more, if need be in the place of the most silent one."""
        if len(self._connections) < self._limits.connections:
            return True
        silent = min(self._connections.values(), key=lambda one: one.heard)
        if asyncio.get_running_loop().time() - silent.heard < self._limits.spare_s:
            return False
        self._close(silent, "too many connections, and it was silent the longest")
        return True

    def _close(self, connection: _Connection, reason: str) -> None:
        _log.info("connection_closed", sender=connection.sender, reason=reason)
        self._connections.pop(connection.task, None)
        self._pending -= connection.pending
        connection.pending = 0
        connection.task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        loop, session = asyncio.get_running_loop(), connection.session
        try:
            while data := await self._read(reader, connection.heard):
                connection.heard = loop.time()
                decoded = await self._decode(session, data)
                self._count(decoded.rejected)
                await self._deliver(decoded.batch, connection.sender)
                self._note_pending(connection, session.pending)
                if session.broken:
                    break
        finally:
            self._count(session.end())

    async def _decode(self, session: Session, data: bytes) -> Decoded:
        large = session.pending + len(data) >= _LARGE
        return await self._turns.take(partial(session.feed, data, time.time_ns()), large=large)

    def _note_pending(self, connection: _Connection, pending: int) -> None:
        self._pending += pending - connection.pending
        connection.pending = pending
        if not pending:
            connection.begun = None
        elif connection.begun is None:
            connection.begun = asyncio.get_running_loop().time()
        if self._pending > self._limits.pending:
            waiting = [one for one in self._connections.values() if one.begun is not None]
            slowest = min(waiting, key=lambda one: one.begun or 0.0)
            self._close(slowest, "too much is begun and not complete, and it began first")

    async def _read(self, reader: asyncio.StreamReader, heard: float) -> bytes:
        """What came next; empty at the end of the connection, of its time, or of Tocsin.

        ``heard``: when something came last.
        """
        assert self._stopping is not None
        loop = asyncio.get_running_loop()
        reading = asyncio.ensure_future(reader.read(_CHUNK))
        try:
            either: set[asyncio.Future[Any]] = {reading, self._stopping}
            await asyncio.wait(
                either, timeout=self._limits.idle_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not reading.done() and self._stopping.done():
                # What has arrived already is read even when time is up.
                await asyncio.wait({reading}, timeout=self._patience(loop.time(), heard))
            return reading.result() if reading.done() else b""
        finally:
            reading.cancel()

    def _patience(self, now: float, heard: float) -> float:
        if now >= self._deadline:
            return _ARRIVED_S
        return _GRACE_S if now - heard < _IDLE_AFTER_S else _IDLE_GRACE_S

    async def _deliver(self, batch: Batch, sender: str) -> None:
        if len(batch):
            batch = replace(batch, sender=sender)
            receipt = await deliver(self._engine, batch, patience_s=_PATIENCE_S)
            if receipt is not None:
                self._log_refused(receipt.rejected)

    def _count(self, rejected: list[Rejection]) -> None:
        if rejected:
            self._engine.telemetry.refused(self._protocol, rejected)
            self._log_refused(rejected)

    def _log_refused(self, rejected: list[Rejection]) -> None:
        told = [one for one in rejected if one.code is not Reason.FILTERED]
        if told:
            first = told[0].reason
            _log.info("samples_refused", protocol=self._protocol, samples=len(told), first=first)
