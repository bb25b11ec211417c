"""Samples that are not learnt, events that alarm nobody; the same bits however it is run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.test_behind import until
from tests.engine.test_engine import START, batch, engine_on, rows, scores
from tests.signals import calm_then_spike
from tocsin.calendars import Calendar
from tocsin.detect.fleet import Fleet
from tocsin.detect.settings import Settings
from tocsin.engine.apart import Apart
from tocsin.engine.engine import Engine
from tocsin.errors import ActionRefusedError
from tocsin.samples import SECOND_NS

#: Calm, a spike from 400 on, then another level from 430 to 470, and calm.
VALUES = calm_then_spike(400, 200)
VALUES[430:470] = [value + 30.0 for value in VALUES[430:470]]


def window(first: int, last: int, match: str = "m", **switches: Any) -> Calendar:
    """From sample ``first`` to the one before ``last``."""
    start, end = START + first * SECOND_NS, START + last * SECOND_NS
    return Calendar(id=0, match=match, text="move", start=start, end=end, **switches)


def add(engine: Engine, calendar: Calendar) -> Calendar:
    return engine.control(lambda: engine.maintenance.add(calendar)).result(120)


def send(engine: Engine, first: int, last: int, name: str = "m") -> None:
    engine.submit(batch(VALUES[first:last], first, name)).result(120)


def whole(folder: Path, calendar: Calendar | None = None) -> list[tuple[Any, ...]]:
    with engine_on(folder) as engine:
        if calendar is not None:
            add(engine, calendar)
        send(engine, 0, len(VALUES))
    return scores(folder)


def killed_and_gone_on(folder: Path, cuts: Sequence[int], calendar: Calendar) -> Path:
    """Every piece is taken by a process that is killed after it; the last folder."""
    for number, (first, last) in enumerate(zip([0, *cuts], [*cuts, len(VALUES)], strict=True)):
        following = folder.with_name(f"{folder.name}-{number}")
        with engine_on(folder, snapshot_s=0.05) as engine:
            if not number:
                add(engine, calendar)
            middle = (first + last) // 2
            for part in ((first, middle), (middle, last)):
                if part[0] < part[1]:
                    send(engine, *part)
            engine.control(lambda: None).result(120)
            # As the disk is at this moment: nothing of what stopping writes.
            shutil.copytree(folder, following)
        folder = following
    return folder


@pytest.mark.parametrize("cuts", [(300, 420, 440), (395, 396, 405, 469, 470, 500), (450,)])
def test_killed_anywhere_the_bits_are_the_same(tmp_path: Path, cuts: tuple[int, ...]) -> None:
    calendar = window(395, 470, learn=False)
    (tmp_path / "one").mkdir()
    (tmp_path / "many").mkdir()
    expected = whole(tmp_path / "one", calendar)
    last = killed_and_gone_on(tmp_path / "many", cuts, calendar)
    assert scores(last) == expected
    (tmp_path / "none").mkdir()
    learnt = whole(tmp_path / "none")
    # Until the window's end it makes no difference, and from there on it does.
    assert learnt[:470] == expected[:470]
    assert learnt[470:] != expected[470:]


def test_stopped_in_a_window_and_started_again_the_bits_are_the_same(tmp_path: Path) -> None:
    calendar = window(395, 470, learn=False)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    expected = whole(tmp_path / "one", calendar)
    with engine_on(tmp_path / "two") as engine:
        add(engine, calendar)
        send(engine, 0, 440)
    with engine_on(tmp_path / "two") as engine:
        assert engine.states.replayed == 0  # the state that is put back was saved, too
        send(engine, 440, len(VALUES))
    assert scores(tmp_path / "two") == expected


def test_it_holds_from_the_next_sample_on_and_no_longer_than_it_is_there(tmp_path: Path) -> None:
    with engine_on(tmp_path) as engine:
        send(engine, 0, 420)
        made = add(engine, window(395, 10_000, learn=False))
        assert made.since == START + 419 * SECOND_NS
        send(engine, 420, 440)
        gone = engine.control(lambda: engine.maintenance.take_back(made.id)).result(120)
        assert gone
        assert engine.maintenance.all() == []
        assert not engine.control(lambda: engine.maintenance.take_back(made.id)).result(120)
        send(engine, 440, len(VALUES))
    told = scores(tmp_path)
    # Learnt anew from what is stored, the state is the same: the next scores are, too.
    with engine_on(tmp_path) as engine:
        row = engine.registry.row_of_uid(rows(tmp_path, "select uid from metric")[0][0])
        lane = engine.lanes.of(row)
        assert lane is not None
        before = lane.to_bytes(1)
        engine.control(lambda: engine.states.rebuild(row)).result(120)
        engine.control(lambda: engine.writer.drop_snapshots(1)).result(120)
        engine.control(lambda: engine.states.rebuild(row)).result(120)
        assert lane.to_bytes(1) == before
    assert scores(tmp_path) == told


def test_other_metrics_learn(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    expected = whole(tmp_path / "one")
    assert whole(tmp_path / "two", window(300, 470, match="other*", learn=False)) == expected


@pytest.mark.parametrize(("end", "alarmed"), [(430, False), (403, True)])
def test_an_event_in_a_window_alarms_nobody_unless_it_outlasts_it(
    tmp_path: Path, end: int, alarmed: bool
) -> None:
    with engine_on(tmp_path) as engine:
        add(engine, window(395, end, alarm=False))
        for first, last in ((0, 402), (402, 420)):
            send(engine, first, last)
            told = rows(tmp_path, "select muted from event order by id")
            if last == 402:
                assert told == [("in a maintenance window (calendar 1): move",)]
    assert (told[0][0] is None) == alarmed
    whole = rows(tmp_path, "select start, anomaly_score from event")
    assert whole[0] == (START + 400 * SECOND_NS, 1.0)


def test_models_behind_the_commit_do_not_learn_either(tmp_path: Path) -> None:
    slow = [{"match": "*", "model": "htm", "htm": {"preset": "small"}}]
    calendar = window(395, 470, learn=False)

    def run(folder: Path, cuts: Sequence[int]) -> list[tuple[Any, ...]]:
        folder.mkdir()
        for number, (first, last) in enumerate(zip([0, *cuts], [*cuts, len(VALUES)], strict=True)):
            with engine_on(folder, watch=slow) as engine:
                if not number:
                    add(engine, calendar)
                send(engine, first, last)
                until(lambda: engine.lag(1) == 0)
        return scores(folder)

    expected = run(tmp_path / "one", [])
    assert run(tmp_path / "two", [420]) == expected
    assert None not in {row[2] for row in expected}


def test_models_of_somebody_elses_are_refused(tmp_path: Path) -> None:
    watch = [{"match": "m", "model": "tests.engine.toy_models.Mean"}]
    with engine_on(tmp_path, watch=watch, allow_models=["tests.*"]) as engine:
        send(engine, 0, 3)
        with pytest.raises(ActionRefusedError, match="pause it for that time"):
            add(engine, window(5, 20, match="*", learn=False))
        assert engine.maintenance.all() == []
        add(engine, window(5, 20, match="*", alarm=False))


@settings(max_examples=30)
@given(st.data())
def test_grouping_makes_no_difference(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    metrics, count = 3, 150
    slots = rng.integers(0, metrics, size=count)
    times = START + np.arange(count, dtype=np.int64) * SECOND_NS
    values = 50 + rng.normal(size=count)
    held = np.zeros(count, dtype=np.bool_)
    for _ in range(data.draw(st.integers(1, 3))):
        first = data.draw(st.integers(0, count - 1))
        held[first : first + data.draw(st.integers(1, 60))] = True
    held &= slots != 1  # one is not concerned
    cuts = sorted(data.draw(st.lists(st.integers(1, count - 1), max_size=6)))

    def scored(parts: list[int]) -> tuple[bytes, list[bytes]]:
        fleet = Fleet(Settings(), metrics)
        apart = Apart(fleet)
        found = [
            apart.update(slots[a:b], times[a:b], values[a:b], held[a:b])
            for a, b in zip([0, *parts], [*parts, count], strict=True)
        ]
        return np.concatenate(found).tobytes(), [fleet.to_bytes(slot) for slot in range(metrics)]

    assert scored(cuts) == scored([])


def test_afterwards_all_is_as_if_it_had_not_been_but_where_the_metric_stands() -> None:
    values = np.array(VALUES)
    times = START + np.arange(len(values), dtype=np.int64) * SECOND_NS
    fleet = Fleet(Settings(), 2)
    apart = Apart(fleet)
    zeros = np.zeros(len(values), dtype=np.int64)
    some = slice(0, 395)
    fleet.update(zeros[some], times[some], values[some])
    fleet.copy(0, 1)
    inside = slice(395, 410)  # it ends while the event of the spike is open
    apart.update(zeros[inside], times[inside], values[inside], np.ones(15, dtype=np.bool_))
    assert fleet.in_event(0)
    apart.end(0)
    assert len(apart) == 0
    found, kept = fleet.take(np.array([0, 1]))
    for name in ("seen", "interval", "model", "likelihood", "lower", "longest_pause"):
        assert found[name].tobytes() == kept[name].tobytes()
    assert fleet.last_timestamp(0) == times[409]
    assert fleet.in_event(0)
    assert not fleet.in_event(1)
