from __future__ import annotations

import dataclasses
import io
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.test_engine import START, engine_on
from tocsin import Settings
from tocsin.detect.marks import Course, Wish
from tocsin.engine.archive import open_archive
from tocsin.engine.batch import Batch
from tocsin.engine.engine import Engine
from tocsin.engine.events import Events
from tocsin.engine.transfer import export_metric, import_metric
from tocsin.errors import BadInputError, UnknownMetricError
from tocsin.samples import SECOND_NS, Metric, Samples
from tocsin.scanning import scan_series

STEP = 300 * SECOND_NS
#: Jumps of the signal, by place; the first is marked no anomaly, the next (not told) an anomaly.
JUMPS = {2000: 20.0, 2500: 4.2, 3000: 21.0, 4000: 60.0, 5000: -20.0, 5500: 5.0}
NAMES = ("start", "end", "open", "samples", "pattern", "why", "muted", "because")
MARKED_AT = 2_600


def signal() -> list[float]:
    values = 50 + np.random.default_rng(1).normal(size=6000)
    for at, size in JUMPS.items():
        values[at] = 50 + size
    return [float(value) for value in values]


def at(number: int) -> int:
    return START + number * STEP


def batch(values: list[float], first: int = 0) -> Batch:
    times = START + np.arange(first, first + len(values), dtype=np.int64) * STEP
    column = np.zeros(len(values), dtype=np.int64)
    return Batch([Metric.of("m")], Samples(column, times, np.array(values)), "test")


def mark(engine: Engine, kind: Any, number: int) -> int:
    """Mark an event, or a stretch of three samples."""

    def make() -> int:
        uid = engine.registry.uids[0]
        wish = Wish(kind, at(number - 1), at(number + 1))
        told = engine.marking.preview(uid, wish, None, 30)
        columns = {"kind": kind, "start": wish.start, "end": wish.end, "event": None}
        return engine.marking.add(uid, told.mark, columns | {"text": "", "author": ""})

    return engine.control(make).result(120)


