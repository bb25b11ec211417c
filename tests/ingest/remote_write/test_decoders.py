from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given

from tests.ingest.remote_write.twin import STALE, decoded, expected, series_1, series_2
from tocsin.bench.remote_write_messages import V1, V2
from tocsin.engine.batch import Reason
from tocsin.errors import BadInputError, TooLargeError
from tocsin.ingest.remote_write import v1, v2

MOST = 10_000
SERIES: dict[int, Callable[[bytes], Any]] = {1: series_1, 2: series_2}
# They remember; what they return must not depend on it.
DECODERS: dict[int, Any] = {1: v1.Decoder(50), 2: v2.Decoder(50)}
VERSIONS = pytest.mark.parametrize("version", [1, 2])

names = st.sampled_from(["__name__", "job", "instance", "le", "a", ""]) | st.text(max_size=5)
values = st.sampled_from(["up", "x", "", "a\x00b", "ä" * 700, "q" * 3_000]) | st.text(max_size=8)
numbers = st.floats(width=64) | st.just(struct.unpack("<d", STALE)[0])
moments = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2_000_000_000_000)
samples = st.tuples(numbers, moments)
labels = st.lists(st.tuples(names, values), max_size=6)
named = labels.map(lambda rest: [("__name__", "m"), *[one for one in rest if one[0] != "__name__"]])


@st.composite
def request_1(draw: st.DrawFn) -> bytes:
    request = V1["WriteRequest"]()
    for told in draw(st.lists(labels | named, max_size=6)):
        series = request.timeseries.add()
        for name, value in told:
            series.labels.add(name=name, value=value)
        fill(draw, series)
    for _ in range(draw(st.integers(0, 2))):
        kind = draw(st.integers(0, 9))
        request.metadata.add(metric_family_name=draw(st.text(max_size=5)), type=kind)
    return bytes(request.SerializeToString())


@st.composite
def request_2(draw: st.DrawFn) -> bytes:
    request = V2["Request"](symbols=["", *draw(st.lists(names | values, max_size=6))])
    for told in draw(st.lists(labels | named, max_size=4)):
        series = request.timeseries.add()
        for text in [text for pair in told for text in pair]:
            if text not in request.symbols:
                request.symbols.append(text)
            series.labels_refs.append(list(request.symbols).index(text))
        if draw(st.integers(0, 9)) == 0:
            series.labels_refs.append(draw(st.integers(0, 2**32 - 1)))
        if draw(st.booleans()):
            series.metadata.type = draw(st.integers(0, 300))
        fill(draw, series)
    return bytes(request.SerializeToString())


def fill(draw: st.DrawFn, series: Any) -> None:
    for value, timestamp in draw(st.lists(samples, max_size=4)):
        series.samples.add(value=value, timestamp=timestamp)
    for _ in range(draw(st.integers(0, 2))):
        series.exemplars.add(value=draw(numbers), timestamp=1)
        series.histograms.add(sum=draw(numbers), timestamp=draw(st.integers(0, 9)))


@given(body=request_1())
def test_1_reads_what_the_reference_reads(body: bytes) -> None:
    assert decoded(DECODERS[1].decode(body, MOST)) == expected(series_1(body))


@given(body=request_2())
def test_2_reads_what_the_reference_reads(body: bytes) -> None:
    assert decoded(DECODERS[2].decode(body, MOST)) == expected(series_2(body))


@VERSIONS
@given(data=st.data())
def test_damaged_bodies_are_refused_or_read_as_the_reference_reads_them(
    version: int, data: st.DataObject
) -> None:
    body = bytearray(data.draw(request_1() if version == 1 else request_2()))
    for _ in range(data.draw(st.integers(1, 4))):
        if not body:
            break
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        content = DECODERS[version].decode(bytes(body), MOST)
    except BadInputError:
        return
    try:
        told = expected(SERIES[version](bytes(body)))
    except DecodeError:
        return  # texts that are no metric's are not looked at
    assert decoded(content) == told


@VERSIONS
@given(body=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(version: int, body: bytes) -> None:
    try:
        content = DECODERS[version].decode(body, MOST)
    except BadInputError:
        return
    assert len(content.batch) + len(content.rejected) <= len(body) // 2


def of_one(version: int, name: str, samples: int = 1) -> bytes:
    if version == 1:
        request = V1["WriteRequest"]()
        series = request.timeseries.add()
        series.labels.add(name="__name__", value=name)
    else:
        request = V2["Request"](symbols=["", "__name__", name])
        series = request.timeseries.add(labels_refs=[1, 2])
    for i in range(samples):
        series.samples.add(value=i, timestamp=i + 1)
    return bytes(request.SerializeToString())


@VERSIONS
def test_no_more_samples_than_allowed(version: int) -> None:
    decoder = DECODERS[version]
    assert len(decoder.decode(of_one(version, "m", 100), 100).batch) == 100
    with pytest.raises(TooLargeError, match="more than 100"):
        decoder.decode(of_one(version, "m", 101), 100)


@VERSIONS
def test_the_same_series_is_the_same_object_however_many_there_are(version: int) -> None:
    decoder: Any = v1.Decoder(5_000) if version == 1 else v2.Decoder(5_000)
    first = [decoder.decode(of_one(version, f"m{i}"), MOST).batch.metrics[0] for i in range(3_000)]
    again = [decoder.decode(of_one(version, f"m{i}"), MOST).batch.metrics[0] for i in range(3_000)]
    assert [metric.name for metric in first] == [f"m{i}" for i in range(3_000)]
    assert all(one is other for one, other in zip(first, again, strict=True))


@VERSIONS
def test_what_is_remembered_is_bounded(version: int) -> None:
    decoder: Any = v1.Decoder(100) if version == 1 else v2.Decoder(100)
    for i in range(1_000):
        content = decoder.decode(of_one(version, f"m{i}"), MOST)
        assert content.batch.metrics[0].name == f"m{i}"
        assert len(decoder._known) <= 100


def test_labels_between_samples_are_read() -> None:
    whole = of_one(1, "scattered")
    # The series' content once more inside itself: labels, sample, labels, sample.
    inside = whole[2:]
    series = V1["TimeSeries"]()
    series.labels.add(name="a", value="b")
    twice = inside + series.SerializeToString()
    body = b"\x0a" + bytes([len(twice)]) + twice
    for _ in range(2):
        content = DECODERS[1].decode(body, MOST)
        assert [str(metric) for metric in content.batch.metrics] == ['scattered{a="b"}']


def test_references_one_by_one_are_read() -> None:
    # Not packed: field 1 as a varint, twice.
    series = b"\x08\x01\x08\x02" + b"\x12\x02\x10\x05"
    body = b"\x22\x00\x22\x08__name__\x22\x01m" + b"\x2a" + bytes([len(series)]) + series
    content = DECODERS[2].decode(body, MOST)
    assert [str(metric) for metric in content.batch.metrics] == ["m"]
    assert content.batch.samples.timestamp.tolist() == [5_000_000]


@VERSIONS
def test_text_that_is_not_utf_8_spoils_its_series_alone(version: int) -> None:
    body = of_one(version, "mmm").replace(b"mmm", b"m\xffm")
    content = DECODERS[version].decode(body + (of_one(1, "good") if version == 1 else b""), MOST)
    assert [r.code for r in content.rejected] == [Reason.BAD_METRIC]
    assert [str(metric) for metric in content.batch.metrics] == (["good"] if version == 1 else [])
