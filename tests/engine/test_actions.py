"""What may be asked of a metric, through a whole engine on both databases."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from tests.signals import calm_then_spike
from tocsin.config import Config
from tocsin.detect.fleet import Fleet
from tocsin.detect.result import NUMBERS
from tocsin.detect.settings import Settings
from tocsin.engine.archive import open_archive
from tocsin.engine.batch import Batch
from tocsin.engine.committed import Behind
from tocsin.engine.engine import Engine
from tocsin.engine.lifecycle import TABLE, Action, Status, settled
from tocsin.engine.transfer import export_metric, import_metric
from tocsin.errors import (
    ActionRefusedError,
    ConfigurationError,
    FileFormatError,
    UnknownMetricError,
)
from tocsin.samples import SECOND_NS, Metric, Samples
from tocsin.store.database import claim

START = 1_700_000_000 * SECOND_NS
VALUES = calm_then_spike(700, 60)
SPIKE = 700
PATIENCE_S = 120.0
ROOT = Path(__file__).parents[2]
MEAN = "tests.engine.toy_models.Mean"


@contextmanager
def engine_on(url: str, folder: Path, **options: Any) -> Iterator[Engine]:
    config = msgspec.structs.replace(Config(), database=url, data=str(folder), **options)
    with claim(config.url, busy_s=1.0) as database:
        engine = Engine(database, config)
        engine.start()
        try:
            yield engine
        finally:
            engine.stop()


@pytest.fixture
def engine(database_url: str, tmp_path: Path) -> Iterator[Engine]:
    with engine_on(database_url, tmp_path) as engine:
        yield engine


def send(engine: Engine, first: int, last: int, name: str = "m") -> None:
    """Samples first … last-1 of the signal."""
    times = START + np.arange(first, last, dtype=np.int64) * SECOND_NS
    samples = Samples(np.zeros(last - first, np.int64), times, np.array(VALUES[first:last]))
    receipt = engine.submit(Batch([Metric.of(name)], samples, "test")).result(PATIENCE_S)
    assert receipt.accepted == last - first, receipt
    until(lambda: not engine.catching_up)


def uid(engine: Engine, name: str = "m") -> str:
    (row,) = engine.registry.find([Metric.of(name)]).tolist()
    assert row >= 0
    found: str = engine.registry.uids[row]
    return found


def do(engine: Engine, action: Callable[..., None], *given: Any, name: str = "m") -> None:
    engine.control(partial(action, uid(engine, name), *given)).result(PATIENCE_S)
    until(lambda: not engine.catching_up)


def rows(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.database.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def column(engine: Engine, name: str, metric: str = "m") -> Any:
    whole = "metric join progress on metric = id"
    query = f"select {name} from {whole} where name = '{metric}' and deleted is null"
    ((value,),) = rows(engine, query)
    return value


def scores(engine: Engine, metric: str = "m") -> list[tuple[Any, ...]]:
    return rows(
        engine,
        "select s.seq, rate, raw_score, s.likelihood, s.anomaly_score, alert_score, expected, "
        "lower, upper, event from sample s join metric on metric.id = s.metric "
        f"where name = '{metric}' and deleted is null order by s.seq",
    )


def undisturbed(*parts: tuple[int, int], **settings: Any) -> list[tuple[Any, ...]]:
    """What one model makes of these stretches of the signal, numbered as in the signal.

    What lies between them is passed over.
    """
    number = np.concatenate([np.arange(first, last) for first, last in parts])
    fleet = Fleet(Settings(**settings), 1)
    pieces: list[Any] = []
    for first, last in parts:
        if pieces:
            fleet.pass_over(*(np.array([x]) for x in (0, *sample(first - 1))))
        times, values = (np.array(x) for x in zip(*map(sample, range(first, last)), strict=True))
        pieces.append(fleet.update(np.zeros(last - first, dtype=np.int64), times, values))
    found = np.concatenate(pieces)
    columns = [[None if np.isnan(x) else float(x) for x in found[name]] for name in NUMBERS]
    return list(zip((number + 1).tolist(), *columns, found["event"].tolist(), strict=True))


def sample(number: int) -> tuple[int, float]:
    return START + number * SECOND_NS, VALUES[number]


def unscored(first: int, last: int) -> list[tuple[Any, ...]]:
    return [(seq + 1, *[None] * 9) for seq in range(first, last)]


def in_step(engine: Engine) -> None:
    """What is in memory and what is in the database say the same."""
    for row, metric in enumerate(engine.registry.metrics):
        if engine.registry.find([metric])[0] != row:
            continue
        record, standing = engine.registry.position[row], engine.registry.standings[row]
        stored = rows(
            engine,
            "select status, reason, deadline, failures, last_seq, scored_seq, learns_after "
            f"from metric join progress on metric = id where id = {record['id']}",
        )
        told = (standing.status, standing.reason, standing.deadline, standing.failures)
        assert stored == [
            (*told, *(int(record[name]) for name in ("seq", "scored_seq", "learns_after")))
        ]


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def test_a_pause_is_not_learnt(engine: Engine) -> None:
    send(engine, 0, 400)
    do(engine, engine.actions.pause)
    do(engine, engine.actions.pause)
    assert (column(engine, "status"), column(engine, "reason")) == ("paused", "asked")
    send(engine, 400, 450)
    in_step(engine)
    do(engine, engine.actions.resume)
    assert (column(engine, "status"), column(engine, "reason")) == ("active", None)
    send(engine, 450, 765)
    expected = undisturbed((0, 400), (450, 765))
    assert scores(engine) == expected[:400] + unscored(400, 450) + expected[400:]
    in_step(engine)


@pytest.mark.parametrize("cut", [395, 420, 450, 500])
@pytest.mark.parametrize("kind", ["gauge", "counter"])
def test_after_a_pause_nothing_was_silent_however_it_is_run(
    database_url: str, tmp_path: Path, kind: str, cut: int
) -> None:
    settings = [{"match": "*", "kind": kind}]
    steps = [(380, None), (400, "pause"), (450, "resume"), (765, None)]
    steps = sorted([*steps, (cut, "restart")], key=lambda step: step[0])
    before, expected = 0, undisturbed((0, 400), (450, 765), kind=kind)
    with ExitStack() as stack:
        engine = stack.enter_context(engine_on(database_url, tmp_path, watch=settings))
        for end, action in steps:
            send(engine, before, end)
            before = end
            if action == "restart":
                stack.close()
                # As after a kill before any state was saved.
                with claim(database_url) as database, database.begin() as connection:
                    connection.execute(text("delete from snapshot"))
                engine = stack.enter_context(engine_on(database_url, tmp_path, watch=settings))
            elif action:
                do(engine, getattr(engine.actions, action))
        assert scores(engine) == expected[:400] + unscored(400, 450) + expected[400:]
        assert not any(row[-1] for row in expected[400:500])


def test_a_pause_ends_by_itself(engine: Engine) -> None:
    send(engine, 0, 300)
    do(engine, engine.actions.pause, time.time_ns() + SECOND_NS // 4)
    assert column(engine, "deadline") is not None
    send(engine, 300, 301)
    until(lambda: column(engine, "status") == "active")
    in_step(engine)
    send(engine, 301, 400)
    assert scores(engine)[300:301] == unscored(300, 301)
    assert scores(engine)[301:] == undisturbed((0, 300), (301, 400))[300:]


def test_reset_begins_anew_and_closes_the_event(engine: Engine) -> None:
    send(engine, 0, SPIKE + 3)
    assert rows(engine, "select count(*) from event where open") == [(1,)]
    do(engine, engine.actions.reset)
    assert rows(engine, "select count(*) from event where open") == [(0,)]
    assert rows(engine, "select count(*) from snapshot") == [(0,)]
    assert (column(engine, "status"), column(engine, "learns_after")) == ("warming_up", SPIKE + 3)
    send(engine, SPIKE + 3, 765)
    assert scores(engine)[SPIKE + 3 :] == undisturbed((SPIKE + 3, 765))
    in_step(engine)
    (told,) = rows(
        engine, "select events from outbox where id = (select max(id) from outbox where count = 0)"
    )
    assert '"open": false' in told[0]


def test_a_reset_metric_comes_back_as_it_was(database_url: str, tmp_path: Path) -> None:
    with engine_on(database_url, tmp_path) as engine:
        send(engine, 0, 300)
        do(engine, engine.actions.reset)
        send(engine, 300, 500)
        do(engine, engine.actions.pause)
        send(engine, 500, 510)
    with engine_on(database_url, tmp_path) as engine:
        assert column(engine, "status") == "paused"
        do(engine, engine.actions.resume)
        send(engine, 510, 765)
        expected = undisturbed((300, 500), (510, 765))
        assert scores(engine)[300:] == expected[:200] + unscored(500, 510) + expected[200:]
        in_step(engine)


def test_old_states_are_forgotten(database_url: str, tmp_path: Path) -> None:
    asked: dict[str, tuple[Any, ...]] = {"reset": (), "unmonitor": (), "delete": ()}
    asked["change"] = ({"likelihood": "gaussian"},)
    with engine_on(database_url, tmp_path) as engine:
        for name in asked:
            send(engine, 0, 200, name)
    with engine_on(database_url, tmp_path) as engine:
        assert rows(engine, "select count(*) from snapshot") == [(4,)]
        for left, (action, given) in enumerate(asked.items(), -3):
            do(engine, getattr(engine.actions, action), *given, name=action)
            assert rows(engine, "select count(*) from snapshot") == [(-left,)]


def test_what_is_held_of_a_deleted_metric_goes_with_it(database_url: str, tmp_path: Path) -> None:
    with engine_on(database_url, tmp_path, reorder_s=3_000.0) as engine:
        send(engine, 0, 20)
        assert rows(engine, "select count(*) from held") == [(20,)]
        do(engine, engine.actions.delete)
        assert len(engine.scoring.held) == 0
        until(lambda: rows(engine, "select count(*) from held") == [(0,)])
        send(engine, 0, 5)
        assert column(engine, "generation") == 2


def test_unmonitored_metrics_forget_and_begin_anew(engine: Engine) -> None:
    send(engine, 0, 300)
    do(engine, engine.actions.unmonitor)
    assert column(engine, "status") == "unmonitored"
    assert column(engine, "model") is None
    assert column(engine, "settings") == '{"monitor": false}'
    send(engine, 300, 350)
    for impossible in (engine.actions.pause, engine.actions.resume, engine.actions.reset):
        with pytest.raises(ActionRefusedError, match="monitor it first"):
            do(engine, impossible)
    do(engine, engine.actions.monitor)
    do(engine, engine.actions.monitor)
    assert (column(engine, "status"), column(engine, "model")) == ("warming_up", "views")
    send(engine, 350, 765)
    assert scores(engine)[300:] == unscored(300, 350) + undisturbed((350, 765))
    in_step(engine)


def test_what_was_asked_for_outlives_a_restart(database_url: str, tmp_path: Path) -> None:
    none = [{"match": "*", "monitor": False}]
    with engine_on(database_url, tmp_path, watch=none) as engine:
        send(engine, 0, 100)
        assert (column(engine, "status"), column(engine, "reason")) == ("unmonitored", "rule")
        do(engine, engine.actions.monitor)
        send(engine, 100, 400)
    with engine_on(database_url, tmp_path, watch=none) as engine:
        assert column(engine, "status") == "active"
        send(engine, 400, 765)
        assert scores(engine) == unscored(0, 100) + undisturbed((100, 765))
        in_step(engine)


def test_a_start_with_other_rules(database_url: str, tmp_path: Path) -> None:
    with engine_on(database_url, tmp_path) as engine:
        for name in ("a", "b", "c"):
            send(engine, 0, 200, name)
    with engine_on(database_url, tmp_path, watch=[{"match": "*", "most": 2}]) as engine:
        engine.control(lambda: None).result(PATIENCE_S)
        assert [column(engine, "status", name) for name in "abc"] == ["active"] * 2 + [
            "unmonitored"
        ]
        assert column(engine, "reason", "c") == "rule_full"
        do(engine, engine.actions.delete, name="a")
        send(engine, 0, 1, "d")
        send(engine, 0, 1, "e")
        assert column(engine, "status", "d") == "warming_up"
        assert column(engine, "detail", "e") == "watch rule 1 monitors at most 2"
        in_step(engine)
    with engine_on(database_url, tmp_path) as engine:
        engine.control(lambda: None).result(PATIENCE_S)
        assert {column(engine, "status", name) for name in "cde"} == {"warming_up"}
        send(engine, 200, 400, "c")
        assert scores(engine, "c")[200:] == undisturbed((200, 400))
        in_step(engine)


def test_other_settings_are_learnt_from_what_is_stored(engine: Engine) -> None:
    send(engine, 0, 500)
    do(engine, engine.actions.change, {"likelihood": "gaussian"})
    before = undisturbed((0, 500))
    assert scores(engine) == before
    assert column(engine, "likelihood") == "gaussian"
    send(engine, 500, 765)
    assert scores(engine)[500:] == undisturbed((0, 765), likelihood="gaussian")[500:]
    in_step(engine)
    do(engine, engine.actions.change, {"likelihood": None})
    assert column(engine, "settings") is None
    in_step(engine)


def test_settings_that_cannot_be_change_nothing(engine: Engine) -> None:
    send(engine, 0, 300)
    for wrong, said in (
        ({"timezone": "Mars"}, "timezone"),
        ({"colour": "red"}, "unknown setting 'colour'"),
        ({"monitor": False}, "monitor"),
        ({"model": "os.system"}, "allow_models"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            do(engine, engine.actions.change, wrong)
    assert column(engine, "settings") is None
    send(engine, 300, 765)
    assert scores(engine) == undisturbed((0, 765))


def test_changed_settings_outlive_a_restart(database_url: str, tmp_path: Path) -> None:
    with engine_on(database_url, tmp_path) as engine:
        send(engine, 0, 400)
        do(engine, engine.actions.change, {"likelihood": "gaussian"})
    with engine_on(database_url, tmp_path) as engine:
        send(engine, 400, 765)
        assert scores(engine)[400:] == undisturbed((0, 765), likelihood="gaussian")[400:]


def test_generations_never_mix(engine: Engine) -> None:
    send(engine, 0, SPIKE + 3)
    first = uid(engine)
    do(engine, engine.actions.delete)
    with pytest.raises(UnknownMetricError):
        engine.control(partial(engine.actions.pause, first)).result(PATIENCE_S)
    send(engine, 100, 400)
    assert uid(engine) != first
    assert column(engine, "generation") == 2
    assert scores(engine) == [(i + 1, *row[1:]) for i, row in enumerate(undisturbed((100, 400)))]
    assert rows(engine, "select count(*) from event where open") == [(0,)]
    in_step(engine)
    gone = rows(engine, f"select id from metric where uid = '{first}'")[0][0]
    for table in ("sample", "event", "snapshot"):
        query = f"select count(*) from {table} where metric = {gone}"
        until(lambda query=query: rows(engine, query) == [(0,)])  # type: ignore[misc]


def test_deletion_goes_by_pieces(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.engine.sweeping._PIECE", 100)
    send(engine, 0, 765)
    send(engine, 0, 765, "other")
    do(engine, engine.actions.delete)
    until(lambda: rows(engine, "select count(*) from sample") == [(765,)])
    until(lambda: len(engine.sweeper) == 0)
    assert scores(engine, "other") == undisturbed((0, 765))


def test_a_deletion_goes_on_after_a_restart(database_url: str, tmp_path: Path) -> None:
    with engine_on(database_url, tmp_path) as engine:
        send(engine, 0, 765)
        engine.sweeper.work = lambda: None  # type: ignore[method-assign]
        do(engine, engine.actions.delete)
        assert rows(engine, "select count(*) from sample") == [(765,)]
    with engine_on(database_url, tmp_path) as engine:
        until(lambda: rows(engine, "select count(*) from sample") == [(0,)])
        send(engine, 0, 10)
        assert column(engine, "generation") == 2


def exported(engine: Engine, name: str = "m") -> io.BytesIO:
    target = io.BytesIO()
    export_metric(engine, uid(engine, name), target)
    return target


def imported(engine: Engine, source: io.BytesIO, name: str) -> str:
    with open_archive(source) as archive:
        return import_metric(engine, archive, Metric.of(name))


def test_a_clone_goes_on_where_the_original_stood(engine: Engine) -> None:
    send(engine, 0, SPIKE + 3)
    made = imported(engine, exported(engine), "clone")
    assert made == uid(engine, "clone") != uid(engine)
    assert scores(engine, "clone") == scores(engine)
    in_step(engine)
    for name in ("m", "clone"):
        send(engine, SPIKE + 3, 765, name)
    assert scores(engine, "clone") == scores(engine) == undisturbed((0, 765))
    events = 'select {} start, peak, "end", open, value, anomaly_score, samples from event e '
    both = [
        rows(engine, events.format("") + f"where metric = {column(engine, 'id', name)}")
        for name in ("m", "clone")
    ]
    assert both[0] == both[1]
    assert len(both[0]) == 1
    ids = [row[0] for row in rows(engine, "select id from event")]
    assert len(set(ids)) == 2


def test_an_import_takes_settings_and_standing_along(database_url: str, tmp_path: Path) -> None:
    with engine_on(database_url, tmp_path, detect={"likelihood": "gaussian"}) as engine:
        send(engine, 0, 400)
        do(engine, engine.actions.pause, 2**61)
        archive = exported(engine)
    url = f"sqlite:///{tmp_path / 'other.db'}"
    none = [{"match": "*", "monitor": False}]
    with engine_on(url, tmp_path / "other", watch=none) as engine:
        imported(engine, archive, "m")
        assert (column(engine, "status"), column(engine, "deadline")) == ("paused", 2**61)
        assert column(engine, "likelihood") == "gaussian"
    with engine_on(url, tmp_path / "other", watch=none) as engine:
        do(engine, engine.actions.resume)
        send(engine, 400, 765)
        assert scores(engine) == undisturbed((0, 765), likelihood="gaussian")
        in_step(engine)


def test_an_import_is_told_to_those_who_follow(engine: Engine) -> None:
    send(engine, 0, 300)
    imported(engine, exported(engine), "clone")
    last = rows(engine, "select ranges, count from outbox order by id desc limit 1")[0]
    ranges = np.frombuffer(last[0], "<i8").reshape(-1, 3).tolist()
    assert ranges == [[column(engine, "id", "clone"), 1, 300]]
    assert last[1] == 300


def test_a_name_that_is_taken_is_refused(engine: Engine) -> None:
    send(engine, 0, 300)
    archive = exported(engine)
    with pytest.raises(ActionRefusedError, match="there is a metric m already"):
        imported(engine, archive, "m")
    do(engine, engine.actions.delete)
    imported(engine, archive, "m")
    assert column(engine, "generation") == 2
    send(engine, 300, 765)
    assert scores(engine) == undisturbed((0, 765))


def test_a_damaged_archive_leaves_nothing(engine: Engine) -> None:
    send(engine, 0, 600)
    whole = exported(engine).getvalue()
    # In the middle of the samples, which come first.
    damaged = bytearray(whole)
    damaged[len(whole) // 3] ^= 0xFF
    with pytest.raises(FileFormatError):
        imported(engine, io.BytesIO(bytes(damaged)), "clone")
    assert engine.registry.find([Metric.of("clone")]).tolist() == [-1]
    until(lambda: rows(engine, "select count(*) from sample") == [(600,)])
    send(engine, 0, 10, "clone")
    assert column(engine, "status", "clone") == "warming_up"


def test_an_import_that_was_cut_off_is_removed_at_the_next_start(
    database_url: str, tmp_path: Path
) -> None:
    with engine_on(database_url, tmp_path) as engine:
        send(engine, 0, 600)
        whole = exported(engine).getvalue()
        engine.sweeper.add = lambda metric: None  # type: ignore[method-assign]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine.states, "rebuild", cut_off)
            with pytest.raises(RuntimeError, match="cut off"):
                imported(engine, io.BytesIO(whole), "clone")
        assert rows(engine, "select count(*) from sample") == [(1_200,)]
        assert engine.registry.find([Metric.of("clone")]).tolist() == [-1]
    with engine_on(database_url, tmp_path) as engine:
        until(lambda: rows(engine, "select count(*) from sample") == [(600,)])
        imported(engine, io.BytesIO(whole), "clone")
        assert column(engine, "generation", "clone") == 2
        send(engine, 600, 765, "clone")
        assert scores(engine, "clone") == undisturbed((0, 765))


def cut_off(_row: int) -> None:
    raise RuntimeError("cut off")


def test_slow_metrics_pause_reset_change_and_move(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    rule = {"match": "s*", "model": MEAN}
    options: dict[str, Any] = {"allow_models": ["tests.*"], "watch": [rule]}
    with engine_on(database_url, tmp_path, **options) as engine:

        def caught_up(name: str = "s") -> bool:
            return bool(column(engine, "scored_seq", name) == column(engine, "last_seq", name))

        send(engine, 0, 400, "s")
        until(caught_up)
        alone = scores(engine, "s")
        do(engine, engine.actions.pause, name="s")
        send(engine, 400, 410, "s")
        do(engine, engine.actions.resume, name="s")
        do(engine, engine.actions.reset, name="s")
        send(engine, 410, 500, "s")
        until(caught_up)
        in_step(engine)
        assert scores(engine, "s")[400:410] == unscored(400, 410)
        # The first sample of a mean has the score 0.
        assert scores(engine, "s")[410][2] == 0.0 == alone[0][2]
        made = exported(engine, "s")
        imported(engine, made, "s2")
        for name in ("s", "s2"):
            send(engine, 500, 600, name)
        until(lambda: caught_up() and caught_up("s2"))
        assert scores(engine, "s2") == scores(engine, "s")
        do(engine, engine.actions.change, {"model": "views"}, name="s")
        send(engine, 600, 700, "s")
        until(caught_up)
        expected = undisturbed((410, 700))[190:]
        assert scores(engine, "s")[600:] == expected
        do(engine, engine.actions.delete, name="s2")
        in_step(engine)


def test_what_waits_of_an_unmonitored_metric_is_never_scored(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    options: dict[str, Any] = {"detect": {"model": MEAN}, "allow_models": ["tests.*"]}
    with engine_on(database_url, tmp_path, **options) as engine:
        follower = engine._foreign
        send(engine, 0, 10)
        until(lambda: column(engine, "scored_seq") == 10)
        follower._hand_on = lambda behind: None  # what it scores never arrives
        send(engine, 10, 50)
        assert rows(engine, "select count(*) from sample where event = -2") == [(40,)]
        do(engine, engine.actions.unmonitor)
        assert rows(engine, "select count(*) from sample where event is null") == [(40,)]
        assert rows(engine, "select count(*) from sample where event = -2") == [(0,)]
        last = rows(engine, "select count from outbox order by id desc limit 1")
        assert last == [(40,)]
        in_step(engine)


@pytest.mark.parametrize("action", ["pause", "reset", "delete"])
def test_results_under_way_are_refused_whole(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    options: dict[str, Any] = {"detect": {"model": MEAN}, "allow_models": ["tests.*"]}
    with engine_on(database_url, tmp_path, **options) as engine:
        held: list[Behind] = []
        engine._foreign._hand_on = held.append
        send(engine, 0, 50)
        until(lambda: sum(len(behind.seq) for behind in held) > 0)
        metric = column(engine, "id")
        do(engine, getattr(engine.actions, action))
        before = engine.telemetry.results_refused._value.get()
        for behind in held:
            engine._hand_on(behind)
        engine.control(lambda: None).result(PATIENCE_S)
        refused = engine.telemetry.results_refused._value.get() - before
        assert refused == sum(len(behind.seq) for behind in held)
        scored = f"select count(*) from sample where metric = {metric} and event >= 0"
        assert rows(engine, scored) == [(0,)]
        assert rows(engine, "select count(*) from outbox where count > 0") == [(0,)]


def test_a_metric_in_error_is_resumed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    send(engine, 0, 300)
    send(engine, 0, 300, "other")
    good = engine.lanes.update
    bad = int(engine.registry.find([Metric.of("m")])[0])

    def update(rows: Any, *columns: Any) -> Any:
        if bad in rows:
            raise RuntimeError("the model fails")
        return good(rows, *columns)

    monkeypatch.setattr(engine.lanes, "update", update)
    send(engine, 300, 310)
    send(engine, 300, 310, "other")
    told = (column(engine, "status"), column(engine, "reason"), column(engine, "failures"))
    assert told == ("error", "model_raised", 1)
    assert column(engine, "deadline") > time.time_ns()
    with pytest.raises(ActionRefusedError, match="resume it to try again"):
        do(engine, engine.actions.monitor)
    do(engine, engine.actions.pause)
    in_step(engine)
    monkeypatch.undo()
    do(engine, engine.actions.resume)
    send(engine, 310, 765)
    until(lambda: bool(column(engine, "scored_seq") == 765))
    assert scores(engine) == undisturbed((0, 765))
    assert scores(engine, "other") == undisturbed((0, 310))
    assert column(engine, "failures") == 0
    in_step(engine)


def test_statuses_are_those_of_the_table(engine: Engine) -> None:
    send(engine, 0, 300)
    assert engine.registry.standings[0].status is Status.ACTIVE
    do(engine, engine.actions.unmonitor)
    do(engine, engine.actions.unmonitor)
    with pytest.raises(ActionRefusedError, match="cannot resume a metric that is unmonitored"):
        do(engine, engine.actions.resume)
    do(engine, engine.actions.monitor)
    do(engine, engine.actions.pause)
    with pytest.raises(ActionRefusedError, match="resume it"):
        do(engine, engine.actions.monitor)
    in_step(engine)


class Expected:
    """What must be stored of one metric, after any actions, by the table and one detector."""

    def __init__(self) -> None:
        self.status = Status.WARMING_UP
        self.sent = 0
        #: Stretches that were learnt since the state was last forgotten, and their results.
        self.parts: list[tuple[int, int]] = []
        self.rows: list[tuple[Any, ...]] = []

    def send(self, count: int) -> None:
        first, self.sent = self.sent, self.sent + count
        if self.status not in (Status.WARMING_UP, Status.ACTIVE):
            self.rows += unscored(first, self.sent)
            return
        self.parts.append((first, self.sent))
        self.rows += undisturbed(*self.parts)[-count:]
        self.status = settled(self.status, self.ready)

    @property
    def ready(self) -> bool:
        return sum(last - first for first, last in self.parts) >= 100

    def act(self, action: Action) -> bool:
        """Whether it is possible."""
        outcome = TABLE[self.status, action]
        if not isinstance(outcome, Status):
            return False
        anew = action is Action.MONITOR and self.status is Status.UNMONITORED
        if anew or action in (Action.RESET, Action.UNMONITOR):
            self.parts = []
        self.status = settled(outcome, self.ready)
        return True


ACTIONS = (Action.MONITOR, Action.UNMONITOR, Action.PAUSE, Action.RESUME, Action.RESET)


@hypothesis.settings(max_examples=15)
@given(
    st.lists(
        st.sampled_from(ACTIONS) | st.integers(1, 60) | st.just("restart"), min_size=2, max_size=14
    )
)
def test_any_story_is_told_by_the_table(story: list[Any]) -> None:
    expected = Expected()
    with TemporaryDirectory() as folder, ExitStack() as stack:
        url = f"sqlite:///{folder}/tocsin.db"
        engine = stack.enter_context(engine_on(url, Path(folder)))
        send(engine, 0, 90)
        expected.send(90)
        for chapter in story:
            if chapter == "restart":
                stack.close()
                engine = stack.enter_context(engine_on(url, Path(folder)))
            elif isinstance(chapter, Action):
                tell(engine, expected, chapter)
            elif expected.sent + chapter <= len(VALUES):
                send(engine, expected.sent, expected.sent + chapter)
                expected.send(chapter)
            assert column(engine, "status") == expected.status
        assert scores(engine) == expected.rows
        in_step(engine)


def tell(engine: Engine, expected: Expected, action: Action) -> None:
    method = getattr(engine.actions, action.value)
    if expected.act(action):
        do(engine, method)
    else:
        with pytest.raises(ActionRefusedError):
            do(engine, method)
