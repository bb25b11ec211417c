"""Result files: exact, whole or not at all, and never one over another."""

from __future__ import annotations

import csv
import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tocsin.detect.result import NUMBERS, RESULT, Readiness
from tocsin.detect.settings import Settings
from tocsin.errors import ConfigurationError, OutputError
from tocsin.publish.results import (
    COLUMNS,
    Format,
    format_of,
    replacing,
    result_paths,
    write_results,
)
from tocsin.samples import Metric
from tocsin.scanning import SeriesResult, scan_series

SECOND = 1_000_000_000
HEADER = (
    "metric,timestamp,value,rate,raw_score,likelihood,anomaly_score,alert_score,"
    "expected,lower,upper,event"
)
FORMATS: list[Format] = ["csv", "parquet"]
HARD = [1e308, 5e-324, -0.0, 21.0, 0.1, 1 / 3, 1e22, 2.0**53 + 2, 1e-7, -1.7976931348623157e308]


def series(count: int = 400, name: str = "cpu", step: int = 60 * SECOND, **labels: str) -> Any:
    values = np.random.default_rng(len(name)).normal(10.0, 1.0, count)
    if count > 300:
        values[300] = 1e6
    stamps = 1_700_000_000 * SECOND + np.arange(count) * step
    return scan_series(Metric.of(name, labels), stamps, values, Settings())


def made_up(values: list[float]) -> SeriesResult:
    """A series whose every number is hard to write down."""
    scored = np.zeros(len(values), dtype=RESULT)
    for name in NUMBERS:
        scored[name] = values
    stamps = np.arange(len(values), dtype=np.int64)
    return SeriesResult(Metric("m"), stamps, np.array(values), scored, [], Readiness(0, 1))


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_back(path: Path) -> dict[str, list[Any]]:
    """The columns of a result file, with None for what is not known."""
    if path.suffix == ".parquet":
        found: dict[str, list[Any]] = parquet.read_table(path).to_pydict()
        return found
    rows = read_csv(path)
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in COLUMNS}
    for name in COLUMNS[2:-1]:
        columns[name] = [float(text) if text else None for text in columns[name]]
    return columns


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("form", FORMATS)
def test_every_sample_reads_back_exactly(tmp_path: Path, form: Format) -> None:
    one = series()
    target = tmp_path / f"cpu.{form}"
    assert write_results(target, [one], form) == 400
    found = read_back(target)
    assert list(found) == list(COLUMNS)
    assert found["metric"] == ["cpu"] * 400
    assert found["value"] == one.values.tolist()
    for name in COLUMNS[3:-1]:
        expected = [None if np.isnan(x) else x for x in one.scored[name].tolist()]
        assert found[name] == expected, name
    assert found["event"][300] == "start"
    assert "end" in found["event"]
    assert found["likelihood"][0] is None
    assert left_in(tmp_path) == [target.name]


@pytest.mark.parametrize("form", FORMATS)
def test_hard_numbers_read_back_bit_by_bit(tmp_path: Path, form: Format) -> None:
    random = np.random.default_rng(0).integers(0, 2**64, 5000, dtype=np.uint64).view(np.float64)
    values = [*HARD, *random[np.isfinite(random)].tolist()]
    target = tmp_path / "hard"
    write_results(target, [made_up(values)], form)
    found = parquet.read_table(target) if form == "parquet" else None
    for name in COLUMNS[2:-1]:
        column = (
            found[name].to_numpy()
            if found is not None
            else np.array([float(row[name]) for row in read_csv(target)])
        )
        assert column.tobytes() == np.array(values).tobytes(), name


def test_csv_has_plain_cells_and_iso_times(tmp_path: Path) -> None:
    target = tmp_path / "cpu.csv"
    write_results(target, [series(2)], "csv")
    lines = target.read_text().splitlines()
    assert lines[0] == HEADER
    assert lines[1].startswith("cpu,2023-11-14T22:13:20Z,")
    assert lines[1].endswith(",")
    assert '"' not in target.read_text()


