from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from tests.fuzz.exposition import one
from tocsin.engine.batch import Reason
from tocsin.errors import BadInputError
from tocsin.ingest.decoded import Decoded
from tocsin.ingest.exposition import decode

TARGET = {"job": "j", "instance": "i:1"}
MODERN = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def read(text: str, kind: str = "text/plain; version=0.0.4", **labels: str) -> Decoded:
    return decode(text.encode(), kind, 5_000_000_000, labels)


def told(decoded: Decoded) -> dict[str, tuple[int, float]]:
    s = decoded.batch.samples
    columns = zip(s.metric.tolist(), s.timestamp.tolist(), s.value.tolist(), strict=True)
    return {str(decoded.batch.metrics[i]): (at, value) for i, at, value in columns}


def counters(decoded: Decoded) -> set[str]:
    return {decoded.batch.metrics[i].name for i in decoded.batch.counters}


def test_text() -> None:
    decoded = read(
        "# HELP requests_total All.\n# TYPE requests_total counter\n"
        'requests_total{code="200"} 5\n'
        'requests_total{code="500"} 1 1395066363000\n'
        "# TYPE temperature gauge\ntemperature -3.5\n"
        "plain 1e3\n",
        **TARGET,
    )
    at = 5_000_000_000
    assert told(decoded) == {
        'requests_total{code="200",instance="i:1",job="j"}': (at, 5.0),
        'requests_total{code="500",instance="i:1",job="j"}': (1_395_066_363_000_000_000, 1.0),
        'temperature{instance="i:1",job="j"}': (at, -3.5),
        'plain{instance="i:1",job="j"}': (at, 1000.0),
    }
    assert counters(decoded) == {"requests_total"}
    assert decoded.rejected == []


def test_a_counter_keeps_the_name_that_its_target_gives_it() -> None:
    text = "# TYPE node_intr counter\nnode_intr 7\n# TYPE a_total counter\na_total 1\n"
    assert told(read(text)) == {"node_intr": (5_000_000_000, 7.0), "a_total": (5_000_000_000, 1.0)}
    assert counters(read(text)) == {"node_intr", "a_total"}


@pytest.mark.parametrize("modern", [False, True])
def test_what_the_client_library_shows(modern: bool) -> None:
    registry = CollectorRegistry()
    Counter("jobs", "n", registry=registry).inc(3)
    Gauge("room", "n", ["where"], registry=registry).labels('a "b"\\c').set(1.25)
    Histogram("took", "n", buckets=(1.0,), registry=registry).observe(0.5)
    Summary("size", "n", registry=registry).observe(2)
    make: Any = openmetrics.generate_latest if modern else generate_latest
    decoded = decode(make(registry), MODERN if modern else "text/plain", 10**9, {})
    values = {name: value for name, (_, value) in told(decoded).items() if "_created" not in name}
    assert values == {
        "jobs_total": 3.0,
        'room{where="a \\"b\\"\\\\c"}': 1.25,
        'took_bucket{le="1.0"}': 1.0,
        'took_bucket{le="+Inf"}': 1.0,
        "took_count": 1.0,
        "took_sum": 0.5,
        "size_count": 1.0,
        "size_sum": 2.0,
    }
    parts = {"took_bucket", "took_count", "took_sum", "size_count", "size_sum"}
    assert counters(decoded) == {"jobs_total"} | parts


def test_the_targets_labels_win() -> None:
    decoded = read('a{job="own",exported_job="x",other="y",none=""} 1\n', **TARGET)
    (metric,) = decoded.batch.metrics
    assert dict(metric.labels) == {
        "exported_exported_job": "own",
        "exported_job": "x",
        "other": "y",
        **TARGET,
    }


def test_a_bad_metric_is_refused_by_itself() -> None:
    decoded = read(f'a{{l="{"x" * 3_000}"}} 1\nb 2\nc 3 1e300\n')
    assert [(r.index, r.code) for r in decoded.rejected] == [
        (0, Reason.BAD_METRIC),
        (2, Reason.BAD_TIMESTAMP),
    ]
    assert set(told(decoded)) == {"b"}


@pytest.mark.parametrize(
    "body", [b"a b c\n", b"\xff 1\n", b"a{ 1\n", b"a 1" + b" " * 20_000 + b"\n", b'a{b="c} 1']
)
@pytest.mark.parametrize("kind", ["text/plain", MODERN])
def test_what_cannot_be_read_is_refused_as_a_whole(body: bytes, kind: str) -> None:
    with pytest.raises(BadInputError):
        decode(b"good 1\n" + body, kind, 10**9, {})


@given(
    st.binary(max_size=100) | st.text(alphabet='ab_{}=",# \n\\1.eTYPE', max_size=80).map(str.encode)
)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    one(b"\x00" + body)
    one(b"\x01" + body)
