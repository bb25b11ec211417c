from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tocsin.errors import BadInputError
from tocsin.ingest import rereading
from tocsin.ingest.decoded import Decoded
from tocsin.ingest.exposition import decode
from tocsin.ingest.rereading import Reader

LABELS = {"job": "j", "instance": "i:1"}
TEXT = "text/plain; version=0.0.4"
MODERN = "application/openmetrics-text; version=1.0.0"

lines = st.sampled_from(
    [
        "# TYPE a counter",
        "# TYPE a gauge",
        "# HELP a text",
        "# EOF",
        "a 1",
        "a 2.5",
        "a NaN",
        "a  3",
        "a\t4",
        "a 5 1395066363000",
        "a 5_0",
        "a x",
        'a{b="c d"} 1',
        'a{b="c d"} 7 1395066363000',
        'a{b="} 1"} 2',
        'a{b="c"} 1 # {} 0.5',
        "a_total 1",
        "a_total 2",
        "",
        "  a 6  ",
    ]
)
texts = st.lists(lines, max_size=6).map(lambda told: "\n".join(told) + "\n")


def told(decoded: Decoded) -> list[tuple[str, int, str, bool]]:
    batch, s = decoded.batch, decoded.batch.samples
    columns = zip(s.metric.tolist(), s.timestamp.tolist(), s.value.tolist(), strict=True)
    return [(str(batch.metrics[i]), at, repr(v), i in batch.counters) for i, at, v in columns]


@given(st.lists(texts, min_size=2, max_size=5), st.booleans())
def test_whatever_came_before_the_text_says_the_same(several: list[str], repeated: bool) -> None:
    reader = Reader(LABELS)
    for number, text in enumerate([one for one in several for _ in range(1 + repeated)]):
        body, at = text.encode(), (number + 1) * 10**9
        try:
            expected = decode(body, TEXT, at, LABELS)
        except BadInputError:
            with pytest.raises(BadInputError):
                reader.decode(body, TEXT, at)
            continue
        decoded = reader.decode(body, TEXT, at)
        assert told(decoded) == told(expected)
        assert [r.reason for r in decoded.rejected] == [r.reason for r in expected.rejected]


def test_the_parser_reads_a_target_once(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = CollectorRegistry()
    jobs = Counter("jobs", "n", ["kind"], registry=registry)
    room = Gauge("room", "n", registry=registry)
    took = Histogram("took", "n", registry=registry)
    jobs.labels("a b").inc()
    reader, parsed = Reader(LABELS), []

    def counted(body: bytes, kind: str, at: int, labels: dict[str, str]) -> Decoded:
        parsed.append(at)
        return decode(body, kind, at, labels)

    monkeypatch.setattr(rereading, "decode", counted)
    for at in range(1, 6):
        room.set(at / 7)
        took.observe(at)
        if at == 4:
            jobs.labels("new").inc()
        body = generate_latest(registry)
        assert told(reader.decode(body, TEXT, at)) == told(decode(body, TEXT, at, LABELS))
    assert parsed == [1, 4]
