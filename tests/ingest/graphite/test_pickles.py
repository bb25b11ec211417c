from __future__ import annotations

import collections
import io
import math
import pickle
import struct
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest.graphite.naive import resolved
from tocsin.errors import BadInputError
from tocsin.ingest.decoded import Decoded
from tocsin.ingest.graphite import pickles
from tocsin.ingest.graphite.pickles import LONGEST, Decoder, Frames, Session
from tocsin.ingest.graphite.unpickle import loads
from tocsin.samples import SECOND_NS, Metric

NOW = 1_800_000_000 * SECOND_NS
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**300), 2**300)
    | st.floats(allow_nan=False)
    | st.text(max_size=300)
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=5) | st.tuples(inner, inner) | st.tuples(inner),
    max_leaves=20,
)
SAMPLES = st.lists(
    st.tuples(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1).filter(
            lambda name: name.strip() and ";" not in name
        ),
        st.tuples(
            st.integers(0, 2**31) | st.floats(0, 4e9),
            st.floats(allow_nan=False) | st.integers(-(2**60), 2**60),
        ),
    ),
    max_size=20,
)


#: Small, so that it is emptied often.
DECODER = Decoder(30)


def decode(message: bytes, now: int) -> Decoded:
    """As every message is read: the quick way says what the other one does."""
    decoded = pickles.decode(message, now)
    assert resolved(DECODER.decode(message, now)) == resolved(decoded)
    return decoded


def framed(message: bytes) -> bytes:
    return struct.pack(">I", len(message)) + message


class Evil:
    def __reduce__(self) -> Any:
        return eval, ("1/0",)


@given(PLAIN, st.integers(0, 5))
def test_plain_data_is_read_as_python_reads_it(data: Any, protocol: int) -> None:
    told = pickle.dumps(data, protocol)
    # Before protocol 3 bytes are made by a function.
    if b"_codecs" in told or b"__builtin__" in told:
        with pytest.raises(BadInputError):
            loads(told)
    else:
        assert repr(loads(told)) == repr(data)


@given(SAMPLES, st.sampled_from([0, 1, 2, 3, 4, 5]), st.booleans())
def test_samples_are_read_back_in_every_protocol(
    samples: list[Any], protocol: int, lists: bool
) -> None:
    told: Any = [[name, list(pair)] for name, pair in samples] if lists else samples
    decoded = decode(pickle.dumps(told, protocol), NOW)
    assert decoded.rejected == []
    batch = decoded.batch
    assert [batch.metrics[i] for i in batch.samples.metric] == [Metric.of(n) for n, _ in samples]
    assert batch.samples.value.tolist() == [float(value) for _, (_, value) in samples]
    times = (batch.samples.timestamp / SECOND_NS).tolist()
    assert times == pytest.approx([moment for _, (moment, _) in samples], abs=1e-6)


def test_what_carbon_takes_is_taken() -> None:
    told = [
        ("a;k=v", (1_700_000_000, "2.5")),
        (b"b", ("1700000000.25", 3)),
        ("c", (-1, 4)),
        ("d", (1_700_000_000, math.nan)),
    ]
    decoded = decode(pickle.dumps(told, 4), NOW)
    assert decoded.batch.metrics == [
        Metric.of("a", {"k": "v"}),
        Metric.of("b"),
        Metric.of("c"),
        Metric.of("d"),
    ]
    assert decoded.batch.samples.value.tolist()[:3] == [2.5, 3.0, 4.0]
    assert decoded.batch.samples.timestamp.tolist()[1:3] == [
        1_700_000_000 * SECOND_NS + SECOND_NS // 4,
        NOW,
    ]
    assert math.isnan(decoded.batch.samples.value[3])  # the engine's to refuse
    assert not decoded.rejected


def test_a_pickle_of_python_2_is_read() -> None:
    told = b"(lp0\n(S'a.b'\np1\n(I1700000000\nF2.5\ntp2\ntp3\na(g1\n(I1700000060\nL3L\ntp4\ntp5\na."
    decoded = decode(told, NOW)
    assert decoded.batch.metrics == [Metric.of("a.b")]
    assert decoded.batch.samples.value.tolist() == [2.5, 3.0]


