from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.ingest.statsd.aggregator import GAUGES_KEPT_NS, PROTOCOL, ZEROS_NS, Aggregator
from tocsin.samples import SECOND_NS

START = 1_700_000_000 * SECOND_NS
STEP = 10 * SECOND_NS


def told(aggregator: Aggregator, at: int = START) -> dict[str, float]:
    batch = aggregator.flush(at)
    assert batch.protocol == PROTOCOL
    assert set(batch.samples.timestamp.tolist()) <= {at}
    values = batch.samples.value.tolist()
    names = [str(batch.metrics[i]) for i in batch.samples.metric]
    assert len(set(names)) == len(names)
    return dict(zip(names, values, strict=True))


def after(*packets: bytes, percentiles: tuple[float, ...] = (90.0, 95.0)) -> dict[str, float]:
    aggregator = Aggregator(percentiles)
    for packet in packets:
        assert aggregator.take(packet) == []
    return told(aggregator)


def test_counters_add_up_and_are_scaled_by_their_rate() -> None:
    assert after(b"a:1|c\na:2|c", b"a:-5|c|@0.1\nb:0.5|c\n") == {"a": -47.0, "b": 0.5}


def test_gauges_are_set_and_changed_by_their_sign() -> None:
    assert after(b"a:5|g\na:+3|g\na:-10|g\nb:+2|g\nc:7|g", b"c:1e2|g") == {
        "a": -2.0,
        "b": 2.0,
        "c": 100.0,
    }
    # How clients set a negative value.
    assert after(b"a:5|g\na:0|g\na:-3|g") == {"a": -3.0}


def test_sets_count_different_members() -> None:
    assert after(b"u:anna|s\nu:otto|s\nu:anna|s", b"v:a:b|s\nv:a|s") == {"u": 2.0, "v": 2.0}


def test_timers_are_summed_up() -> None:
    lines = b"\n".join(b"t:%d|ms" % value for value in range(1, 101))
    assert after(lines, percentiles=(50.0, 90.0, 99.9)) == {
        "t.count": 100.0,
        "t.sum": 5050.0,
        "t.mean": 50.5,
        "t.lower": 1.0,
        "t.upper": 100.0,
        "t.p50": 50.0,
        "t.p90": 90.0,
        "t.p99.9": 100.0,
    }


def test_rates_weigh_timers() -> None:
    found = after(b"t:10|ms|@0.1\nt:20|h\nt:40|d|@0.5", percentiles=(76.0, 77.0))
    assert found == {
        "t.count": 13.0,
        "t.sum": 200.0,
        "t.mean": 200 / 13,
        "t.lower": 10.0,
        "t.upper": 40.0,
        "t.p76": 10.0,
        "t.p77": 20.0,
    }


def test_several_values_in_a_message() -> None:
    assert after(b"a:1:2:3|c\ng:1:+2|g") == {"a": 6.0, "g": 3.0}


def test_tags_are_labels_in_any_order() -> None:
    found = after(
        b"a:1|c|#x:1,y:2\na:1|c|#y:2,x:1\na:1|c|@0.5|#flag\na;x=1:1|c|#x:2,\nb:1|c|#u:http://a|c:id"
    )
    assert found == {
        'a{x="1",y="2"}': 2.0,
        'a{flag="true"}': 2.0,
        'a{x="2"}': 1.0,
        'b{u="http://a"}': 1.0,
    }


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"a", "bad_line"),
        (b"a:1", "bad_line"),
        (b"a|c", "bad_line"),
        (b"a:x|c", "bad_line"),
        (b"a:|g", "bad_line"),
        (b"a:1_0|g", "bad_line"),
        (b"a:1|", "bad_type"),
        (b"a:1|m", "bad_type"),
        (b"a:1|c|@0", "bad_line"),
        (b"a:1|c|@2", "bad_line"),
        (b"a:1|c|@x", "bad_line"),
        (b"a:1|c|@nan", "bad_line"),
        (b"a:1|c|what", "bad_line"),
        (b"a:1|c|T1700000000", "bad_timestamp"),
        (b"a:nan|g", "not_finite"),
        (b"a:inf|ms", "not_finite"),
        (b":1|c", "bad_metric"),
        (b"\xff:1|c", "bad_metric"),
        (b"a:1|c|#:x", "bad_metric"),
        (b"a:1|c|#x:\xff", "bad_metric"),
        (b"_e{1,1}:a|b", "bad_line"),
        (b"_sc|a|0", "bad_line"),
        (b"a:" + b"1" * 5_000 + b"|c", "bad_line"),
    ],
)
def test_a_bad_line_is_refused_by_itself(line: bytes, code: str) -> None:
    aggregator = Aggregator()
    rejected = aggregator.take(b"good:1|c\n" + line + b"\ngood:2|c")
    assert [(r.index, r.code) for r in rejected] == [(1, code)]
    assert told(aggregator) == {"good": 3.0}


