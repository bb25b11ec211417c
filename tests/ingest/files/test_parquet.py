from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tocsin.errors import FileFormatError
from tocsin.ingest.files import FileReading, ReadOptions, read_file
from tocsin.samples import SECOND_NS, iso

START = 1_704_067_200


def read(tmp_path: Path, columns: dict[str, Any], **options: Any) -> FileReading:
    path = tmp_path / "web.parquet"
    pq.write_table(pa.table(columns), path)
    return read_file(path, ReadOptions(**options))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_timestamps(tmp_path: Path, unit: str, zone: str | None) -> None:
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    counts = pa.array([START * per, (START + 60) * per], pa.int64())
    times = counts.cast(pa.timestamp(unit, tz=zone))
    reading = read(tmp_path, {"time": times, "value": [1.0, 2.0]}, timezone="Asia/Tokyo")
    shift = 9 * 3600 if zone is None else 0
    assert reading.series[0].timestamps.tolist() == [
        (START - shift) * SECOND_NS, (START - shift + 60) * SECOND_NS,
    ]  # fmt: skip
    assert ("without zone: taken as Asia/Tokyo" in reading.guess) == (zone is None)


def test_dates_integers_and_text_as_times(tmp_path: Path) -> None:
    values = pa.array([1, 2], pa.int32())
    for times in (
        [dt.date(2024, 1, 1), dt.date(2024, 1, 2)],
        pa.array([START * 1000, (START + 86_400) * 1000]),
        pa.array(["2024-01-01", "2024-01-02"]),
        pa.array(["2024-01-01", "2024-01-02"]).dictionary_encode(),
        pa.array([float(START), START + 86_400.0]),
    ):
        series = read(tmp_path, {"time": times, "value": values}).series[0]
        assert [iso(t) for t in series.timestamps.tolist()] == [
            "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z",
        ]  # fmt: skip
        assert series.values.tolist() == [1.0, 2.0]


def test_refused_cells_name_their_row(tmp_path: Path) -> None:
    times = pa.array([START, None, START + 2, START + 3, START + 4], pa.timestamp("s", "UTC"))
    values = pa.array([1.0, 2.0, None, np.nan, 5.0])
    reading = read(tmp_path, {"time": times, "value": values})
    assert [(r.line, r.column, r.reason) for r in reading.refusals] == [
        (2, "time", "empty time"), (3, "value", "empty"), (4, "value", "not finite"),
    ]  # fmt: skip
    assert reading.series[0].values.tolist() == [1.0, 5.0]
    assert reading.rows == 5


def test_times_beyond_2261(tmp_path: Path) -> None:
    times = pa.array([START, 9_214_646_400, 10**12], pa.timestamp("s", "UTC"))
    reading = read(tmp_path, {"time": times, "value": [1.0, 2.0, 3.0]})
    assert reading.refused == {"time outside the years 1678 to 2261": 2}


def test_long_form_decimals_and_columns_left_out(tmp_path: Path) -> None:
    times = pa.array([START, START, START + 60, START + 60], pa.timestamp("s", "UTC"))
    reading = read(
        tmp_path,
        {
            "ts": times,
            "metric": pa.array(["a", "b", "a", "b"]).dictionary_encode(),
            "value": pa.array([1, 2, 3, 4], pa.int8()).cast(pa.decimal128(10, 2)),
            "tags": pa.array([["x"], ["y"], [], None]),
        },
    )
    assert {str(s.metric): s.values.tolist() for s in reading.series} == {"a": [1, 3], "b": [2, 4]}
    assert "column 'tags' is left out: it holds list<element: string>" in reading.notices


def test_a_column_of_times_is_no_value(tmp_path: Path) -> None:
    times = pa.array([START], pa.timestamp("s", "UTC"))
    with pytest.raises(FileFormatError, match="'b' holds times"):
        read(tmp_path, {"a": times, "b": times, "v": [1.0]}, time_column="a", value_columns=("b",))


def test_damaged_empty_and_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "web.parquet"
    pq.write_table(pa.table({"time": pa.array([], pa.timestamp("s")), "value": [0.0][:0]}), path)
    with pytest.raises(FileFormatError, match=r"web\.parquet: there is no row of data"):
        read_file(path)
    pq.write_table(pa.table({"time": list(range(5000)), "value": list(range(5000))}), path)
    whole = path.read_bytes()
    middle = bytearray(whole)
    middle[100:6000] = b"\xff" * 5900
    for damaged in (whole[:-30], b"PAR1" + whole[:50], b"time,value\n1,2\n", bytes(middle)):
        path.write_bytes(damaged)
        with pytest.raises(FileFormatError, match=r"web\.parquet: .*damaged"):
            read_file(path)
    path.write_bytes(b"")
    with pytest.raises(FileFormatError, match="the file is empty"):
        read_file(path)