def test_a_bad_sample_is_refused_by_itself() -> None:
    good = ("good", (1_700_000_000, 1))
    bad: dict[str, list[Any]] = {
        "bad_type": [None, 5, "xy", ("a",), ("a", 5), ("a", (1, 2, 3)), (5, (1, 2)), ("a", "12")],
        "bad_timestamp": [
            ("a", (math.inf, 1)),
            ("a", (1e12, 1)),
            ("a", (None, 1)),
            ("a", ("x", 1)),
        ],
        "bad_metric": [("", (1, 1)), ("a;b", (1, 1)), ("a\0", (1, 1)), (b"\xff", (1, 1))],
    }
    values: list[Any] = [None, "x", True, 10**400, []]
    bad["bad_type"] += [("a", (1_700_000_000, value)) for value in values]
    for code, items in bad.items():
        for item in items:
            decoded = decode(pickle.dumps([good, item, good], 4), NOW)
            assert [(r.index, r.code) for r in decoded.rejected] == [(1, code)], item
            assert len(decoded.batch) == 2


@pytest.mark.parametrize(
    "strange",
    [
        {"a": 1},
        {1, 2},
        frozenset([1]),
        bytearray(b"x"),
        Evil(),
        collections.OrderedDict(a=1),
        print,
        1j,
        io.BytesIO,
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_what_is_more_than_plain_data_is_refused_whole(strange: Any, protocol: int) -> None:
    told = pickle.dumps([("a", (1_700_000_000, 1)), strange], protocol)
    decoded = decode(told, NOW)
    assert len(decoded.batch) == 0
    assert [r.code for r in decoded.rejected] == ["bad_message"]
    assert "more than lists" in decoded.rejected[0].detail


HOSTILE = {
    "memo of any number": b"]r\xff\xff\xff\xff.",
    "memo without end": b"]" + b"\x94" * 100_000 + b".",
    "marks without end": b"(" * 1_000_000,
    "lists without end": b"]" * 1_000_000 + b".",
    "lists in lists": b"]" * 500_000 + b"a" * 499_999 + b".",
    "a list in itself": b"]q\x00h\x00a.",
    "tuples of tuples": b")" + b"q\x00h\x00\x86" * 100_000 + b".",
    "a text of 2^60 bytes": b"\x8d" + struct.pack("<Q", 2**60) + b"abc.",
    "a text of 2^64 bytes": b"\x8d" + b"\xff" * 8 + b"abc.",
    "bytes of 2^60": b"\x8e" + struct.pack("<Q", 2**60) + b".",
    "an integer of 2 GiB": b"\x8b" + struct.pack("<I", 2**31 - 1) + b"1.",
    "an integer of 100 KB": b"\x8b" + struct.pack("<I", 100_000) + b"\x7f" * 100_000 + b".",
    "digits": b"I" + b"9" * 100_000 + b"\n.",
    "a frame of 2^60": b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"].",
    "below the mark": b"]]((a.",
    "a tuple below the mark": b"KK(\x86.",
    "nothing": b".",
    "what is not there": b"h\x05.",
    "no end": b"]",
    "a name": b"cos\nsystem\n(S'true'\ntR.",
    "a name by stack": b"\x8c\x02os\x8c\x06system\x93.",
    "a registered extension": b"\x82\x01.",
    "a persistent one": b"Pabc\n.",
    "an escape": b"S'a\\x41'\n.",
}


@pytest.mark.parametrize("told", HOSTILE.values(), ids=HOSTILE)
def test_hostile_pickles_cost_what_their_bytes_cost(told: bytes) -> None:
    tracemalloc.start()
    try:
        decoded = DECODER.decode(told, NOW)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(decoded.batch) == 0
    assert len(decoded.rejected) <= len(told)
    assert peak < 200_000 + 150 * len(told)


def test_what_would_call_something_is_refused() -> None:
    for name in ("a name", "a name by stack", "a registered extension", "a persistent one"):
        with pytest.raises(BadInputError, match="more than lists"):
            loads(HOSTILE[name])


#: Of what plain messages are made: whole samples, and what may stand around their parts.
PARTS = [
    *(b"\x80\x02", b"\x80\x05", b"\x95" + bytes(8), b"]", b"(", b"e", b"a", b"."),
    *(b"q\x01", b"r\1\0\0\0", b"\x94", b"h\1", b"\x86", b"t", b"N", b"\x88"),
    *(b"\x8c\x03a.b", b"U\x01c", b"C\x00", b"X\x05\0\0\0a;k=v", b"T\x02\0\0\0\xc3\xa4"),
    *(b"\x8c\xffa", b"\x8d\x01" + bytes(7) + b"a", b"V\n", b"S'a'\n"),
    *(b"K\x05", b"M\xff\xff", b"J\xff\xff\xff\xff", b"J\0\xf1Se", b"I7\n", b"F1e3\n"),
    *(b"\x8a\x00", b"\x8a\x01\xff", b"\x8a\x08" + b"\xff" * 7 + b"\x7f", b"\x8a\x09" + b"\1" * 9),
    *(b"G" + struct.pack(">d", x) for x in (-1.0, 1.7e9, 1.7e9 + 0.5, 1e12, -0.0, math.nan)),
    b"\x8c\x01dJ\0\xf1SeG" + struct.pack(">d", 0.1) + b"\x86\x94\x86\x94",
]


@given(st.lists(st.sampled_from(PARTS), max_size=25), st.integers(0, 9))
def test_quick_and_slow_readers_say_the_same(parts: list[bytes], cut: int) -> None:
    plain = b"\x80\x04]\x94(" + b"".join(parts) + b"e."
    for message in (b"".join(parts), plain, plain[:-cut]):
        decode(message, NOW)


@given(SAMPLES, st.integers(2, 5), st.data())
def test_a_changed_byte_is_read_alike(samples: list[Any], protocol: int, data: Any) -> None:
    message = bytearray(pickle.dumps(samples * data.draw(st.integers(1, 60)), protocol))
    for _ in range(data.draw(st.integers(0, 3))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    decode(bytes(message), NOW)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 999, 1_001, 2_500])
def test_what_carbon_sends_is_read_quickly(
    protocol: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of any length: Python's pickler writes a thousand at once, in frames of 64 KiB."""
    told = [
        (f"a.b{i};k=v", (1.7e9 + i if i % 3 else 1_700_000_000 + i, i / 7)) for i in range(count)
    ]
    message = pickle.dumps(told, protocol)
    slow = pickles.decode(message, NOW)
    monkeypatch.delattr(pickles, "loads")
    for _ in range(2):
        decoded = Decoder(10_000).decode(message, NOW)
        assert resolved(decoded) == resolved(slow)
        assert len(decoded.batch) == count


@given(st.binary(max_size=300))
def test_no_bytes_break_it(data: bytes) -> None:
    decoded = decode(data, NOW)
    assert len(decoded.batch) + len(decoded.rejected) <= max(1, len(data))


@given(st.lists(st.binary(max_size=40), max_size=10), st.lists(st.integers(1, 30), min_size=1))
def test_packets_do_not_matter(messages: list[bytes], sizes: list[int]) -> None:
    stream, cutter, found, at = b"".join(map(framed, messages)), Frames(), list[bytes](), 0
    while stream:
        size, at = sizes[at % len(sizes)], at + 1
        found += cutter.feed(stream[:size])
        stream = stream[size:]
    assert found == messages
    assert cutter.pending == 0


def test_a_length_beyond_the_bound_ends_the_connection() -> None:
    session = Session(DECODER)
    good = framed(pickle.dumps([("a", (1_700_000_000, 1))], 2))
    decoded = session.feed(good + struct.pack(">I", LONGEST + 1) + good, NOW)
    assert len(decoded.batch) == 1
    assert [r.code for r in decoded.rejected] == ["bad_message"]
    assert session.broken
    assert session.pending == 0
    assert len(session.feed(good, NOW).batch) == 0


def test_a_message_without_end_is_told() -> None:
    session = Session(DECODER)
    session.feed(framed(b"abc")[:5], NOW)
    assert session.pending == 5
    assert [r.code for r in session.end()] == ["bad_message"]