def test_a_name_has_one_type() -> None:
    aggregator = Aggregator()
    rejected = aggregator.take(b"a:1|c\na:2|g\na:1|c|#x:1,y:1\na:3|ms|#y:1,x:1")
    assert [(r.index, r.code) for r in rejected] == [(1, "bad_type"), (3, "bad_type")]
    assert told(aggregator) == {"a": 1.0, 'a{x="1",y="1"}': 1.0}


def test_what_is_silent_is_told_as_zero_for_a_while_and_gauges_not_at_all() -> None:
    aggregator = Aggregator()
    aggregator.take(b"c:1|c\ng:5|g\ns:x|s\nt:1|ms")
    first = told(aggregator)
    assert first["c"] == 1.0
    last = START + ZEROS_NS
    for at in range(START + STEP, last + 1, STEP):
        assert told(aggregator, at) == {"c": 0.0, "s": 0.0, "t.count": 0.0}
    assert told(aggregator, last + STEP) == {}
    assert len(aggregator) == 1
    aggregator.take(b"g:+1|g\nc:2|g")
    assert told(aggregator, last + 2 * STEP) == {"g": 6.0, "c": 2.0}
    assert told(aggregator, last + 3 * STEP + GAUGES_KEPT_NS) == {}
    assert len(aggregator) == 0


def test_a_clock_that_is_set_back_loses_nothing() -> None:
    aggregator = Aggregator()
    aggregator.take(b"c:1|c")
    assert told(aggregator) == {"c": 1.0}
    aggregator.take(b"c:2|c")
    assert told(aggregator, START - STEP) == {}
    aggregator.take(b"c:3|c")
    assert told(aggregator, START + STEP) == {"c": 5.0}


def test_names_and_what_they_hold_are_bounded() -> None:
    aggregator = Aggregator(most=2)
    rejected = aggregator.take(b"a:1|c\nb:1|c\nc:1|c\na:1|c")
    assert [(r.index, r.code) for r in rejected] == [(2, "too_many_metrics")]
    many = Aggregator((50.0,))
    many.take(b"\n".join(b"t:%d|ms" % (value % 1000) for value in range(40_000)))
    found = told(many)
    assert found["t.count"] == 40_000
    assert found["t.sum"] == sum(value % 1000 for value in range(40_000))
    assert (found["t.lower"], found["t.upper"]) == (0, 999)
    # A fair choice of 10,000: six standard errors.
    assert abs(found["t.p50"] - 499.5) < 6 * 1000 * math.sqrt(0.25 / 10_000)


@given(
    st.lists(
        st.tuples(st.integers(-(10**6), 10**6), st.sampled_from([1, 2, 4, 10])),
        min_size=1,
        max_size=50,
    ),
    st.integers(1, 5),
)
def test_packets_do_not_matter(values: list[tuple[int, int]], size: int) -> None:
    lines = [
        f"{name}:{value}|{kind}|@{1 / every}".encode()
        for value, every in values
        for name, kind in (("c", "c"), ("t", "ms"))
    ]
    packets = [b"\n".join(lines[at : at + size]) for at in range(0, len(lines), size)]
    found = after(*packets)
    whole = [(Fraction(value), every) for value, every in values]
    assert found["c"] == pytest.approx(float(sum(value * every for value, every in whole)))
    assert found["t.count"] == sum(every for _, every in whole)
    spread = sorted(float(value) for value, every in whole for _ in range(every))
    assert found["t.p90"] == spread[math.ceil(0.9 * len(spread)) - 1]
    assert found["t.lower"] <= found["t.mean"] <= found["t.upper"]


@given(st.binary(max_size=200))
def test_no_bytes_break_it(data: bytes) -> None:
    aggregator = Aggregator()
    rejected = aggregator.take(data)
    lines = [line for line in data.split(b"\n") if line.strip()]
    assert len(rejected) <= len(lines)
    assert len(aggregator.flush(START)) <= 7 * len(lines)
