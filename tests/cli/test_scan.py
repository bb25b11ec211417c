"""`tocsin scan`, as a user runs it: in a process of its own, on real files."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from rich.console import Console

import tocsin
from tests.running import run
from tocsin.cli.marks_file import Marks
from tocsin.cli.scan_output import (
    FileOutcome,
    SeriesOutcome,
    improbable,
    print_events,
    watching,
)
from tocsin.detect.events import Event
from tocsin.detect.result import Readiness
from tocsin.detect.settings import LIKELIHOODS, MODELS
from tocsin.errors import FileFormatError

COUNT, SPIKE = 2400, 2200
START = np.datetime64("2024-01-01T00:00:00", "s")
SPIKE_TIME = "2024-01-08T15:20:00Z"
SPIKE_SHOWN = "2024-01-08 15:20:00Z"
FRESH = (sys.executable, "-m", "tocsin")


def tocsin_scan(
    *arguments: object, cwd: Path = Path(), limit: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command; a traceback is never an answer."""
    command = ["scan", *map(str, arguments)]
    if limit is None:
        done = run(*command, cwd=cwd)
    else:
        done = subprocess.run(
            [*FRESH, *command], capture_output=True, text=True, check=False, preexec_fn=limit
        )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def readings(seed: int = 1, count: int = COUNT, spike: bool = True) -> list[tuple[str, float]]:
    values = np.random.default_rng(seed).normal(10.0, 1.0, count).round(3)
    if spike and count > SPIKE:
        values[SPIKE] = 1e6
    times = np.datetime_as_string(START + np.arange(count) * np.timedelta64(300, "s"))
    return [(f"{when}Z", value) for when, value in zip(times, values.tolist(), strict=True)]


