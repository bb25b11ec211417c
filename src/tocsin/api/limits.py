"""What clients may keep busy: connections, time to send a request, memory for bodies."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from litestar.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from tocsin.errors import QueueFullError

__all__ = ["BoundedBodies", "Connection", "Limits", "limited"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Of all connections together, and of each."""

    #: How many there may be; beyond, one that has not asked anything is closed for a new one.
    connections: int
    #: Seconds from connecting, or from the last answer, until a request's headers are complete.
    headers_s: float = 10.0
    #: Seconds for a body, and bytes that must come in each second beyond them.
    body_s: float = 20.0
    bytes_per_s: float = 10_000.0
    #: What is still read, and thrown away, of a body that was refused before its end: who sends it
    #: may look for the answer only then.
    rest_bytes: int = 32 * 1024 * 1024
    #: Seconds between two looks at a connection.
    look_s: float = 2.0


class Connection(H11Protocol):
    """A connection that is closed when it wastes what others need; see `Limits`."""

    limits = Limits(connections=1_000)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room, or go."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._body_since: float | None = None
        self._bytes = 0
        self._looking = self.loop.call_later(self.limits.look_s, self._look)
        if len(self.connections) > self.limits.connections:
            leaving = self._silent_longest()
            (self if leaving is None else leaving).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking."""
        self._looking.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes."""
        self._bytes += len(data)
        if self.silent and self._bytes > self.limits.rest_bytes:
            self.transport.abort()
            return
        super().data_received(data)

    def on_response_complete(self) -> None:
        """From now on the next request is waited for."""
        self._since = self.loop.time()
        self._body_since, self._bytes = None, 0
        super().on_response_complete()

    @property
    def silent(self) -> bool:
        """Whether no request is under way."""
        cycle: Any = self.cycle  # None before the first request
        return cycle is None or bool(cycle.response_complete)

    def _silent_longest(self) -> Connection | None:
        """Of the others that have no request under way, the one that has had none for longest."""
        others = [
            one
            for one in self.connections
            if isinstance(one, Connection) and one is not self and one.silent
            if not one.transport.is_closing()
        ]
        return min(others, key=lambda one: one._since, default=None)

    def _look(self) -> None:
        if self.transport.is_closing():
            return
        if self._too_slow(self.loop.time()):
            self.transport.abort()
        else:
            self._looking = self.loop.call_later(self.limits.look_s, self._look)

    def _too_slow(self, now: float) -> bool:
        limits = self.limits
        if self.silent:
            return now - self._since > limits.headers_s
        if not self.cycle.more_body or self.flow.read_paused or self._body_since is None:
            # Nothing is waited for, or it is this side that does not read.
            self._body_since, self._bytes = now, 0
            return False
        allowed = limits.body_s + self._bytes / limits.bytes_per_s
        return now - self._body_since > allowed


def limited(limits: Limits) -> type[Connection]:
    """Connections with these limits."""
    return type("LimitedConnection", (Connection,), {"limits": limits})


#: Bodies that are being received or worked on may take so many times the largest one.
_BODIES: Final = 16


class BoundedBodies:
    """Around an application: bounds the memory of all bodies that are under way together."""

    def __init__(self, app: ASGIApp, largest: int) -> None:
        self._app = app
        self._most = _BODIES * largest
        #: Bytes of the bodies that are under way.
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; reading a body that has no room raises `QueueFullError`."""
        taken = 0

        async def counted() -> Any:
            nonlocal taken
            message: Any = await receive()
            size = len(message.get("body", b""))
            if self.held + size > self._most:
                raise QueueFullError("too many large requests at once: send again a little later")
            self.held += size
            taken += size
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self.held -= taken
