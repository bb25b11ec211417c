"""Lines as the compiled scan reads them, beside a reader in plain Python."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.ingest.graphite import naive
from tests.ingest.graphite.naive import told
from tocsin.engine.telemetry import Telemetry
from tocsin.ingest.graphite import plaintext
from tocsin.ingest.graphite.fields import fresh_metric
from tocsin.ingest.graphite.plaintext import Decoder, Session
from tocsin.ingest.lines import LONGEST
from tocsin.ingest.moments import LATEST_S
from tocsin.ingest.turns import Turns
from tocsin.samples import SECOND_NS

NOW = 1_800_000_000 * SECOND_NS

NAMES = st.sampled_from(
    [b"a", b"b.c", b"a;k=v", b"a;k=v;j=w", b"a;j=w;k=v", b";k=v", b"a;k", b"a;=v", b"\xff\xfe",
     "grüße;ö=ä".encode(), b"a\x00b", b"\x00", b"\x1c", b"a\x85", b"x" * 3_000, b"#", b"-1", b"N"]
) | st.binary(min_size=1, max_size=12)  # fmt: skip
DIGITS = st.text("0123456789", max_size=24)
DECIMALS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "-", "+", "--"]),
        DIGITS,
        st.sampled_from(["", ".", "..", "_"]),
        DIGITS,
        st.sampled_from(["", "e5", "E-7", "e+308", "e-400", "e", "e99999999999999999999", "e1.5"]),
    ),
).map(str.encode)
ODD = [b"nan", b"NaN", b"-nan", b"nanx", b"nam", b"inf", b"-Infinity", b"1_000", b"0x10", b"1,5",
       b"-0", b"-0.0", b"1e999", b"\xd9\xa1", b"", b"\x001", b"1\x00", b"4e-324", b"True",
       b"179769313486231580793728971405301e276", b"9007199254740993", b"0.1"]  # fmt: skip
VALUES = (
    st.floats().map(repr).map(str.encode)
    | st.integers().map(str).map(str.encode)
    | DECIMALS
    | st.sampled_from(ODD)
)
MOMENTS = (
    st.sampled_from(
        [b"N", b"-1", b"-1.0", b"-1e0", b"-01", b"n", b"NN", b"-2", b"1700000000", b"1700000000.25",
         b"1700000000.1234567", b"01700000000", b"1700000000000", b"1.7e9", b"nan", b"inf", b"0",
         b"1_0", b".5", b"1700000000.", b"+5", b"-0", b"soon", b"1700000000.9999999999"]
    )
    | st.integers(LATEST_S - 2, LATEST_S + 1).flatmap(
        lambda s: st.sampled_from([f"{s}", f"{s}.5", f"{s}.99999999999999"])
    ).map(str.encode)
    | st.floats(0, 1e10).map(repr).map(str.encode)
    | DECIMALS
)  # fmt: skip
SPACE = st.sampled_from([b" ", b"  ", b"\t", b" \x0b", b"\x0c", b"\r", b" \t "])
EDGE = st.sampled_from([b"", b"", b"", b"\r", b" ", b"\t", b"\x0b\x0c"])
PLAIN = st.builds(
    lambda name, value, moment: b"%s %s %d" % (name, repr(value).encode(), moment),
    st.sampled_from([b"a", b"b.c", b"a;k=v", b"\xff"]),
    st.floats(-1e6, 1e6).map(lambda value: round(value, 3)),
    st.integers(0, 2_000_000_000),
)
LINE = (
    PLAIN
    | st.tuples(EDGE, NAMES, SPACE, VALUES, SPACE, MOMENTS, EDGE).map(b"".join)
    | st.tuples(NAMES, SPACE, VALUES, SPACE, MOMENTS, SPACE, VALUES).map(b"".join)
    | st.tuples(NAMES, SPACE, VALUES).map(b"".join)
    | st.sampled_from([b"", b"\r", b" \t\x0b\x0c\r", b"\x00"])
    | st.integers(LONGEST - 12, LONGEST + 2).map(lambda size: b"y" * (size - 4) + b" 1 1")
    | st.binary(max_size=30)
)
STREAM = st.lists(LINE, max_size=12).map(b"\n".join)


@given(st.lists(STREAM, max_size=4), st.integers(0, 5))
@example([b"a 1 1\n" * 40, b"", b"b 2 N"], 1)
@settings(max_examples=400)
def test_datagrams_are_read_as_in_plain_python(packets: list[bytes], limit: int) -> None:
    """Again with all of it known, as far as there is room."""
    decoder = Decoder(limit)
    for _ in range(2):
        assert told(decoder.packets(packets, NOW)) == told(naive.packets(packets, NOW))


@given(STREAM, st.lists(st.integers(0, 60), min_size=1), st.integers(0, 5))
@settings(max_examples=400)
def test_streams_are_read_as_in_plain_python_wherever_they_are_cut(
    stream: bytes, sizes: list[int], limit: int
) -> None:
    decoder = Decoder(limit)
    session, slow = Session(decoder), naive.Session()
    at, number = 0, 0
    while at < len(stream):
        # At least a hundredth, for lines of thousands of bytes.
        size = max(sizes[number % len(sizes)], len(stream) // 100, number % 2)
        piece = stream[at : at + size]
        assert told(session.feed(piece, NOW)) == told(slow.feed(piece, NOW))
        assert session.pending == len(slow.rest)
        at, number = at + size, number + 1
    assert [one.code for one in session.end()] == ["bad_line"] * bool(slow.rest.strip())


@given(VALUES)
@settings(max_examples=500)
def test_values_have_the_bits_of_python(value: bytes) -> None:
    line = b"a %s 1700000000\n" % value
    assert told(Decoder(1).decode(line, NOW)) == told(naive.Session().feed(line, NOW))


@given(MOMENTS)
@settings(max_examples=500)
def test_times_are_those_of_python(moment: bytes) -> None:
    line = b"a 1 %s\n" % moment
    assert told(Decoder(1).decode(line, NOW)) == told(naive.Session().feed(line, NOW))


def test_a_line_without_end_is_skipped_to_its_end_however_it_comes() -> None:
    for size in (100, LONGEST, LONGEST + 1, 10_000):
        session, slow = Session(Decoder(5)), naive.Session()
        stream = b"a 1 1\n" + b"x" * 9_000 + b" 1 1\nb 2 2\n" + b"y" * 5_000
        for at in range(0, len(stream), size):
            piece = stream[at : at + size]
            assert told(session.feed(piece, NOW)) == told(slow.feed(piece, NOW))
            assert session.pending <= LONGEST


def test_names_do_not_take_memory_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []

    def fresh(name: bytes) -> object:
        made.append(name)
        return plain(name)

    plain = fresh_metric
    monkeypatch.setattr(plaintext, "fresh_metric", fresh)
    monkeypatch.setattr(plaintext, "_MOST_BYTES", 10)
    decoder = Decoder(1_000)
    # 3 bytes, then 8 more: one decoding later they are forgotten.
    for line in (b"abc 1 1\n", b"abcdefgh 1 1\n", b"abc 1 1\n", b"abc 1 1\n"):
        decoder.decode(line, NOW)
    assert made == [b"abc", b"abcdefgh", b"abc"]


def test_decoders_work_by_turns_and_the_first_time_beside_the_event_loop() -> None:
    telemetry, threads, busy = Telemetry(), list[int](), threading.Lock()

    def work() -> None:
        assert busy.acquire(blocking=False)
        threads.append(threading.get_ident())
        busy.release()

    async def whole() -> None:
        turns = Turns(telemetry)
        await asyncio.gather(*(turns.take(work) for _ in range(5)))
        await asyncio.gather(*(turns.take(partial(work), large=True) for _ in range(5)))
        # Who gives up does not let another one in before the work is over.
        going = asyncio.Event()
        loop = asyncio.get_running_loop()
        over = threading.Event()

        def long() -> None:
            assert busy.acquire(blocking=False)
            loop.call_soon_threadsafe(going.set)
            over.wait(10)
            busy.release()

        impatient = asyncio.create_task(turns.take(long, large=True))
        await going.wait()
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        next_one = asyncio.create_task(turns.take(work, large=True))
        await asyncio.sleep(0.05)
        over.set()
        await next_one

    asyncio.run(whole())
    here = threading.get_ident()
    assert [thread == here for thread in threads] == [False, *[True] * 4, *[False] * 6]
    assert b'tocsin_stage_seconds_total{stage="decode"}' in telemetry.text()
