"""`tocsin load`, as a user runs it: in a process of its own, cut off at any moment."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

import tocsin
from tests.running import Started, environment, run, running, start

COLUMNS = "raw_score, likelihood, anomaly_score, alert_score, expected, lower, upper"
START = np.datetime64("2024-01-01T00:00:00", "s")


def load(*arguments: object, code: int = 0) -> str:
    done = run("load", *map(str, arguments), cwd=Path.cwd())
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


def write(path: Path, seed: int, count: int = 3_000) -> Path:
    values = np.random.default_rng(seed).normal(10.0, 1.0, count).round(3)
    values[count // 2 :: 700] += 50
    times = np.datetime_as_string(START + np.arange(count) * np.timedelta64(300, "s"))
    lines = [f"{when}Z,{value}" for when, value in zip(times, values.tolist(), strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["timestamp,value", *lines]) + "\n")
    return path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    for number in range(3):
        write(folder / f"file{number}.csv", number)
    return folder


def at_work(process: Started, data: Path) -> bool:
    """Whether it has opened a file of its own, or is over."""
    try:
        opened = psutil.Process(process.pid).open_files()
    except psutil.Error:
        return True
    return process.poll() is not None or any(Path(f.path).parent == data for f in opened)


def assert_as_scanned(database: Path, folder: Path) -> None:
    """The stored results of every file are those of ``tocsin.scan``, to the bit."""
    import pandas as pd

    connection = sqlite3.connect(database)
    for path in sorted(folder.glob("*.csv")):
        expected = tocsin.scan(pd.read_csv(path, parse_dates=["timestamp"])).samples
        stored = connection.execute(
            f"select seq, value, {COLUMNS} from sample "
            "where metric = (select id from metric where name = ?) order by seq",
            [path.stem],
        ).fetchall()
        names = ["value", *COLUMNS.split(", ")]
        numbers = np.array([row[1:] for row in stored], dtype=np.float64)
        assert [row[0] for row in stored] == list(range(1, len(expected) + 1))
        assert np.array_equal(numbers, expected[names].to_numpy(), equal_nan=True)
    connection.close()


def test_a_folder_is_loaded_as_it_is_scanned(tmp_path: Path, files: Path) -> None:
    data = tmp_path / "data"
    told = load(files, "--data", data)
    assert "3 files: 9,000 samples stored, 0 already there, 0 refused" in told
    assert_as_scanned(data / "tocsin.db", files)
    again = load(files, "--data", data)
    assert "0 samples stored, 9,000 already there" in again
    # Known by the samples, too, when the book does not know the source.
    repeated = load(files, "--data", data, "--again", "--batch-rows", "700")
    assert "3,000 already known" in repeated
    assert "0 samples stored, 9,000 already there" in repeated


def test_cut_off_again_and_again_it_goes_on(tmp_path: Path, files: Path) -> None:
    data = tmp_path / "data"
    moments = random.Random(4)
    command = ["load", str(files), "--data", str(data), "--batch-rows", "100"]
    for cut in range(4):
        process = start(command, environment())
        # Before, Python itself is starting, and nobody could take an interruption.
        deadline = time.monotonic() + 60
        while not at_work(process, data) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(moments.uniform(0.0, 1.2))
        process.send_signal(signal.SIGKILL if cut % 2 else signal.SIGINT)
        _, err = process.communicate(timeout=60)
        # While libraries load, an interruption within one of their callbacks is told by Python.
        assert "Traceback" not in err or "Exception ignored on calling ctypes callback" in err
        # While Python ends, an interruption is nobody's any more.
        assert process.returncode in (0, 130, -signal.SIGINT, -signal.SIGKILL)
    load(files, "--data", data, "--batch-rows", "100")
    assert_as_scanned(data / "tocsin.db", files)


def test_a_running_service_is_loaded_through_its_address(tmp_path: Path, files: Path) -> None:
    data = tmp_path / "data"
    with running(data, TOCSIN_MAX_BODY_SAMPLES="400", TOCSIN_TOKEN="a secret of ours") as service:
        url = str(service.client.base_url)
        assert "use by another tocsin" in load(files, "--data", data, code=2)
        refused = load(files, "--url", url, code=2)
        assert "401" in refused
        # Larger than the service takes at once: sent in halves.
        told = load(files, "--url", url, "--token", "a secret of ours", "--batch-rows", "1000")
        assert "9,000 samples stored" in told
        again = load(files, "--url", url, "--token", "a secret of ours", "--batch-rows", "1000")
        assert "0 samples stored, 9,000 already there" in again
        assert "3,000 by an earlier run" in again
        service.stop()
    assert_as_scanned(data / "tocsin.db", files)


def test_what_cannot_be_used_is_told_and_the_rest_is_done(tmp_path: Path, files: Path) -> None:
    data = tmp_path / "data"
    (files / "text.csv").write_text("not,a,series\nof,any,kind\n")
    told = load(files, tmp_path / "nowhere", "--data", data, code=2)
    assert "text.csv" in told
    assert "nowhere" in told
    assert "3 files: 9,000 samples stored" in told
    write(files / "file0.csv", seed=9)
    other = load(files / "file0.csv", "--data", data)
    assert "3,000 refused (conflict)" in other


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--label", "nothing"], "KEY=VALUE"),
        (["--batch-rows", "0"], "--batch-rows"),
        (["--url", "http://127.0.0.1:9", "--data", "x"], "not both"),
        (["--url", "http://127.0.0.1:9"], "cannot reach"),
    ],
)
def test_mistakes_are_named(files: Path, arguments: list[str], told: str) -> None:
    assert told in load(files, *arguments, code=2)


def test_a_summary_is_not_wanted(tmp_path: Path, files: Path) -> None:
    assert load(files, "--data", tmp_path / "data", "--quiet") == ""
    assert os.path.getsize(tmp_path / "data" / "tocsin.db") > 0