def write(path: Path, rows: list[Any], header: str = "timestamp,value") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def spiked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("in") / "requests.csv", readings())


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Too short to be scored, so that there are surely no events."""
    return write(tmp_path_factory.mktemp("in") / "calm.csv", readings(count=50))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def names_in(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_it_prints_a_table_of_events(spiked: Path) -> None:
    done = tocsin_scan(spiked)
    assert done.returncode == 0
    assert "how improbable" in done.stdout
    line = next(line for line in done.stdout.splitlines() if SPIKE_SHOWN in line)
    assert "requests" in line
    assert "1e+06" in line
    assert "1 in " in line
    assert re.search(r"\(\S+ to \S+\)", line)
    assert re.search(r"^\d+ events? in 2,400 samples of 1 metric$", done.stdout, re.MULTILINE)
    assert "'timestamp'" in done.stderr
    assert "'value'" in done.stderr


def test_quiet_says_nothing_but_events(spiked: Path) -> None:
    done = tocsin_scan(spiked, "--quiet")
    assert done.stderr == ""
    assert SPIKE_SHOWN in done.stdout


def test_no_events_are_said_as_such(calm: Path) -> None:
    done = tocsin_scan(calm, "--fail-on-event")
    assert done.returncode == 0
    assert done.stdout == "0 events in 50 samples of 1 metric\n"
    assert "calm: 50 of " in done.stderr


def test_json_is_one_document_for_machines(spiked: Path, calm: Path) -> None:
    done = tocsin_scan(spiked, calm, "--json")
    assert "NaN" not in done.stdout
    told = json.loads(done.stdout)
    assert [file["path"] for file in told["files"]] == [str(spiked), str(calm)]
    assert told["files"][0]["series"][0]["samples"] == COUNT
    assert told["files"][0]["series"][0]["interval_s"] == 300.0
    assert told["files"][0]["error"] is None
    assert told["files"][1]["series"][0]["ready"] is False
    assert told["files"][1]["series"][0]["readiness"].startswith("50 of ")
    event = next(event for event in told["events"] if event["peak"] == SPIKE_TIME)
    assert event["metric"] == "requests"
    assert event["value"] == 1e6
    assert event["likelihood"] > 0.99
    assert event["open"] is False
    assert told["not_done"] == []


def test_fail_on_event_fails_on_events(spiked: Path) -> None:
    assert tocsin_scan(spiked, "--fail-on-event", "--quiet").returncode == 1


def test_the_likelihood_and_the_model_are_a_choice(spiked: Path, calm: Path) -> None:
    by_likelihood = {
        name: tocsin_scan(calm, "--likelihood", name, "--json").stdout for name in LIKELIHOODS
    }
    for name, needed in (("evidence", 100), ("gaussian", 293)):
        (series,) = json.loads(by_likelihood[name])["files"][0]["series"]
        assert series["readiness"] == f"50 of {needed}"
    default = tocsin_scan(spiked, "--json").stdout
    chosen = tocsin_scan(spiked, "--json", "--likelihood", "evidence", "--model", "views").stdout
    other = tocsin_scan(spiked, "--json", "--likelihood", "gaussian").stdout
    assert json.loads(chosen)["events"] == json.loads(default)["events"]
    assert json.loads(other)["events"] != json.loads(default)["events"]
    told = " ".join(tocsin_scan("--help").stdout.replace("│", " ").split())
    assert f"one of: {', '.join(LIKELIHOODS)}" in told
    assert f"one of: {', '.join(MODELS)}" in told


def test_counters_are_told_in_rates(tmp_path: Path) -> None:
    values = [value for _, value in readings(spike=False)]
    values[SPIKE] = 1e6
    counts = list(itertools.accumulate(values))
    source = tmp_path / "requests.csv"
    times = (START + np.arange(len(counts)) * np.timedelta64(300, "s")).tolist()
    rows = (f"{time.isoformat()}Z,{count!r}" for time, count in zip(times, counts, strict=True))
    source.write_text("\n".join(["timestamp,value", *rows]))
    done = tocsin_scan(source, "--kind", "counter", "--json", "--out", tmp_path / "out")
    assert done.returncode == 0
    peaks = {event["peak"]: event for event in json.loads(done.stdout)["events"]}
    assert peaks[SPIKE_TIME]["value"] == pytest.approx(1e6 / 300)
    assert peaks[SPIKE_TIME]["expected"] == pytest.approx(10 / 300, rel=0.2)
    with (tmp_path / "out" / "requests.csv").open() as file:
        written = [*csv.DictReader(file)]
    assert [float(row["value"]) for row in written] == counts
    assert written[0]["rate"] == ""
    assert float(written[SPIKE]["rate"]) == pytest.approx(1e6 / 300)


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        (("--direction", "down"), {"direction": "down"}),
        (("--least-change", "1e9"), {"least_change": 1e9}),
        (("--least-relative-change", "1e9"), {"least_relative_change": 1e9}),
        (("--direction", "up", "--least-change", "5"), {"direction": "up", "least_change": 5}),
    ],
)
def test_what_is_told_is_a_choice(
    spiked: Path, flags: tuple[str, ...], options: dict[str, Any]
) -> None:
    done = tocsin_scan(spiked, *flags, "--json")
    found = json.loads(done.stdout)["events"]
    rows = rows_of(spiked)
    times = np.array([row["timestamp"][:-1] for row in rows], dtype="datetime64[s]")
    values = [float(row["value"]) for row in rows]
    events = tocsin.scan(times, values, **options).events
    assert [event["why"] for event in found] == events["why"].tolist()
    assert ("down" in flags or "1e9" in flags) == (SPIKE_TIME not in [e["start"] for e in found])


def test_marks_mute_what_is_like_them(tmp_path: Path) -> None:
    rows = [[when, value] for when, value in readings()]
    for at, value in ((1_500, 60.0), (1_900, 65.0), (SPIKE, 900.0)):
        rows[at][1] = value
    file, marks = write(tmp_path / "m.csv", rows), tmp_path / "marks.json"
    said = [{"kind": "not_anomaly", "start": rows[1_500][0], "end": rows[1_500][0], "id": 7}]
    marks.write_text(json.dumps({"marks": said}))
    done = tocsin_scan(file, "--json", "--marks", marks)
    found = {event["start"]: event["muted"] for event in json.loads(done.stdout)["events"]}
    assert "marked not an anomaly" in found[rows[1_900][0]]
    assert [found[rows[at][0]] for at in (1_500, SPIKE)] == ["", ""]
    marks.write_text(json.dumps([said[0] | {"name": "other"}]))
    assert "muted" not in tocsin_scan(file, "--marks", marks).stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a file of marks"),
        ('[{"kind": "boring", "start": 0, "end": 1}]', "boring"),
        ('[{"kind": "anomaly", "start": 2, "end": 1}]', "end 1 is before start 2"),
        ('[{"kind": "anomaly", "start": "noon", "end": 1}]', "noon"),
    ],
)
def test_a_file_of_marks_that_cannot_be_is_told(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "marks.json").write_text(content)
    with pytest.raises(FileFormatError, match=re.escape(message)):
        Marks.read(tmp_path / "marks.json")


def test_results_are_those_of_the_library(spiked: Path, tmp_path: Path) -> None:
    done = tocsin_scan(spiked, "--out", tmp_path / "new" / "out")
    assert done.returncode == 0
    assert names_in(tmp_path) == ["new/out/requests.csv"]
    found = rows_of(tmp_path / "new" / "out" / "requests.csv")
    rows = rows_of(spiked)
    times = np.array([row["timestamp"].removesuffix("Z") for row in rows], dtype="datetime64[ns]")
    expected = tocsin.scan(times, [float(row["value"]) for row in rows]).samples
    for name in ("value", "raw_score", "likelihood", "anomaly_score", "alert_score", "upper"):
        column = np.array([float(row[name] or "nan") for row in found])
        assert np.array_equal(column, expected[name], equal_nan=True), name
    assert [row["event"] for row in found] == expected["event"].tolist()
    assert {row["metric"] for row in found} == {"requests"}


def test_each_input_has_its_result_in_its_own_format(tmp_path: Path) -> None:
    rows = readings(count=200)
    for name in ("a/x.csv", "b/x.csv", "b/y.csv"):
        write(tmp_path / "in" / name, rows)
    times = pa.array([when for when, _ in rows]).cast(pa.timestamp("us", "UTC"))
    table = pa.table({"time": times, "load": [value for _, value in rows]})
    parquet.write_table(table, tmp_path / "in" / "z.parquet")
    done = tocsin_scan(tmp_path / "in", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert names_in(tmp_path / "out") == ["a/x.csv", "b/x.csv", "y.csv", "z.parquet"]
    assert parquet.read_table(tmp_path / "out" / "z.parquet").num_rows == 200
    tocsin_scan(tmp_path / "in", "--out", tmp_path / "all", "--format", "parquet")
    assert all(name.endswith(".parquet") for name in names_in(tmp_path / "all"))


def test_a_long_file_has_a_metric_per_name(tmp_path: Path) -> None:
    rows = [
        (when, name, host, value)
        for name, host, seed in (("cpu", "a", 1), ("cpu", "b", 2), ("mem", "a", 3))
        for when, value in readings(seed, 150)
    ]
    rows.sort()
    path = write(tmp_path / "long.csv", rows, "when,what,host,reading")
    told = json.loads(
        tocsin_scan(
            path, "--json", "--metric-column", "what", "--label-column", "host",
            "--time-column", "when", "--value-column", "reading", "--out", tmp_path / "out",
        ).stdout
    )  # fmt: skip
    names = ['cpu{host="a"}', 'cpu{host="b"}', 'mem{host="a"}']
    assert sorted(one["metric"] for one in told["files"][0]["series"]) == names
    found = [row["metric"] for row in rows_of(tmp_path / "out" / "long.csv")]
    assert sorted(found) == sorted(names * 150)
    assert sum(a != b for a, b in itertools.pairwise(found)) == 2


def test_refused_cells_are_told_with_their_lines(tmp_path: Path) -> None:
    rows: list[Any] = readings(count=300)
    rows[10] = (rows[10][0], "n/a?")
    rows[20] = (rows[20][0], "")
    done = tocsin_scan(write(tmp_path / "x.csv", rows), "--json")
    assert done.returncode == 0
    assert "refused 2" in done.stderr
    assert "line 12, column value" in done.stderr
    file = json.loads(done.stdout)["files"][0]
    assert file["series"][0]["samples"] == 298
    assert sum(file["refused"].values()) == 2
    assert [refusal["line"] for refusal in file["refusals"]] == [12, 22]


def test_one_bad_file_does_not_stop_the_good_ones(spiked: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"\x00\x01\x02\xff" * 100)
    done = tocsin_scan(bad, tmp_path / "nowhere", spiked, "--out", tmp_path / "out", "--json")
    assert done.returncode == 2
    assert names_in(tmp_path / "out") == ["requests.csv"]
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert any(str(bad) in line for line in errors)
    assert any("nowhere" in line for line in errors)
    told = json.loads(done.stdout)
    assert told["events"]
    assert sum(file["error"] is not None for file in told["files"]) == 2


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", 2),
        ("timestamp,value\n", 2),
        ("timestamp,value\n2024-01-01T00:00:00Z,1\n", 0),
        ("timestamp,value\n2024-01-01T00:00:00Z,nan\n", 2),
        ("timestamp,value\n2262-05-01T00:00:00Z,1\n", 2),
        ("timestamp,value\n01/02/2024,1\n02/03/2024,2\n", 2),
    ],
    ids=["empty", "header only", "one row", "not a number", "2262", "day or month"],
)
def test_poor_files_are_told_in_a_line(tmp_path: Path, content: str, code: int) -> None:
    path = tmp_path / "poor.csv"
    path.write_text(content)
    done = tocsin_scan(path, "--out", tmp_path / "out")
    assert done.returncode == code, done.stderr
    assert ("error: " in done.stderr) == (code == 2)
    assert str(path) in done.stderr
    assert len(names_in(tmp_path / "out")) == (code == 0)


def test_extreme_values_are_written_as_they_are(tmp_path: Path) -> None:
    rows = [(when, value) for when, value in readings(count=400, spike=False)]
    for i, value in enumerate(("1e308", "-1e308", "5e-324", "-0.0")):
        rows[300 + 10 * i] = (rows[300 + 10 * i][0], value)  # type: ignore[assignment]
    constant = [(when, 7) for when, _ in rows]
    write(tmp_path / "in" / "extreme.csv", rows)
    write(tmp_path / "in" / "constant.csv", constant)
    done = tocsin_scan(tmp_path / "in", "--out", tmp_path / "out", "--json")
    assert done.returncode == 0
    json.loads(done.stdout, parse_constant=pytest.fail)
    found = rows_of(tmp_path / "out" / "extreme.csv")
    assert [float(row["value"]) for row in found] == [float(value) for _, value in rows]
    assert {row["event"] for row in rows_of(tmp_path / "out" / "constant.csv")} == {""}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "which files or folders"),
        (("x.csv", "--bogus"), "--bogus"),
        (("x.csv", "--format", "csv"), "--out"),
        (("x.csv", "--format", "xml", "--out", "o"), "xml"),
        (("x.csv", "--timezone", "Berlin"), "Europe/Berlin"),
        (("x.csv", "--false-alarms-per-week", "-1"), "false_alarms_per_week"),
        (("x.csv", "--direction", "sideways"), "direction = 'sideways': must be one of both, up,"),
        (("x.csv", "--least-change", "-1"), "least_change"),
        (("x.csv", "--likelihood", "gauss"), "likelihood = 'gauss': must be one of"),
        (("x.csv", "--model", "vews"), "model = 'vews': must be one of"),
        (("x.csv", "--report", "no/such/folder/x.html"), "no/such/folder"),
        (("x.csv",), "x.csv"),
        (("empty",), "empty"),
    ],
)
def test_wrong_use_is_told_in_a_line(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    done = tocsin_scan(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_results_do_not_overwrite_the_input(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", readings(count=10))
    before = path.read_bytes()
    done = tocsin_scan(path, "--out", tmp_path)
    assert done.returncode == 2
    assert "overwrite" in done.stderr
    assert path.read_bytes() == before


def test_the_table_is_in_the_zone_that_is_said(tmp_path: Path) -> None:
    naive = [(when.removesuffix("Z"), value) for when, value in readings()]
    path = write(tmp_path / "local.csv", naive)
    done = tocsin_scan(path, "--timezone", "America/New_York")
    assert "2024-01-08 15:20:00-05:00" in done.stdout


def test_the_report_is_written(spiked: Path, tmp_path: Path) -> None:
    done = tocsin_scan(spiked, "--report", tmp_path / "r.html", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["report"] == str(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "requests" in page


def test_a_full_disk_is_told_and_leaves_nothing(spiked: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="no limits on file sizes here")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    # Compiled kernels are written to a cache too: the limit must not be the first to meet them.
    tocsin_scan(spiked)
    out = tmp_path / "out"
    done = tocsin_scan(spiked, "--out", out, limit=limit)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert str(out / "requests.csv") in done.stderr
    assert names_in(out) == []
    assert SPIKE_SHOWN in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to another process on Windows")
def test_an_interruption_says_what_was_done(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    write(folder / "a.csv", readings(count=200))
    big = write(folder / "b0.csv", readings(count=200_000))
    for i in range(1, 12):
        os.link(big, folder / f"b{i:02}.csv")
    command = [*FRESH, "scan", str(folder), "--out", str(out)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as running:  # type: ignore[call-overload]
        deadline = time.monotonic() + 60
        while not (out / "a.csv").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        stdout, stderr = running.communicate(timeout=60)
    assert running.returncode == 130, stderr
    assert "Traceback" not in stderr
    last = stderr.splitlines()[-1]
    found = re.match(r"interrupted: (\d+) of 13 files done .*; not done: (.*)$", last)
    assert found, last
    done = int(found[1])
    assert 1 <= done < 13
    assert len(found[2].split(", ")) == 13 - done
    assert len(names_in(out)) == done
    assert all(name.endswith(".csv") and not name.startswith(".") for name in names_in(out))
    counts = [len(rows_of(out / name)) for name in names_in(out)]
    assert counts == [200] + [200_000] * (done - 1)
    assert f"of {done} metric" in stdout


def test_a_reader_that_goes_away_is_no_trouble(spiked: Path) -> None:
    command = [*FRESH, "scan", str(spiked), "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as running:  # type: ignore[call-overload]
        running.stdout.close()
        stderr = running.stderr.read()
    assert running.returncode == 141
    assert "Traceback" not in stderr
    assert "Exception" not in stderr


def test_progress_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", readings(count=10))
    for terminal, quiet, shown in ((True, False, True), (True, True, False), (False, False, False)):
        screen = io.StringIO()
        console = Console(file=screen, force_terminal=terminal, width=80)
        with watching(console, [path], quiet=quiet) as watch:
            watch.file(path)
            watch.rows(10)
            watch.advance(5)
            watch.advance(5)
            watch.file_done()
        assert ("x.csv" in screen.getvalue()) == shown
        assert ("100%" in screen.getvalue()) == shown


def test_a_narrow_terminal_cuts_nothing_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = FileOutcome(Path("a.csv"))
    event = Event(0, 0, 0, 123.5, 100.25, 98.125, 102.5, 0.5, 0.99999, 1)
    name = 'http_requests{host="a-rather-long-name.example.org"}'
    ready = Readiness(9, 9)
    outcome.series.append(SeriesOutcome(name, 9, 0, 0, 0, 60, ready, [event]))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    print_events([outcome], "UTC")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    for whole in ("1970-01-01", "00:00:00Z", "100,000", "123.5", "100.25", "98.125", "102.5"):
        assert whole in shown


@pytest.mark.parametrize(
    ("likelihood", "told"),
    [
        (0.9, "1 in 10"),
        (0.99999, "1 in 100,000"),
        (1 - 1 / 123_456, "1 in 120,000"),
        (1.0, "under 1 in 10,000,000,000"),
    ],
)
def test_how_improbable_has_two_digits(likelihood: float, told: str) -> None:
    assert improbable(likelihood) == told


def test_a_real_series(shared: Path, tmp_path: Path) -> None:
    taxi = shared / "nab" / "data" / "realKnownCause" / "nyc_taxi.csv"
    told = json.loads(tocsin_scan(taxi, "--out", tmp_path, "--json").stdout)
    assert told["files"][0]["series"][0]["samples"] == 10_320
    assert len(rows_of(tmp_path / "nyc_taxi.csv")) == 10_320
    assert told["events"]
