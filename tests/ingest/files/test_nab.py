"""Real files: what is read equals NumPy's own reading of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tocsin.ingest.files import find_files, read_file


def test_every_file_of_the_benchmark(shared: Path) -> None:
    folder = shared / "nab" / "data"
    files = find_files([folder])
    assert len(files) == 58
    repeated = 0
    for path in files:
        times, values = np.loadtxt(path, delimiter=",", skiprows=1, dtype=str, unpack=True)
        moments = times.astype("datetime64[ns]").astype(np.int64)
        order = np.argsort(moments, kind="stable")
        moments, numbers = moments[order], values.astype(np.float64)[order]
        first = np.append(True, np.diff(moments) > 0)
        reading = read_file(path)
        (series,) = reading.series
        assert str(series.metric) == path.stem
        assert reading.rows == len(times)
        assert reading.refused == {}
        assert series.timestamps.tolist() == moments[first].tolist()
        assert series.values.tobytes() == numbers[first].tobytes()
        assert series.duplicates + series.conflicts == np.count_nonzero(~first)
        repeated += int(np.count_nonzero(~first))
    assert repeated > 0


def test_labelled_parquet(shared: Path) -> None:
    path = shared / "labelled" / "ms_cloud" / "api-01.parquet"
    reading = read_file(path)
    assert {str(series.metric) for series in reading.series} == {"value", "label"}
    assert all(len(series.values) == reading.rows for series in reading.series)
