from __future__ import annotations

import math
import re
from typing import Any

import line_protocol_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb_client.client.write.point import Point as ClientPoint

from tests.ingest.influx_lines import MEASUREMENTS, NAMES, POINTS, SIMPLE_POINTS, Point, named
from tocsin.engine.batch import Reason
from tocsin.errors import BadInputError, TooLargeError
from tocsin.ingest.decoded import Decoded
from tocsin.ingest.influx import Decoder
from tocsin.samples import SECOND_NS

NOW = 1_800_000_000 * SECOND_NS
Row = tuple[str, dict[str, str], int, float]


def decode(body: bytes, now: int, **told: Any) -> Decoded:
    return Decoder(1_000).decode(body, now, **told)


def rows(decoded: Decoded) -> list[Row]:
    """Name, labels, time and value of each sample."""
    samples, metrics = decoded.batch.samples, decoded.batch.metrics
    columns = zip(samples.metric, samples.timestamp, samples.value, strict=True)
    return [(metrics[m].name, dict(metrics[m].labels), int(t), float(v)) for m, t, v in columns]


def codes(decoded: Decoded) -> list[tuple[int, str]]:
    return [(one.index, one.code.value) for one in decoded.rejected]


def test_fields_are_metrics_and_tags_are_labels() -> None:
    told = decode(b"cpu,host=a,core=0 idle=98.25,procs=3i,up=true,value=7u 17\nload value=.5", NOW)
    labels = {"host": "a", "core": "0"}
    assert rows(told) == [
        ("cpu.idle", labels, 17, 98.25),
        ("cpu.procs", labels, 17, 3.0),
        ("cpu.up", labels, 17, 1.0),
        ("cpu", labels, 17, 7.0),
        ("load", {}, NOW, 0.5),
    ]
    assert not told.rejected
    assert told.batch.protocol == "influxdb"


@pytest.mark.parametrize(
    ("precision", "ns"),
    [
        ("", 1),
        ("ns", 1),
        ("n", 1),
        ("us", 10**3),
        ("u", 10**3),
        ("ms", 10**6),
        ("s", 10**9),
        ("m", 60 * 10**9),
        ("h", 3600 * 10**9),
    ],
)
def test_times_have_the_unit_that_is_asked_for(precision: str, ns: int) -> None:
    assert rows(decode(b"a value=1 3", NOW, precision=precision)) == [("a", {}, 3 * ns, 1.0)]


def test_an_unknown_precision_is_told() -> None:
    with pytest.raises(BadInputError, match="must be one of n, ns"):
        decode(b"a value=1 3", NOW, precision="fortnight")


LITERALS = {
    b"1": 1.0,
    b"-1": -1.0,
    b"1.5e-3": 0.0015,
    b"2.": 2.0,
    b"9223372036854775807i": 2.0**63,
    b"-9223372036854775808i": -(2.0**63),
    b"18446744073709551615u": 2.0**64,
    b"t": 1.0,
    b"True": 1.0,
    b"F": 0.0,
    b"false": 0.0,
}


@pytest.mark.parametrize(("text", "value"), LITERALS.items())
def test_every_kind_of_number_is_read(text: bytes, value: float) -> None:
    assert rows(decode(b"a value=" + text, NOW)) == [("a", {}, NOW, value)]


@pytest.mark.parametrize(
    "text",
    [
        b"x",
        b"1x",
        b"1_0",
        b"i",
        b"1.5i",
        b"9223372036854775808i",
        b"-1u",
        b"tRUE",
        b"0x1p3",
        b"1=2",
        b"9" * 1_001,
        b"18446744073709551616u",
        b"1" * 40 + b"i",
    ],
)
def test_a_bad_value_is_refused_by_itself(text: bytes) -> None:
    told = decode(b"a x=" + text + b",y=2 5", NOW)
    assert rows(told) == [("a.y", {}, 5, 2.0)]
    assert codes(told) == [(0, "bad_type")]


def test_what_is_not_finite_is_for_the_engine_to_refuse() -> None:
    told = decode(b"a x=nan,y=-inf,z=1e999", NOW)
    assert [str(value) for *_, value in rows(told)] == ["nan", "-inf", "inf"]


def test_strings_are_passed_over_and_counted() -> None:
    told = decode(b'system,host=a uptime=12i,uptime_format="1 day,  3:00",load="x=1" 5', NOW)
    assert rows(told) == [("system.uptime", {"host": "a"}, 5, 12.0)]
    assert codes(told) == [(0, "not_numeric"), (0, "not_numeric")]


def test_strings_may_go_over_lines() -> None:
    told = decode(b'a s="one\ntwo \\" three\n",x=1 5\nb value=2 6', NOW)
    assert rows(told) == [("a.x", {}, 5, 1.0), ("b", {}, 6, 2.0)]


def test_backslashes_escape_only_what_separates() -> None:
    line = rb"m\,e\ a=s\ure,t\=a\ g=v\,a\\l,p=c:\dir f\ i\=e\,ld=1 5"
    (row,) = rows(decode(line, NOW))
    assert row == ("m,e a=s\\ure.f i=e,ld", {"t=a g": "v,a\\\\l", "p": "c:\\dir"}, 5, 1.0)


