from __future__ import annotations

import asyncio
import pickle
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tocsin.config import Config
from tocsin.engine.engine import Engine
from tocsin.ingest.datagrams import Datagrams, Packets
from tocsin.ingest.graphite import pickles, plaintext
from tocsin.ingest.streams import Limits, Streams
from tocsin.store.database import open_database

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Connection]]


@pytest.fixture(name="engine")
def engine_fixture(tmp_path: Path) -> Iterator[Engine]:
    database = open_database(f"sqlite:///{tmp_path / 'tocsin.db'}")
    engine = Engine(database, Config())
    engine.start()
    yield engine
    engine.stop()
    database.dispose()


def lines() -> plaintext.Session:
    return plaintext.Session(plaintext.Decoder(10))


def talk(streams: Streams, conversation: Callable[[Connect], Awaitable[None]]) -> None:
    """Start a listener, hold a conversation with it, stop it."""

    async def whole() -> None:
        bound = socket.create_server(("127.0.0.1", 0))
        bound.setblocking(False)
        await streams.start([bound])
        address = bound.getsockname()
        await conversation(lambda: asyncio.open_connection(*address))
        await streams.stop()

    asyncio.run(whole())


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.005)


def stored(engine: Engine) -> dict[str, float]:
    last = engine.registry.position["value"]
    return {str(m): float(last[row]) for row, m in enumerate(engine.registry.metrics)}


async def closed(connection: Connection) -> bool:
    async with asyncio.timeout(20):
        try:
            return await connection[0].read() == b""
        except ConnectionResetError:
            return True


def test_a_slow_sender_does_not_hold_another(engine: Engine) -> None:
    async def conversation(connect: Connect) -> None:
        _, slow = await connect()
        slow.write(b"slow 1 170000")
        _, other = await connect()
        other.write(b"other 1 1700000000\n")
        await until(lambda: stored(engine) == {"other": 1.0})
        slow.write(b"0000\n")
        slow.close()
        other.close()

    talk(Streams(engine, plaintext.PROTOCOL, lines), conversation)
    assert stored(engine) == {"other": 1.0, "slow": 1.0}


def test_too_many_connections_are_closed_at_once_and_the_others_go_on(engine: Engine) -> None:
    async def conversation(connect: Connect) -> None:
        (_, one), (_, two) = await connect(), await connect()
        two.write(b"b 2 1700000000\n")
        await until(lambda: stored(engine) == {"b": 2.0})
        third = await connect()
        assert await closed(third)
        third[1].close()
        one.write(b"a 1 1700000000\n")
        one.close()
        two.close()

    limits = Limits(connections=2)
    talk(Streams(engine, plaintext.PROTOCOL, lines, limits), conversation)
    assert stored(engine) == {"a": 1.0, "b": 2.0}


def test_a_new_connection_takes_the_place_of_the_most_silent_one(engine: Engine) -> None:
    async def conversation(connect: Connect) -> None:
        first, second = await connect(), await connect()
        second[1].write(b"b 2 1700000000\n")
        await until(lambda: stored(engine) == {"b": 2.0})
        third = await connect()
        third[1].write(b"c 3 1700000000\n")
        assert await closed(first)
        await until(lambda: stored(engine) == {"b": 2.0, "c": 3.0})
        for connection in (first, second, third):
            connection[1].close()

    limits = Limits(connections=2, spare_s=0.0)
    talk(Streams(engine, plaintext.PROTOCOL, lines, limits), conversation)


def test_who_says_nothing_is_closed(engine: Engine) -> None:
    async def conversation(connect: Connect) -> None:
        silent = await connect()
        silent[1].write(b"half a li")
        assert await closed(silent)
        silent[1].close()

    limits = Limits(idle_s=0.2)
    talk(Streams(engine, plaintext.PROTOCOL, lines, limits), conversation)
    assert b'protocol="graphite",reason="bad_line"} 1.0' in engine.telemetry.text()


def _messages() -> pickles.Session:
    return pickles.Session(pickles.Decoder(10))


def test_messages_without_end_are_bounded_over_all_connections(engine: Engine) -> None:
    async def conversation(connect: Connect) -> None:
        hoarders = [await connect() for _ in range(4)]
        for _, writer in hoarders:
            writer.write(struct.pack(">I", 500_000) + b"x" * 400_000)
            await writer.drain()
            await asyncio.sleep(0.05)
        assert await closed(hoarders[0])
        told = pickle.dumps([("good", (1_700_000_000, 1))], 2)
        _, good = await connect()
        good.write(struct.pack(">I", len(told)) + told)
        await until(lambda: stored(engine) == {"good": 1.0})
        for _, writer in [*hoarders, (None, good)]:
            writer.close()

    limits = Limits(pending=1_300_000)
    talk(Streams(engine, pickles.PROTOCOL, _messages, limits), conversation)


def test_a_connection_whose_stream_is_broken_is_closed(engine: Engine) -> None:
    async def conversation(connect: Connect) -> None:
        broken = await connect()
        broken[1].write(b"GET / HTTP/1.1\r\n\r\n")
        assert await closed(broken)
        broken[1].close()

    talk(Streams(engine, pickles.PROTOCOL, _messages), conversation)
    assert b'protocol="graphite_pickle",reason="bad_message"} 1.0' in engine.telemetry.text()


def test_datagrams_are_stored_and_the_bad_lines_counted(engine: Engine) -> None:
    async def whole() -> None:
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.bind(("127.0.0.1", 0))
        bound.setblocking(False)
        listener = Datagrams(engine, plaintext.UDP, plaintext.Decoder(10).packets)
        await listener.start([bound])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for packet in (b"a 1 1700000000\na 2 1700000001\n", b"b 3 N", b"", b"bad\nb x 1\n"):
                sender.sendto(packet, bound.getsockname())
        await listener.stop()

    asyncio.run(whole())
    assert stored(engine) == {"a": 2.0, "b": 3.0}
    assert b'protocol="graphite_udp",reason="bad_line"} 2.0' in engine.telemetry.text()


def test_datagrams_wait_within_a_bound() -> None:
    lost: list[bytes] = []

    async def whole() -> None:
        packets = Packets(lost.append, most=1_000)
        for number in range(10):
            packets.put("a", b"%d" % number * 50)
        assert [data[:1] for _, data in await packets.take()] == [b"0", b"1", b"2", b"3", b"4"]
        packets.put("b", b"x")
        assert await packets.take() == [("b", b"x")]
        await packets.close()
        assert await packets.take() == []

    asyncio.run(whole())
    assert [data[:1] for data in lost] == [b"5", b"6", b"7", b"8", b"9"]
