from __future__ import annotations

from typing import Any

import pytest

from tocsin.bench.remote_write_messages import V1, V2
from tocsin.ingest.remote_write import v1, v2
from tocsin.ingest.remote_write.content import Content
from tocsin.ingest.remote_write.counters import Families, Type


def counters(content: Content) -> list[str]:
    return sorted(content.batch.metrics[i].name for i in content.batch.counters)


def with_series(*names: str) -> Any:
    request = V1["WriteRequest"]()
    for name in names:
        series = request.timeseries.add()
        series.labels.add(name="__name__", value=name)
        series.samples.add(value=1, timestamp=1)
    return request


def test_1_goes_by_the_end_of_the_name_until_types_are_told() -> None:
    decoder = v1.Decoder(100)
    names = ("a", "a_total", "h_count", "h_sum", "h_bucket", "odd_total", "counted")
    body = with_series(*names).SerializeToString()
    guessed = ["a_total", "h_bucket", "h_count", "h_sum", "odd_total"]
    assert counters(decoder.decode(body, 100)) == guessed
    types = V1["WriteRequest"]()
    types.metadata.add(type=Type.GAUGE, metric_family_name="odd_total")
    types.metadata.add(type=Type.COUNTER, metric_family_name="counted")
    types.metadata.add(type=Type.GAUGE_HISTOGRAM, metric_family_name="h")
    assert len(decoder.decode(types.SerializeToString(), 100).batch) == 0
    assert counters(decoder.decode(body, 100)) == ["a_total", "counted"]


def test_2_goes_by_the_type_of_each_series() -> None:
    cases = {
        ("a", Type.COUNTER): True,
        ("a_total", Type.GAUGE): False,
        ("a_total", Type.UNKNOWN): True,
        ("a", Type.UNKNOWN): False,
        ("h_bucket", Type.HISTOGRAM): True,
        ("h_bucket", Type.GAUGE_HISTOGRAM): False,
        ("s", Type.SUMMARY): False,
        ("s_count", Type.SUMMARY): True,
        ("i", Type.INFO): False,
        ("future_total", 200): True,
    }
    request = V2["Request"](symbols=["", "__name__"])
    for name, kind in cases:
        request.symbols.append(name)
        series = request.timeseries.add(labels_refs=[1, len(request.symbols) - 1])
        series.samples.add(value=1, timestamp=1)
        series.metadata.type = int(kind)
    batch = v2.Decoder(100).decode(request.SerializeToString(), 100).batch
    assert [i in batch.counters for i in range(len(cases))] == list(cases.values())


def test_2_the_same_series_may_change_its_type() -> None:
    decoder = v2.Decoder(100)
    request = V2["Request"](symbols=["", "__name__", "a"])
    series = request.timeseries.add(labels_refs=[1, 2])
    series.samples.add(value=1, timestamp=1)
    for kind, is_counter in ((1, True), (2, False), (1, True)):
        series.metadata.type = kind
        assert bool(decoder.decode(request.SerializeToString(), 10).batch.counters) == is_counter


@pytest.mark.parametrize(
    ("family", "kind", "name", "is_counter"),
    [
        ("http_requests", Type.COUNTER, "http_requests_total", True),
        ("http_requests_total", Type.COUNTER, "http_requests_total", True),
        ("lag", Type.GAUGE, "lag_sum", True),  # another family
        ("lag_sum", Type.GAUGE, "lag_sum", False),
        ("rpc", Type.SUMMARY, "rpc", False),
        ("rpc", Type.SUMMARY, "rpc_sum", True),
        ("rpc", Type.SUMMARY, "rpc_created", False),
        ("x", 99, "x", False),
    ],
)
def test_types_of_families(family: str, kind: int, name: str, is_counter: bool) -> None:
    families = Families(10)
    families.tell(family, kind)
    assert families.counts(name) is is_counter


def test_families_are_bounded() -> None:
    families = Families(10)
    for i in range(100):
        families.tell(f"f{i}", Type.COUNTER)
    assert len(families) == 10
    assert families.counts("f99")
    assert not families.counts("f0")


def test_damaged_types_change_nothing() -> None:
    decoder = v1.Decoder(100)
    decoder.decode(b"\x1a\x04\x12\x02\xff\xff" + b"\x1a\x02\x12\x7f" + b"\x1a\x00", 100)
    assert len(decoder._families) == 0


def test_what_is_forgotten_leaves_no_flags_behind() -> None:
    decoder = v1.Decoder(10)
    for _ in range(3):
        for ending in ("_total", ""):
            names = [f"m{i}{ending}" for i in range(10)]
            told = counters(decoder.decode(with_series(*names).SerializeToString(), 100))
            assert told == (names if ending else [])