def test_what_is_between_lines_is_passed_over() -> None:
    body = b"# comment with a=1 5\n\n  \na value=1 5\r\n\ta value=2  6 \r\n #x\na  value=3 7"
    assert [value for *_, value in rows(decode(body, NOW))] == [1.0, 2.0, 3.0]
    assert not decode(body, NOW).rejected


BAD = {
    b"a": "bad_line",
    b"a ": "bad_line",
    b"a 5": "bad_line",
    b"a x": "bad_line",
    b"a x=": "bad_line",
    b"a =1": "bad_line",
    b"a x=1,": "bad_line",
    b"a x=1,,y=2": "bad_line",
    b'a x="shut"more': "bad_line",
    b"a x=1 5 6": "bad_line",
    b"a x=1 soon": "bad_timestamp",
    b"a x=1 1.5": "bad_timestamp",
    b"a x=1 9214646400000000000": "bad_timestamp",
    b"a x=1 99999999999999999999": "bad_timestamp",
    b",t=v x=1": "bad_metric",
    b"a,t x=1": "bad_metric",
    b"a,t= x=1": "bad_metric",
    b"a,=v x=1": "bad_metric",
    b"a,t=v=w x=1": "bad_metric",
    b"a,t=v,t=w x=1": "bad_metric",
    b"a\xff x=1": "bad_metric",
    b"a x\xff=1": "bad_metric",
    b"a\x01 x=1": "bad_metric",
}


def test_a_bad_line_is_refused_by_itself_and_named() -> None:
    lines = [line for one in BAD for line in (one, b"good value=1 5")]
    told = decode(b"\n".join(lines), NOW)
    assert len(told.batch) == len(BAD)
    assert codes(told) == [(2 * i, code) for i, code in enumerate(BAD.values())]
    for one, refused in zip(BAD, told.rejected, strict=True):
        assert refused.detail.startswith(f"unable to parse '{one.decode(errors='replace')}': ")


def test_a_string_without_end_is_a_bad_line() -> None:
    told = decode(b'a x=1,s="open\nb value=2 5', NOW)
    assert rows(told) == [("b", {}, 5, 2.0)]
    assert "unbalanced quotes" in told.rejected[0].detail


def test_more_fields_than_allowed_are_refused() -> None:
    body = b'a x=1,y=2,s="t",z=x'
    assert len(decode(body, NOW, most=4).batch) == 2
    with pytest.raises(TooLargeError, match="more than 3 fields"):
        decode(body, NOW, most=3)


@given(st.lists(POINTS, max_size=6), st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_what_is_written_is_read(points: list[Point], end: str) -> None:
    body = "".join(point.line() + end for point in points).encode()
    told = decode(body, NOW)
    assert rows(told) == [row for point in points for row in point.samples(NOW)]
    texts = sum(isinstance(of, str) for point in points for of in point.fields.values())
    assert [r.code for r in told.rejected] == [Reason.NOT_NUMERIC] * texts


@given(st.lists(st.lists(POINTS, max_size=4), max_size=4), st.integers(0, 20))
def test_what_is_remembered_changes_nothing(bodies: list[list[Point]], most: int) -> None:
    decoder = Decoder(most)
    for _ in range(2):
        for points in bodies:
            body = "\n".join(point.line() for point in points).encode()
            assert rows(decoder.decode(body, NOW)) == rows(decode(body, NOW))


@given(MEASUREMENTS, st.dictionaries(NAMES, NAMES, max_size=3), NAMES, st.integers(0, 2**60))
def test_lines_of_the_influxdb_client_are_read(
    measurement: str, tags: dict[str, str], field: str, time: int
) -> None:
    point = ClientPoint(measurement).field(field, 1.5).time(time)
    for key, text in tags.items():
        point.tag(key, text)
    expected = [(named(measurement, field), tags, time, 1.5)]
    assert rows(decode(point.to_line_protocol().encode(), NOW)) == expected


@given(SIMPLE_POINTS)
def test_another_parser_reads_the_same(point: Point) -> None:
    told: dict[str, Any] = line_protocol_parser.parse_line(point.line())
    numbers = {key: of for key, of in told["fields"].items() if not isinstance(of, str)}
    expected = [
        (named(told["measurement"], key), told["tags"], told["time"], float(of))
        for key, of in numbers.items()
    ]
    assert sorted(rows(decode(point.line().encode(), NOW)), key=str) == sorted(expected, key=str)


PIECES = [b"a", b",", b"=", b" ", b"\\", b'"', b"\n", b"1", b"i", b"t", b"#", b"\r", b"\xff", b"."]


@given(st.binary(max_size=100) | st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join))
def test_no_bytes_break_it(body: bytes) -> None:
    told = decode(body, NOW)
    assert len(told.batch) + len(told.rejected) <= len(body) / 3 + 1
    assert len(told.batch.metrics) >= len({int(i) for i in told.batch.samples.metric})
    assert all(math.isfinite(time) for _, _, time, _ in rows(told))


@given(st.lists(st.sampled_from([b"a", b"b", b",", b"=", b" ", b"1", b"\n"]), max_size=40))
def test_the_quick_way_reads_what_the_exact_way_does(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    # A space before each line leaves the quick way nothing to take.
    exact = decode(re.sub(rb"(?m)^", b" ", body), NOW)
    quick = decode(body, NOW)
    assert rows(quick) == rows(exact)
    assert codes(quick) == codes(exact)