@pytest.mark.parametrize(
    ("step", "second"),
    [
        (SECOND, "2023-11-14T22:13:21Z"),
        (SECOND // 2, "2023-11-14T22:13:20.500Z"),
        (1_000, "2023-11-14T22:13:20.000001Z"),
        (1, "2023-11-14T22:13:20.000000001Z"),
    ],
)
def test_csv_times_have_the_decimals_that_they_need(tmp_path: Path, step: int, second: str) -> None:
    target = tmp_path / "cpu.csv"
    write_results(target, [series(2, step=step)], "csv")
    assert read_csv(target)[1]["timestamp"] == second


def test_times_before_1970_are_told(tmp_path: Path) -> None:
    one = series(2)
    one.timestamps = np.array([-SECOND, -1], dtype=np.int64)
    write_results(tmp_path / "old.csv", [one], "csv")
    told = [row["timestamp"] for row in read_csv(tmp_path / "old.csv")]
    assert told == ["1969-12-31T23:59:59.000000000Z", "1969-12-31T23:59:59.999999999Z"]


def test_parquet_has_typed_columns(tmp_path: Path) -> None:
    target = tmp_path / "cpu.parquet"
    write_results(target, [series(2)], "parquet")
    schema = parquet.read_schema(target)
    assert schema.names == list(COLUMNS)
    assert schema.field("timestamp").type == pa.timestamp("ns", "UTC")
    assert schema.field("metric").type == schema.field("event").type == pa.string()
    assert all(schema.field(name).type == pa.float64() for name in COLUMNS[2:-1])


@pytest.mark.parametrize("form", FORMATS)
def test_metrics_follow_one_another(tmp_path: Path, form: Format) -> None:
    hostile = 'say "hi", comma\nline'
    many = [series(5), series(3, "up", job=hostile), series(70_000, "long"), series(4, "last")]
    target = tmp_path / f"many.{form}"
    assert write_results(target, many, form) == 70_012
    found = read_back(target)
    names = [str(Metric.of("up", {"job": hostile})), "long", "last"]
    assert found["metric"] == ["cpu"] * 5 + [names[0]] * 3 + ["long"] * 70_000 + ["last"] * 4
    assert found["value"] == [x for one in many for x in one.values.tolist()]


@pytest.mark.parametrize("form", FORMATS)
def test_no_samples_give_a_file_with_columns(tmp_path: Path, form: Format) -> None:
    target = tmp_path / f"none.{form}"
    assert write_results(target, [], form) == 0
    if form == "csv":
        assert target.read_text() == HEADER + "\n"
    else:
        assert parquet.read_table(target).column_names == list(COLUMNS)


def test_an_older_result_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "cpu.csv"
    target.write_text("old")
    write_results(target, [series(2)], "csv")
    assert len(read_csv(target)) == 2


def test_results_are_named_after_their_inputs() -> None:
    inputs = [Path("a/cpu.csv.gz"), Path("b/Disk.v2.CSV"), Path("c/net.parquet")]
    found = result_paths(inputs, Path("out"))
    assert [path.as_posix() for path in found.values()] == [
        "out/cpu.csv",
        "out/Disk.v2.csv",
        "out/net.parquet",
    ]
    assert result_paths(inputs, Path("out"), "parquet")[inputs[0]] == Path("out/cpu.parquet")
    assert format_of(Path("x.csv.gz")) == "csv"


def test_inputs_of_one_name_keep_their_folders() -> None:
    inputs = [Path("d/a/x.csv"), Path("d/b/x.csv"), Path("d/x.csv"), Path("d/b/y.csv")]
    found = [path.as_posix() for path in result_paths(inputs, Path("out")).values()]
    assert found == ["out/a/x.csv", "out/b/x.csv", "out/x.csv", "out/y.csv"]


def test_inputs_of_one_name_and_folder_keep_their_endings() -> None:
    inputs = [Path("x.csv"), Path("x.csv.gz"), Path("x.parquet"), Path("X.csv")]
    found = [path.as_posix() for path in result_paths(inputs, Path("out"), "csv").values()]
    assert len({name.casefold() for name in found}) == 4
    assert found[1:3] == ["out/x.csv.gz.csv", "out/x.parquet.csv"]


def test_an_input_named_twice_has_one_result() -> None:
    assert len(result_paths([Path("x.csv"), Path("x.csv")], Path("out"))) == 1
    assert result_paths([], Path("out")) == {}


def test_results_never_overwrite_an_input(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("time,value\n")
    with pytest.raises(OutputError, match=r"would overwrite an input.*--out"):
        result_paths([tmp_path / "x.csv"], tmp_path)


def test_other_formats_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="csv or parquet"):
        result_paths([Path("x.csv")], Path("out"), "xlsx")  # type: ignore[arg-type]


_WITH_A_LIMIT = """
import resource, sys
from pathlib import Path
import numpy as np
from tocsin.errors import OutputError
from tocsin.detect.settings import Settings
from tocsin.publish.results import write_results
from tocsin.samples import Metric
from tocsin.scanning import scan_series

values = np.random.default_rng(1).normal(size=50_000)
one = scan_series(Metric("m"), np.arange(50_000) * 10**9, values, Settings())
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_results(Path(sys.argv[1]), [one], sys.argv[2])
except OutputError as error:
    print(error)
    sys.exit(7)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes")
@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_cannot_grow_leaves_nothing(tmp_path: Path, form: Format) -> None:
    target = tmp_path / f"cpu.{form}"
    target.write_text("old")
    run = [sys.executable, "-c", _WITH_A_LIMIT, str(target), form]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert str(target) in done.stdout
    assert os.strerror(errno.EFBIG) in done.stdout
    assert left_in(tmp_path) == [target.name]
    assert target.read_text() == "old"


@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk_leaves_nothing(tmp_path: Path, form: Format) -> None:
    """On a real file system of 64 KiB, where this process may make one."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    try:
        made = subprocess.run(mount, capture_output=True, text=True, check=False)
        problem = made.stderr.strip() if made.returncode else ""
    except OSError as error:
        problem = str(error)
    if problem:
        pytest.skip(f"cannot make a small file system here: {problem}")
    try:
        with pytest.raises(OutputError, match=os.strerror(errno.ENOSPC)):
            write_results(small / f"cpu.{form}", [series(50_000)], form)
        assert left_in(small) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fills_up_late_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, form: Format
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path if call == "replace" else os, call, full)
    with pytest.raises(OutputError, match="No space left"):
        write_results(tmp_path / "cpu.csv", [series(10)], form)
    assert left_in(tmp_path) == []


def test_an_interruption_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> Any:
        yield series(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_results(tmp_path / "cpu.csv", interrupted(), "csv")
    assert left_in(tmp_path) == []


def test_a_folder_that_is_a_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_results(tmp_path / "out" / "cpu.csv", [series(5)], "csv")


def test_the_final_name_appears_only_when_all_is_written(tmp_path: Path) -> None:
    target = tmp_path / "whole"

    def write(file: IO[bytes]) -> None:
        file.write(b"first")
        assert not target.exists()
        file.write(b"second")

    with replacing(target) as file:
        write(file)
    assert target.read_bytes() == b"firstsecond"
