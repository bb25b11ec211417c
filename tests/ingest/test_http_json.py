from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.engine.batch import Reason, Receipt, Rejection
from tocsin.errors import BadInputError, TimestampError, TooLargeError
from tocsin.ingest.http_json import Decoded, Decoder, decode, decode_lines
from tocsin.ingest.moments import iso_ns, moment_ns
from tocsin.samples import SECOND_NS, Metric, iso

ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
GOOD = {"metric": "m", "timestamp": 1.5, "value": 2}


def body(*samples: Any) -> bytes:
    return json.dumps({"samples": samples}).encode()


def test_reads_columns() -> None:
    other = {"metric": "m", "labels": {"a": "b"}, "timestamp": "1970-01-01T00:00:02Z", "value": 3}
    decoded = decode(body(GOOD, other, GOOD), 10)
    assert decoded.batch.metrics == [Metric.of("m"), Metric.of("m", {"a": "b"})]
    assert decoded.batch.samples.metric.tolist() == [0, 1, 0]
    assert decoded.batch.samples.timestamp.tolist() == [1_500_000_000, 2 * SECOND_NS, 1_500_000_000]
    assert decoded.batch.samples.value.tolist() == [2.0, 3.0, 2.0]
    assert decoded.rejected == []


@given(st.lists(ANY | st.fixed_dictionaries(dict.fromkeys(GOOD, ANY)), max_size=6))
def test_whatever_stands_beside_good_samples_they_are_read(strange: list[Any]) -> None:
    decoded = decode(body(GOOD, *strange, GOOD), 100)
    places = {*decoded.places.tolist(), *(r.index for r in decoded.rejected)}
    assert places == set(range(len(strange) + 2))
    assert len(decoded.batch) + len(decoded.rejected) == len(strange) + 2
    assert {0, len(strange) + 1} <= set(decoded.places.tolist())


@given(st.lists(ANY | st.fixed_dictionaries(dict.fromkeys(GOOD, ANY)), max_size=6))
def test_lines_are_read_as_the_samples_of_a_body_are(strange: list[Any]) -> None:
    told = [GOOD, *strange, GOOD]
    whole = decode(body(*told), 100)
    lines = decode_lines("\n".join(map(json.dumps, told)).encode(), 100)
    assert lines.batch.metrics == whole.batch.metrics
    assert lines.places.tolist() == whole.places.tolist()
    assert lines.batch.samples.timestamp.tolist() == whole.batch.samples.timestamp.tolist()
    assert repr(lines.batch.samples.value) == repr(whole.batch.samples.value)
    assert [(r.index, r.code) for r in lines.rejected] == [
        (r.index, r.code) for r in whole.rejected
    ]


def test_bad_lines_are_told_by_their_place_and_empty_ones_are_none() -> None:
    good = json.dumps(GOOD).encode()
    text = [b"", good, b"{", b"  ", b"\xff", good[:-2], good + b"\r", b"[" * 100_000, good]
    decoded = decode_lines(b"\n".join(text), 10)
    assert decoded.places.tolist() == [1, 6, 8]
    assert [(r.index, r.code) for r in decoded.rejected] == [
        (place, Reason.BAD_TYPE) for place in (2, 4, 5, 7)
    ]
    assert len(decode_lines(b"", 10).batch) == 0
    with pytest.raises(TooLargeError):
        decode_lines(b"1\n2\n3", 2)


@given(st.binary(max_size=100))
def test_no_lines_break_it(data: bytes) -> None:
    decoded = decode_lines(data, 1_000)
    lines = [line for line in data.split(b"\n") if line.strip()]
    assert len(decoded.places) + len(decoded.rejected) == len(lines)


def test_every_sample_of_a_bad_metric_is_refused() -> None:
    bad = GOOD | {"metric": ""}
    decoded = decode(body(bad, bad, GOOD, bad), 10)
    assert [r.index for r in decoded.rejected] == [0, 1, 3]
    assert decoded.places.tolist() == [2]


def test_the_engines_places_become_those_of_the_body() -> None:
    decoded = decode(body(None, GOOD, GOOD | {"timestamp": "x"}, GOOD), 10)
    receipt = decoded.merged(Receipt(1, 0, [Rejection(1, Reason.LATE, "old")]))
    assert [(r.index, r.code) for r in receipt.rejected] == [
        (0, Reason.BAD_TYPE),
        (2, Reason.BAD_TIMESTAMP),
        (3, Reason.LATE),
    ]


def test_more_than_allowed_is_refused() -> None:
    with pytest.raises(TooLargeError):
        decode(body(GOOD, GOOD), 1)
    with pytest.raises(TooLargeError):
        decode(body(GOOD, None), 1)


@given(st.binary(max_size=50))
def test_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(BadInputError):
        decode(data, 10)


