"""Connections that waste what others need, at a server of this process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvicorn
from litestar.types import Receive, Scope, Send

from tocsin.api.limits import BoundedBodies, Limits, limited
from tocsin.errors import QueueFullError

QUICK = Limits(3, headers_s=0.2, body_s=0.2, bytes_per_s=100, look_s=0.05)
Talk = Callable[[tuple[str, int]], Awaitable[None]]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers how long the body is."""
    size, more = 0, True
    while more:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    text = str(size).encode()
    headers = [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text, "more_body": False})


def served(limits: Limits, talk: Talk) -> None:
    """Run a server for as long as ``talk`` lasts."""

    async def run() -> None:
        config = uvicorn.Config(echo, http=limited(limits), lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as bound:
            serving = asyncio.create_task(server._serve([bound]))
            while not server.started:
                await asyncio.sleep(0.01)
            await talk(bound.getsockname())
            server.should_exit = True
            await serving

    asyncio.run(run())


async def asked(address: tuple[str, int], body: bytes = b"") -> bytes:
    """The last line of the answer to a whole request."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
    writer.write(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    answer = await reader.read()
    writer.close()
    return answer.rpartition(b"\r\n")[2]


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the other side closes, before long."""
    try:
        return await asyncio.wait_for(reader.read(), 5) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("begin", [b"", b"POST / HTTP/1.1\r\nHost: x\r\nContent-"])
def test_who_sends_no_headers_is_left(begin: bytes) -> None:
    async def talk(address: tuple[str, int]) -> None:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(begin)
        assert await ended(reader)
        writer.close()

    served(QUICK, talk)


def test_who_sends_a_body_too_slowly_is_left() -> None:
    async def talk(address: tuple[str, int]) -> None:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")

        async def drip() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        assert await ended(reader)
        dripping.cancel()
        writer.close()

    served(QUICK, talk)


def test_who_sends_steadily_may_take_long() -> None:
    async def talk(address: tuple[str, int]) -> None:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
        writer.write(b"Content-Length: 1000\r\n\r\n")
        for _ in range(10):
            writer.write(b"x" * 100)
            await asyncio.sleep(0.1)
        assert (await reader.read()).endswith(b"\r\n1000")
        writer.close()

    served(QUICK, talk)


def test_a_new_connection_takes_the_place_of_the_one_silent_longest() -> None:
    async def talk(address: tuple[str, int]) -> None:
        silent = [await asyncio.open_connection(*address) for _ in range(3)]
        assert await asked(address, b"12345") == b"5"
        assert await ended(silent[0][0])
        for _, writer in silent:
            writer.close()

    served(Limits(3), talk)


def test_requests_under_way_are_not_given_up_for_new_ones() -> None:
    async def talk(address: tuple[str, int]) -> None:
        busy = [await asyncio.open_connection(*address) for _ in range(3)]
        for _, writer in busy:
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
            writer.write(b"Content-Length: 2\r\n\r\nx")
        await asyncio.sleep(0.1)
        reader, late = await asyncio.open_connection(*address)
        assert await ended(reader)
        for reader, writer in busy:
            writer.write(b"y")
            assert (await reader.read()).endswith(b"\r\n2")
            writer.close()
        late.close()

    served(Limits(3), talk)


def test_bodies_share_a_bounded_room() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        entered.set()
        await leave.wait()

    def of(size: int) -> Coroutine[Any, Any, None]:
        async def receive() -> Any:
            return {"type": "http.request", "body": bytes(size), "more_body": False}

        return bounded({}, receive, None)  # type: ignore[arg-type]

    async def run() -> None:
        first = asyncio.create_task(of(150))
        await entered.wait()
        with pytest.raises(QueueFullError):
            await of(20)
        assert bounded.held == 150
        leave.set()
        await first
        await of(20)
        assert bounded.held == 0

    bounded = BoundedBodies(app, 10)
    asyncio.run(run())
