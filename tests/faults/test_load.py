"""``tocsin load`` over all of NAB, killed again and again, is `tocsin.scan` of the same files."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, inspect, select

from tests.faults.campaign import Report
from tests.faults.judge import Findings, judge, judge_outbox, reading
from tests.faults.stores import Store, stores
from tests.faults.workload import Series
from tests.running import Started, environment, start
from tocsin.ingest.files import find_files, read_file
from tocsin.ingest.loading import Naming
from tocsin.store import schema

_NAMING = Naming("{folder}/{file}")


@stores("postgresql")
@pytest.mark.timeout(1_800)
def test_a_load_that_is_killed(
    tmp_path: Path, store: Store, shared: Path, long: bool, reported: Callable[[Report], None]
) -> None:
    files = find_files([shared / "nab" / "data"])[: None if long else 6]
    series = [
        Series(_NAMING.of(one.metric, path), one.timestamps, one.values)
        for path in files
        for one in read_file(path).series
    ]
    total = sum(len(one.values) for one in series)
    report, began = Report("tocsin load, killed", store.name), time.monotonic()
    reported(report)
    moments = random.Random(3)
    kills = 0
    for target in sorted(moments.randrange(1, total) for _ in range(40 if long else 3)):
        kills += _load_up_to(tmp_path, store, files, target)
    last = _load(tmp_path, store, files)
    last.communicate(timeout=600)
    assert last.returncode == 0
    findings = _findings(store, series)
    report.seconds = time.monotonic() - began
    report.numbers |= {
        "files": len(files),
        "kills": kills,
        "samples": findings.samples,
        "events": findings.events,
        "mismatches": len(findings.mismatches),
    }
    assert findings, "\n".join(findings.mismatches[:20])
    assert findings.samples == total
    assert kills >= (10 if long else 1)


def _findings(store: Store, series: Sequence[Series]) -> Findings:
    findings = judge(store.url, series, [len(one.values) for one in series])
    judge_outbox(store.url, findings)
    return findings


def _load(folder: Path, store: Store, files: Sequence[Path]) -> Started:
    options = ["--database", store.url, "--metric", _NAMING.template, "--batch-rows", "500"]
    options += ["--data", str(folder / "data"), "--quiet"]
    return start(["load", *map(str, files), *options], environment())


def _load_up_to(folder: Path, store: Store, files: Sequence[Path], target: int) -> bool:
    """Kill it as soon as so many samples are stored; says whether it still ran then."""
    process = _load(folder, store, files)
    deadline = time.monotonic() + 300
    try:
        while process.poll() is None and _stored(store) < target:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.kill()
        process.communicate(timeout=60)
    return process.wait() < 0


def _stored(store: Store) -> int:
    engine = create_engine(store.url)
    try:
        if not inspect(engine).has_table("progress"):
            return 0
    finally:
        engine.dispose()
    with reading(store.url) as connection:
        return int(connection.execute(select(func.sum(schema.progress.c.last_seq))).scalar() or 0)