@given(st.integers(1, 9_000_000_000 * SECOND_NS))
def test_times_that_are_told_are_read_back_to_the_nanosecond(time: int) -> None:
    assert iso_ns(iso(time)) == time
    assert moment_ns(iso(time)) == time


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2020-01-01",
        "2020-01-01T00:00:00",
        "2020-01-01T00:00:00.1234567890Z",
        "2020-13-01T00:00:00Z",
        "2300-01-01T00:00:00Z",
        "01/02/2020 00:00:00Z",
        "inf",
        "nan",
    ],
)
def test_times_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(TimestampError):
        moment_ns(text)


NUMBERS = st.sampled_from(
    [
        "0",
        "-0",
        "7",
        "-1.5e-3",
        "1E+5",
        "0.1",
        "0e999",
        "1e400",
        "1e-400",
        "12345678901234567890",
        "9007199254740993",
        "0.30000000000000004",
        "1234567890.12345678901234567890",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "-",
        "NaN",
        "null",
        "true",
        '"1"',
        "1 2",
    ]
) | st.floats(-1e12, 1e12).map(repr)
TEXTS = st.sampled_from(
    ['"m"', '"n"', '""', '"\\u00fc"', '"\\ud800"', '"\\x"', '"\t"', '"a\\"b"', '"\\\\"', "5", '"']
)
OBJECTS = st.sampled_from(
    [
        "{}",
        '{"a":"b"}',
        '{"b" : "c","a":"d"}',
        '{"a":"b","a":"c"}',
        '{"a":1}',
        '{"":"x"}',
        "[]",
        '{"a":"b",}',
        '{"a"}',
        '{"a\\n":"b"}',
        '{"a":"b" "c":"d"}',
    ]
)
MOMENTS = NUMBERS | st.sampled_from(
    ['"1970-01-01T00:00:02Z"', '"2020-01-01"', '"\\ud800"', "1e300"]
)
BLANKS = st.sampled_from(["", "", " ", "\r\t"])


@st.composite
def written(draw: st.DrawFn) -> str:
    """A sample as text, mostly a good one."""

    def some(of: st.SearchStrategy[str], good: str) -> str:
        return draw(of) if draw(st.integers(0, 3)) == 0 else good

    members = {
        "metric": some(TEXTS, '"m"'),
        "timestamp": some(MOMENTS, "1700000000.125"),
        "value": some(NUMBERS, "21.5"),
        "labels": some(OBJECTS, '{"host":"a"}'),
    }
    names = draw(st.permutations(list(members)))[: draw(st.sampled_from([4, 4, 4, 3]))]
    if draw(st.integers(0, 9)) == 0:
        names.append(draw(st.sampled_from(["metric", "other"])))
    blank = draw(BLANKS)
    inside = f"{blank},{blank}".join(f'"{n}"{blank}:{blank}{members.get(n, "1")}' for n in names)
    return f"{{{blank}{inside}{blank}}}"


def told(decoded: Decoded) -> Any:
    batch, rejected = decoded.batch, [(r.index, r.code, r.detail) for r in decoded.rejected]
    columns = zip(batch.samples.metric, batch.samples.timestamp, batch.samples.value, strict=True)
    samples = [(batch.metrics[m], int(t), repr(float(v))) for m, t, v in columns]
    return samples, decoded.places.tolist(), rejected


@given(st.lists(st.lists(written(), max_size=4), max_size=3), st.integers(0, 8))
def test_the_quick_way_reads_what_the_exact_way_does(bodies: list[list[str]], limit: int) -> None:
    decoder = Decoder(limit)
    for texts in bodies:
        inside = ", ".join(texts)
        exact: Any = None
        with suppress(BadInputError):
            # What stands before the samples leaves the quick way nothing to take.
            exact = told(decode(f'{{"before": 0, "samples": [{inside}]}}'.encode(), 100))
        quick: Any = None
        with suppress(BadInputError):
            quick = told(decoder.decode(f' {{"samples" : [{inside}] }}\n'.encode(), 100))
        assert quick == exact


@given(st.lists(written(), max_size=5), st.integers(0, 8))
def test_lines_are_read_quickly_as_exactly(texts: list[str], limit: int) -> None:
    decoder = Decoder(limit)
    lines = [text.replace("\n", "") for text in texts]
    # A member that is said twice leaves the quick way nothing to take.
    twice = [line.replace("{", '{"value":0,', 1) for line in lines]
    exact = told(decode_lines("\n".join(twice).encode(), 100))
    places = [(r[0], r[1]) for r in exact[2]]
    for _ in range(2):
        quick = told(decoder.decode_lines("\n".join(lines).encode(), 100))
        if not any('"value"' not in line for line in lines):
            assert quick[:2] == exact[:2]
            assert [(r[0], r[1]) for r in quick[2]] == places
