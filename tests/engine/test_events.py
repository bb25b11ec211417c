from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from tests.engine.test_engine import START, batch, engine_on
from tocsin import Settings
from tocsin.engine.events import Changed
from tocsin.engine.rows import event_row
from tocsin.samples import SECOND_NS, Metric
from tocsin.scanning import scan_series

NAMES = ("start", "peak", "end", "open", "value", "expected", "samples", "pattern", "why", "views")


def shifted(count: int = 640, at: int = 600) -> list[float]:
    values = 50 + np.random.default_rng(4).normal(size=count)
    values[at:] += 30
    return [float(value) for value in values]


def stored(folder: Path) -> list[tuple[object, ...]]:
    database = sqlite3.connect(folder / "tocsin.db")
    try:
        names = ", ".join(f'"{name}"' for name in NAMES)
        return database.execute(f"select {names} from event order by id").fetchall()
    finally:
        database.close()


def in_one_go(values: list[float]) -> list[tuple[object, ...]]:
    times = START + np.arange(len(values)) * SECOND_NS
    events = scan_series(Metric.of("m"), times, np.array(values), Settings()).events
    told = [event_row(1, Changed(0, 0, event, new=True)) for event in events]
    return [tuple(row[name] for name in NAMES) for row in told]


@pytest.mark.parametrize("cuts", [[600, 601], [603, 606, 609], [595, 620]])
def test_an_event_is_told_alike_whatever_stops_between(tmp_path: Path, cuts: list[int]) -> None:
    values = shifted()
    for first, last in zip([0, *cuts], [*cuts, len(values)], strict=True):
        with engine_on(tmp_path) as engine:
            engine.submit(batch(values[first:last], first)).result(120)
    assert stored(tmp_path) == in_one_go(values)
    pattern, why = stored(tmp_path)[-1][7:9]
    assert pattern == "level_shift"
    assert str(why).endswith("it has stayed there since")


@pytest.mark.parametrize("cuts", [[601], [602, 603, 604], [605]])
def test_a_peak_that_moves_where_no_score_is_higher_is_told_alike(
    tmp_path: Path, cuts: list[int]
) -> None:
    values = shifted()
    values[600:606] = [100.0, 400.0, 1_600.0, 6_400.0, 20_000.0, 90.0]
    for first, last in zip([0, *cuts], [*cuts, len(values)], strict=True):
        with engine_on(tmp_path) as engine:
            engine.submit(batch(values[first:last], first)).result(120)
    assert stored(tmp_path) == in_one_go(values)
    scored = scan_series(
        Metric.of("m"), START + np.arange(640) * SECOND_NS, np.array(values), Settings()
    ).scored
    assert np.sum(scored["anomaly_score"][600:605] == 1.0) > 1
    assert stored(tmp_path)[-1][4] == 400.0
