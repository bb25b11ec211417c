from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.config import Follow
from tocsin.errors import BadInputError
from tocsin.ingest.follow.rows import decode, is_csv
from tocsin.samples import iso

Told = list[tuple[str, str, float]]


def read(
    header: bytes | None, *lines: bytes, path: str = "/var/log/shop.csv", **more: Any
) -> tuple[Told, list[tuple[int, str]]]:
    """(metric, time, value) of each sample, and place and reason of each bad line."""
    decoded = decode(lines, header, Follow(path=path, **more))
    batch = decoded.batch
    assert batch.protocol == "follow"
    columns = batch.samples.metric, batch.samples.timestamp, batch.samples.value
    told = [
        (str(batch.metrics[which]), iso(int(time)), float(value))
        for which, time, value in zip(*columns, strict=True)
    ]
    return told, [(r.index, str(r.code)) for r in decoded.rejected]


def test_one_column_of_values_is_named_by_the_file() -> None:
    assert read(b"time,value", b"1.5,2", b'"3","4e3"\r', b"") == (
        [("shop", "1970-01-01T00:00:01.5Z", 2.0), ("shop", "1970-01-01T00:00:03Z", 4000.0)],
        [],
    )


def test_several_columns_are_a_metric_each_and_empty_cells_are_nothing() -> None:
    found, _ = read(b"\xef\xbb\xbfa,Timestamp,b", b"1,5,2", b",6,3", metric="{file}.{name}")
    assert found == [
        ("shop.a", "1970-01-01T00:00:05Z", 1.0),
        ("shop.b", "1970-01-01T00:00:05Z", 2.0),
        ("shop.b", "1970-01-01T00:00:06Z", 3.0),
    ]


def test_a_metric_column_and_labels_name_them() -> None:
    found, _ = read(
        b"ts;metric;host;zone;v",
        b"1;load;a;;2,5"[:-2],
        b"1;load;b;eu;3",
        delimiter=";",
        label_columns=["host", "zone"],
        labels={"env": "test"},
    )
    assert [name for name, _, _ in found] == [
        'load{env="test",host="a"}',
        'load{env="test",host="b",zone="eu"}',
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1700000000", "2023-11-14T22:13:20Z"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("2024-01-01 00:00:00.25", "2023-12-31T23:00:00.25Z"),
        ("2024-07-01T00:00:00", "2024-06-30T22:00:00Z"),
        ("2024-07-01", "2024-06-30T22:00:00Z"),
        ("2024-01-01T00:00:00-05:00", "2024-01-01T05:00:00Z"),
    ],
)
def test_times(text: str, told: str) -> None:
    found, _ = read(b"time,v", f"{text},1".encode(), timezone="Europe/Berlin")
    assert found == [("shop", told, 1.0)]


def test_bad_lines_are_refused_by_themselves() -> None:
    bad = {
        b"1": "bad_line",
        b"1,2,3": "bad_line",
        b'"1,2': "bad_line",
        b"\xff,1": "bad_line",
        b"1,x": "bad_line",
        b"1,1_0": "bad_line",
        b"soon,1": "bad_timestamp",
        b"1e15,1": "bad_timestamp",
        b",1": "bad_timestamp",
    }
    lines = [line for one in bad for line in (one, b"9,9")]
    found, rejected = read(b"time,v", *lines)
    assert len(found) == len(bad)
    assert rejected == [(2 * place, code) for place, code in enumerate(bad.values())]
    assert read(b"time,metric,v", b"1,,2")[1] == [(0, "bad_metric")]


def test_a_column_that_is_not_there_is_told() -> None:
    with pytest.raises(BadInputError, match=r"'when' among 'time', 'v'"):
        read(b"time,v", b"1,2", time_column="when")


def test_json_by_line_is_what_the_api_takes() -> None:
    good = {"metric": "a", "timestamp": 1, "value": 2, "labels": {"x": "y"}}
    lines = [json.dumps(good).encode(), b"{", b'{"metric": "b"}']
    found, rejected = read(None, *lines, path="a.ndjson", metric="m.{name}", labels={"z": "1"})
    assert found == [('m.a{x="y",z="1"}', "1970-01-01T00:00:01Z", 2.0)]
    assert rejected == [(1, "bad_type"), (2, "bad_type")]


@pytest.mark.parametrize(
    ("path", "form", "csv"),
    [("a.csv", None, True), ("a.log", None, True), ("a.jsonl", None, False), ("a", "csv", True),
     ("a.csv", "ndjson", False)],
)  # fmt: skip
def test_the_form_is_told_by_the_name(path: str, form: Any, csv: bool) -> None:
    assert is_csv(Follow(path=path, format=form)) is csv


@given(st.binary(max_size=60), st.lists(st.binary(max_size=40), max_size=5))
def test_no_bytes_break_it(header: bytes, lines: list[bytes]) -> None:
    for first in (header, b"time,a,b", None):
        try:
            decoded = decode(lines, first, Follow(path="x.csv"))
        except BadInputError:
            assert first is header
        else:
            assert all(0 <= r.index <= sum(map(len, lines)) + 5 for r in decoded.rejected)
