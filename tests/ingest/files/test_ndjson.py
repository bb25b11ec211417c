"""JSON, an object a line: keys are columns, labels are labels, and bad lines do not stop it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tocsin.errors import FileFormatError
from tocsin.ingest.files import read_file

LINES = [
    {"metric": "web", "labels": {"host": h}, "timestamp": 1_700_000_000 + 60 * i, "value": i / 4}
    for i in range(40)
    for h in ("a", "b")
]


def written(path: Path, *more: str) -> Path:
    text = "\n".join([*map(json.dumps, LINES), *more])
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["x.ndjson", "x.jsonl", "x.json", "x.ndjson.gz"])
def test_samples_as_they_are_sent(tmp_path: Path, name: str) -> None:
    reading = read_file(written(tmp_path / name, "", "{not", "7", '{"metric": "web"}'))
    assert [str(one.metric) for one in reading.series] == ['web{host="a"}', 'web{host="b"}']
    assert reading.series[0].values.tolist() == [i / 4 for i in range(40)]
    assert reading.series[0].interval_ns == 60 * 10**9
    assert reading.refused["not JSON"] == 1
    assert reading.refused["not an object"] == 1
    assert {one.line for one in reading.refusals} >= {82, 83, 84}


def test_other_keys_and_a_list_of_objects(tmp_path: Path) -> None:
    rows = [{"time": f"2024-01-01T00:{i:02d}:00Z", "cpu": i, "disk": [1]} for i in range(30)]
    path = tmp_path / "host.json"
    path.write_text(json.dumps(rows))
    reading = read_file(path)
    (series,) = reading.series
    assert (series.metric.name, len(series.values)) == ("host", 30)
    assert "key 'disk' is left out: it holds lists or objects" in reading.notices


@pytest.mark.parametrize(("text", "said"), [("7", "no JSON object"), ("[1", "not JSON")])
def test_what_is_no_such_file(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=said):
        read_file(path)
