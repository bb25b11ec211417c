from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.collectd import SEEDS, one
from tocsin.engine.batch import Receipt, Rejection
from tocsin.errors import BadInputError, TooLargeError
from tocsin.ingest.collectd import decode
from tocsin.ingest.http_json import Decoded
from tocsin.samples import SECOND_NS, Metric

LIST: dict[str, Any] = {
    "values": [98.5],
    "dstypes": ["gauge"],
    "dsnames": ["value"],
    "time": 1_280_959_128.125,
    "interval": 10.0,
    "host": "box",
    "plugin": "cpu",
    "plugin_instance": "0",
    "type": "cpu",
    "type_instance": "idle",
}
TRAFFIC = LIST | {
    "values": [5, 70],
    "dstypes": ["derive", "counter"],
    "dsnames": ["rx", "tx"],
    "plugin": "interface",
    "plugin_instance": "eth0",
    "type": "if_octets",
    "type_instance": "",
}


def read(*lists: Any, most: int = 100) -> Decoded:
    return decode(json.dumps(lists).encode(), most)


def refused(decoded: Decoded) -> list[tuple[int, str]]:
    return [(one.index, one.code.value) for one in decoded.rejected]


def test_a_value_list_is_a_sample_for_each_data_source() -> None:
    told = read(LIST, TRAFFIC)
    box = {"host": "box"}
    assert list(told.batch.metrics) == [
        Metric.of("cpu", box | {"plugin_instance": "0", "type_instance": "idle"}),
        Metric.of("interface.if_octets.rx", box | {"plugin_instance": "eth0"}),
        Metric.of("interface.if_octets.tx", box | {"plugin_instance": "eth0"}),
    ]
    assert told.batch.samples.value.tolist() == [98.5, 5.0, 70.0]
    assert set(told.batch.samples.timestamp.tolist()) == {1_280_959_128_125_000_000}
    assert told.batch.counters == {1, 2}
    assert told.places.tolist() == [0, 1, 1]
    assert told.batch.protocol == "collectd"


def test_what_begins_anew_at_each_reading_is_a_rate() -> None:
    told = read(LIST | {"dstypes": ["absolute"], "values": [50]})
    assert told.batch.samples.value.tolist() == [5.0]
    assert told.batch.counters == frozenset()
    assert refused(read(LIST | {"dstypes": ["absolute"], "interval": 0})) == [(0, "bad_type")]


def test_a_bad_value_list_is_refused_by_itself() -> None:
    bad = [
        None,
        {},
        LIST | {"values": [1, 2]},
        LIST | {"values": ["1"]},
        LIST | {"dstypes": ["gauche"]},
        LIST | {"plugin": ""},
        LIST | {"host": "a\x00"},
        LIST | {"time": 1e300},
        LIST | {"time": "now"},
        {"labels": {"severity": "FAILURE"}, "annotations": {}},
    ]
    told = read(*bad, LIST)
    assert told.places.tolist() == [len(bad)]
    kinds = ["bad_type"] * len(bad)
    kinds[5] = kinds[6] = "bad_metric"
    kinds[7] = "bad_timestamp"
    assert refused(told) == list(enumerate(kinds))


def test_what_could_not_be_read_is_no_number() -> None:
    told = read(LIST | {"values": [None, 2.0], "dstypes": ["gauge"] * 2, "dsnames": ["a", "b"]})
    assert refused(told) == [(0, "not_finite")]
    assert told.batch.samples.value.tolist() == [2.0]
    # Written as no JSON has it, the engine refuses it, and counts it under its metric.
    told = decode(json.dumps([LIST | {"values": [float("nan")]}]).encode(), 5)
    assert [str(value) for value in told.batch.samples.value.tolist()] == ["nan"]


def test_what_the_engine_refuses_is_told_by_its_value_list() -> None:
    told = read(None, TRAFFIC)
    merged = told.merged(Receipt(1, 0, [Rejection(1, told.rejected[0].code, "late")]))
    assert [one.index for one in merged.rejected] == [0, 1]


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b"5", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_list_is_told(body: bytes) -> None:
    with pytest.raises(BadInputError):
        decode(body, 10)


def test_more_values_than_allowed_are_refused() -> None:
    assert len(read(TRAFFIC, LIST, most=3).batch) == 3
    with pytest.raises(TooLargeError):
        read(TRAFFIC, LIST, most=2)


@given(st.sampled_from(SEEDS), st.integers(0, 200), st.integers(0, 200), st.binary(max_size=10))
def test_damaged_bodies_break_nothing(seed: bytes, start: int, end: int, other: bytes) -> None:
    one(seed[:start] + other + seed[end:])


@given(
    st.lists(
        st.tuples(st.sampled_from(["gauge", "derive", "counter"]), st.floats(-1e9, 1e9)),
        max_size=4,
    ),
    st.integers(0, 2**33),
    st.text("abü/-.", min_size=1, max_size=5),
)
def test_what_is_written_is_read(sources: list[tuple[str, float]], time: int, plugin: str) -> None:
    names = [f"d{number}" for number in range(len(sources))]
    told = read(
        LIST
        | {
            "values": [value for _, value in sources],
            "dstypes": [kind for kind, _ in sources],
            "dsnames": names,
            "time": time,
            "plugin": plugin,
            "type": "t",
        }
    )
    assert [metric.name for metric in told.batch.metrics] == [f"{plugin}.t.{n}" for n in names]
    assert told.batch.samples.value.tolist() == [value for _, value in sources]
    assert told.batch.samples.timestamp.tolist() == [time * SECOND_NS] * len(sources)
