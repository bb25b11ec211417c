from __future__ import annotations

import asyncio
import socket
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.config import Config
from tocsin.engine.engine import Engine
from tocsin.errors import BadInputError, TimestampError
from tocsin.ingest.decoded import Decoded
from tocsin.ingest.graphite.fields import time_ns
from tocsin.ingest.graphite.plaintext import PROTOCOL, Decoder, Session
from tocsin.ingest.lines import Lines
from tocsin.ingest.moments import seconds_ns
from tocsin.ingest.streams import Streams
from tocsin.samples import SECOND_NS, Metric
from tocsin.store.database import open_database

NOW = 1_800_000_000 * SECOND_NS


def decode(lines: list[bytes], now: int) -> Decoded:
    return Decoder(1_000).decode(b"".join(line + b"\n" for line in lines), now)


def test_reads_names_tags_values_and_times() -> None:
    lines = [b"a.b 1 1700000000", b"a.b;k=v;j=w -2.5e3 1700000000.25\r", b"", b"  c\t3   -1 "]
    decoded = decode(lines, NOW)
    batch = decoded.batch
    assert decoded.rejected == []
    assert [batch.metrics[i] for i in batch.samples.metric] == [
        Metric.of("a.b"),
        Metric.of("a.b", {"k": "v", "j": "w"}),
        Metric.of("c"),
    ]
    assert batch.samples.value.tolist() == [1.0, -2500.0, 3.0]
    assert batch.samples.timestamp.tolist() == [
        1_700_000_000 * SECOND_NS,
        1_700_000_000 * SECOND_NS + SECOND_NS // 4,
        NOW,
    ]


def test_what_is_not_finite_is_for_the_engine_to_refuse() -> None:
    decoded = decode([b"a nan 1700000000", b"a -inf 1700000000"], NOW)
    assert [str(value) for value in decoded.batch.samples.value] == ["nan", "-inf"]
    assert not decoded.rejected


@given(st.floats(0, 1e10) | st.integers(0, 10**10).map(float))
def test_times_are_read_as_everywhere(seconds: float) -> None:
    try:
        want = seconds_ns(seconds)
    except TimestampError:
        with pytest.raises(BadInputError):
            time_ns(seconds, NOW)
    else:
        assert time_ns(seconds, NOW) == want


def test_n_means_now() -> None:
    assert decode([b"a 1 N"], NOW).batch.samples.timestamp.tolist() == [NOW]


def test_a_bad_line_is_refused_by_itself_with_a_reason() -> None:
    bad = {
        b"a 1": "bad_line",
        b"a 1 1700000000 4": "bad_line",
        b"a x 1700000000": "bad_line",
        b"a 1_0 1700000000": "bad_line",
        b"a 1 soon": "bad_timestamp",
        b"a 1 nan": "bad_timestamp",
        b"a 1 1700000000000": "bad_timestamp",
        b"\xff\xfe 1 1700000000": "bad_metric",
        b";k=v 1 1700000000": "bad_metric",
        b"a;k 1 1700000000": "bad_metric",
        b"a;=v 1 1700000000": "bad_metric",
        b"a\x00b 1 1700000000": "bad_metric",
    }
    lines = [line for one in bad for line in (one, b"good 1 1700000000")]
    decoded = decode(lines, NOW)
    assert len(decoded.batch) == len(bad)
    assert [r.index for r in decoded.rejected] == list(range(0, len(lines), 2))
    assert [r.code for r in decoded.rejected] == list(bad.values())


@given(
    st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"")), max_size=20),
    st.lists(st.integers(1, 40), min_size=1),
)
def test_packets_do_not_matter(lines: list[bytes], sizes: list[int]) -> None:
    stream, cutter = b"".join(line + b"\n" for line in lines), Lines()
    left, found, at = stream, b"", 0
    while left:
        size, at = sizes[at % len(sizes)], at + 1
        found += cutter.feed(left[:size])
        left = left[size:]
    assert found == stream
    assert cutter.rest == b""


@given(st.lists(st.integers(1, 30), min_size=1))
def test_lines_that_are_too_long_are_skipped_in_any_packets(sizes: list[int]) -> None:
    stream = b"short\n" + b"x" * 50 + b"\n" + b"y" * 10 + b"\n" + b"z" * 11 + b"\nend\n"
    cutter, told, at = Lines(longest=10), b"", 0
    while stream:
        size, at = sizes[at % len(sizes)], at + 1
        told += cutter.feed(stream[:size])
        stream = stream[size:]
        assert len(cutter.rest) <= 10
    found = told.split(b"\n")[:-1]
    # Those that were whole at once are there.
    assert [line for line in found if len(line) <= 10] == [b"short", b"y" * 10, b"end"]
    assert cutter.too_long == 5 - len(found)


def test_packets_over_udp_hold_whole_lines() -> None:
    decoded = Decoder(10).packets([b"a 1 1700000000\nb 2 N", b"", b"c 3 N\n", b"x" * 5000], NOW)
    assert decoded.batch.protocol == "graphite_udp"
    assert decoded.batch.samples.value.tolist() == [1.0, 2.0, 3.0]
    assert [r.code for r in decoded.rejected] == ["bad_line"]


@given(st.binary(max_size=200))
def test_no_bytes_break_it(data: bytes) -> None:
    lines = data.split(b"\n")
    decoded = decode(lines, NOW)
    told = len(decoded.batch) + len(decoded.rejected)
    assert told == sum(1 for line in lines if line.split())


def test_the_listener_stores_whole_lines_and_counts_the_others(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'tocsin.db'}")
    engine = Engine(database, Config())

    async def talk() -> None:
        bound = socket.create_server(("127.0.0.1", 0))
        bound.setblocking(False)
        listener = Streams(engine, PROTOCOL, partial(Session, Decoder(10)))
        await listener.start([bound])
        _, writer = await asyncio.open_connection(*bound.getsockname())
        for packet in (b"a 1 17000", b"00000\na 2 1700000001\nb", b"ad\n", b"a 3 17000"):
            writer.write(packet)
            await writer.drain()
            await asyncio.sleep(0.02)
        writer.close()
        await writer.wait_closed()
        await listener.stop()

    engine.start()
    asyncio.run(talk())
    engine.stop()
    database.dispose()
    assert engine.registry.position["seq"].tolist() == [2]
    assert engine.registry.position["value"].tolist() == [2.0]
    # "bad", and the line without an end.
    assert b'protocol="graphite",reason="bad_line"} 2.0' in engine.telemetry.text()