def stored(folder: Path, metric: int = 1) -> dict[int, dict[str, Any]]:
    database = sqlite3.connect(folder / "tocsin.db")
    try:
        columns = ", ".join(f'"{name}"' for name in NAMES)
        rows = database.execute(f"select {columns} from event where metric = ?", [metric])
        events = [dict(zip(NAMES, row, strict=True)) for row in rows.fetchall()]
    finally:
        database.close()
    return {(event["start"] - START) // STEP: event for event in events}


def codes(folder: Path) -> list[int]:
    database = sqlite3.connect(folder / "tocsin.db")
    try:
        found = database.execute("select event from sample where metric = 1 order by seq")
        return [row[0] for row in found.fetchall()]
    finally:
        database.close()


def run(folder: Path, cuts: list[int]) -> dict[int, dict[str, Any]]:
    """Store the signal, marked at one place, with a new start at each cut."""
    values = signal()
    folder.mkdir()
    ends = sorted({*cuts, MARKED_AT, len(values)})
    for first, last in zip([0, *ends], ends, strict=False):
        with engine_on(folder) as engine:
            if first == MARKED_AT:
                mark(engine, "not_anomaly", 2_000)
                mark(engine, "anomaly", 2_500)
            engine.submit(batch(values[first:last], first)).result(120)
    return stored(folder)


def test_marks_act_and_say_so(tmp_path: Path) -> None:
    events = run(tmp_path / "one", [])
    told = {number: events[number] for number in JUMPS if number in events}
    assert set(told) == set(JUMPS) - {2_500}
    assert {number for number, event in told.items() if event["muted"]} == {3_000}
    assert "marked not an anomaly" in told[3_000]["muted"]
    assert {number for number, event in told.items() if event["because"]} == {5_500}
    assert "marked an anomaly" in told[5_500]["because"]
    assert not told[5_500]["open"]
    assert codes(tmp_path / "one")[5_500] == 1


@pytest.mark.parametrize(
    "cuts", [[2_700, 3_001, 5_501], [5_499, 5_500, 5_505], [3_000, 3_005, 4_002]]
)
def test_events_are_the_same_whatever_stops_between(tmp_path: Path, cuts: list[int]) -> None:
    assert run(tmp_path / "cut", cuts) == run(tmp_path / "whole", [])
    assert codes(tmp_path / "cut") == codes(tmp_path / "whole")


def test_a_mark_that_is_taken_back_acts_no_longer(tmp_path: Path) -> None:
    values = signal()
    with engine_on(tmp_path) as engine:
        engine.submit(batch(values[:2_600])).result(120)
        number = mark(engine, "not_anomaly", 2_000)
        assert engine.control(lambda: engine.marking.take_back(number)).result(120)
        assert not engine.control(lambda: engine.marking.take_back(number)).result(120)
        engine.submit(batch(values[2_600:], 2_600)).result(120)
    with engine_on(tmp_path) as engine:
        (mark_,) = engine.scoring.events.marks(0)
        assert (mark_.since, mark_.until) == (2_600, 2_600)
    assert not any(event["muted"] for event in stored(tmp_path).values())


def test_a_preview_counts_what_would_have_changed(tmp_path: Path) -> None:
    with engine_on(tmp_path) as engine:
        engine.submit(batch(signal())).result(120)
        uid = engine.registry.uids[0]
        calm = engine.marking.preview(uid, Wish("not_anomaly", at(1_999), at(2_001)), None, 30)
        assert {(event.start - START) // STEP for event in calm.changed} >= {2_000, 3_000}
        assert 4_000 not in {(event.start - START) // STEP for event in calm.changed}
        assert calm.alarms == len(stored(tmp_path))
        more = engine.marking.preview(uid, Wish("anomaly", at(2_499), at(2_501)), None, 30)
        assert {(event.start - START) // STEP for event in more.changed} >= {5_500}
        with pytest.raises(BadInputError, match="no sample"):
            engine.marking.preview(uid, Wish("anomaly", 0, 1), None, 30)
        with pytest.raises(BadInputError, match="no event 77"):
            engine.marking.preview(uid, Wish("anomaly", at(2_000), at(2_000)), 77, 30)
        with pytest.raises(UnknownMetricError):
            engine.marking.preview("nobody", Wish("anomaly", 0, 1), None, 30)
    assert not any(event["muted"] for event in stored(tmp_path).values())


def test_samples_from_before_a_mark_are_told_without_it_however_late() -> None:
    times = START + np.arange(6_000) * STEP
    plain = scan_series(Metric.of("m"), times, np.array(signal()), Settings())
    seq = np.arange(1, 6_001)
    course = Course(seq, times, plain.values, plain.scored)
    made = course.mark(Wish("not_anomaly", at(2_000), at(2_000)), plain.events, Settings())
    assert made is not None
    late = slice(2_900, 3_100)
    columns = seq[late], times[late], plain.values[late], plain.scored[late]
    for since, muted in ((2_600, True), (3_001, False)):
        events = Events()
        events.mark(0, [dataclasses.replace(made, since=since)])
        events.lower(np.zeros(200, dtype=np.int64), *columns)
        told = events.feed(np.zeros(200, dtype=np.int64), *columns)
        (event,) = {change.id: change.event for change in told}.values()
        assert (event.muted != "") == muted


def test_marks_go_with_the_metric(tmp_path: Path) -> None:
    values, file = signal(), io.BytesIO()
    with engine_on(tmp_path) as engine:
        engine.submit(batch(values[:2_600])).result(120)
        mark(engine, "not_anomaly", 2_000)
        marks = engine.scoring.events.marks(0)
        export_metric(engine, engine.registry.uids[0], file)
        assert marks
        with open_archive(file) as archive:
            import_metric(engine, archive, Metric.of("copy"))
        assert engine.scoring.events.marks(1) == marks
