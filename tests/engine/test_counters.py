"""Counters in the engine: stored as sent, watched as rates, whoever declares them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.test_engine import engine_on, rows
from tocsin import Detector
from tocsin.engine.archive import open_archive
from tocsin.engine.batch import Batch
from tocsin.engine.engine import Engine
from tocsin.engine.transfer import export_metric, import_metric
from tocsin.samples import SECOND_NS, Metric, Samples

START = 1_700_000_000 * SECOND_NS
COUNT = 500
_NAMES = (
    *("rate", "raw_score", "likelihood", "anomaly_score", "alert_score"),
    *("expected", "lower", "upper", "event"),
)


def a_counter(count: int = COUNT) -> tuple[Any, Any]:
    """Counts with a reset, a pause, and an hour's work at once."""
    rng = np.random.default_rng(7)
    counts = np.cumsum(rng.poisson(50, count)).astype(float)
    counts[count // 3 :] -= counts[count // 3] - 4.0
    counts[count // 2 :] += 1e6
    seconds = rng.integers(1, 60, count)
    seconds[count // 4] = 7_000
    return START + np.cumsum(seconds) * SECOND_NS, counts


TIMES, COUNTS = a_counter()


def batch(which: slice | Sequence[int], name: str = "m", *, counter: bool = True) -> Batch:
    times, counts = TIMES[which], COUNTS[which]
    samples = Samples(np.zeros(len(times), dtype=np.int64), times, counts)
    declared = frozenset({0}) if counter else frozenset()
    return Batch([Metric.of(name)], samples, "test", counters=declared)


def stored(folder: Path, metric: str = "m") -> list[tuple[Any, ...]]:
    told = ", ".join(f"s.{name}" for name in _NAMES)
    return rows(
        folder,
        f"select s.timestamp, s.value, {told} from sample s join metric m on m.id = s.metric "
        f"where m.name = '{metric}' and m.deleted is null order by s.seq",
    )


def undisturbed(kind: str = "counter", count: int = COUNT, **more: Any) -> list[tuple[Any, ...]]:
    found = Detector(kind=kind, **more).update_many(TIMES[:count], COUNTS[:count], unit="ns")
    columns = [[None if np.isnan(x) else float(x) for x in found[name]] for name in _NAMES[:-1]]
    keys = TIMES[:count].tolist(), COUNTS[:count].tolist()
    return list(zip(*keys, *columns, found["event"].tolist(), strict=True))


def kind_of(engine: Engine, name: str = "m") -> str | None:
    row = int(engine.registry.find([Metric.of(name)])[0])
    return engine.kind(int(engine.registry.position["id"][row]))


@given(cuts=st.lists(st.integers(0, COUNT), max_size=5), again=st.integers(0, COUNT - 1))
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_batches_restarts_and_repeats_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], again: int
) -> None:
    folder = tmp_path_factory.mktemp("engine")
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), COUNT], strict=True):
        with engine_on(folder) as engine:
            engine.submit(batch(slice(first, last))).result(120)
            repeated = engine.submit(batch(slice(min(again, first), last))).result(120)
            assert repeated.accepted == 0
    assert stored(folder) == undisturbed()
    (peak,) = rows(folder, f"select value, expected from event where peak = {TIMES[COUNT // 2]}")
    assert peak[0] == pytest.approx(1e6 / ((TIMES[250] - TIMES[249]) / 1e9), rel=1e-2)
    assert peak[1] < 500


def test_an_engine_that_was_killed_learns_the_same_anew(tmp_path: Path) -> None:
    with engine_on(tmp_path) as engine:
        engine.submit(batch(slice(0, 300))).result(120)
    rows(tmp_path, "delete from snapshot")
    with engine_on(tmp_path) as engine:
        engine.submit(batch(slice(300, COUNT), counter=False)).result(120)
        assert kind_of(engine) == "counter"
    assert stored(tmp_path) == undisturbed()


def test_what_arrives_out_of_order_is_put_in_order_first(tmp_path: Path) -> None:
    order = np.arange(100).reshape(-1, 2)[:, ::-1].ravel()
    with engine_on(tmp_path, reorder_s=3_600.0) as engine:
        for piece in np.split(order, 10):
            engine.submit(batch(piece.tolist())).result(120)
        assert rows(tmp_path, "select count(*) from held") == [(100,)]
    with engine_on(tmp_path) as engine:
        engine.submit(batch([100])).result(120)
    assert stored(tmp_path) == undisturbed(count=101)


def test_only_the_declared_ones_of_a_batch_are_counters(tmp_path: Path) -> None:
    metrics = [Metric.of(name) for name in ("a", "b", "c")]
    which = np.arange(30) % 3
    samples = Samples(which, TIMES[:30], COUNTS[:30])
    with engine_on(tmp_path) as engine:
        engine.submit(Batch(metrics, samples, "test", counters=frozenset({1}))).result(120)
        assert [kind_of(engine, name) for name in "abc"] == ["gauge", "counter", "gauge"]
    assert [row[0] for row in rows(tmp_path, "select counter from metric order by id")] == [0, 1, 0]
    assert all(row[2] is None for row in stored(tmp_path, "a"))
    assert [row[2] is None for row in stored(tmp_path, "b")] == [True] + [False] * 9


@pytest.mark.parametrize(
    ("watch", "detect", "declared", "kind"),
    [
        ([], {}, True, "counter"),
        ([], {}, False, "gauge"),
        ([], {"kind": "counter"}, False, "counter"),
        ([], {"kind": "gauge"}, True, "counter"),
        ([{"match": "m", "kind": "gauge"}], {}, True, "gauge"),
        ([{"match": "m", "kind": "counter"}], {}, False, "counter"),
        ([{"match": "m", "timezone": "Asia/Tokyo"}], {}, True, "counter"),
    ],
)
def test_rules_go_over_declarations_over_defaults(
    tmp_path: Path, watch: Any, detect: Any, declared: bool, kind: str
) -> None:
    with engine_on(tmp_path, watch=watch, detect=detect) as engine:
        engine.submit(batch(slice(0, 120), counter=declared)).result(120)
        assert kind_of(engine) == kind
    timezone = {"timezone": "Asia/Tokyo"} if watch and "timezone" in watch[0] else {}
    assert stored(tmp_path) == undisturbed(kind, 120, **timezone)


def test_a_declaration_outlives_rules_and_is_about_one_generation(tmp_path: Path) -> None:
    with engine_on(tmp_path, watch=[{"match": "m", "kind": "gauge"}]) as engine:
        engine.submit(batch(slice(0, 50))).result(120)
    with engine_on(tmp_path) as engine:
        assert kind_of(engine) == "counter"
        uid = engine.registry.uids[0]
        engine.control(lambda: engine.actions.change(uid, {"kind": "gauge"})).result(120)
        assert kind_of(engine) == "gauge"
        engine.control(lambda: engine.actions.change(uid, {"kind": None})).result(120)
        assert kind_of(engine) == "counter"
        engine.control(lambda: engine.actions.delete(uid)).result(120)
        engine.submit(batch(slice(0, 10), counter=False)).result(120)
        assert kind_of(engine) == "gauge"


def test_an_archive_goes_on_where_the_counter_was(tmp_path: Path) -> None:
    with engine_on(tmp_path) as engine:
        engine.submit(batch(slice(0, 300))).result(120)
        file = io.BytesIO()
        export_metric(engine, engine.registry.uids[0], file)
        with open_archive(file) as archive:
            import_metric(engine, archive, Metric.of("copy"))
        engine.submit(batch(slice(300, COUNT), "copy", counter=False)).result(120)
        assert kind_of(engine, "copy") == "counter"
    assert stored(tmp_path, "copy") == undisturbed()


def test_a_model_in_a_worker_hears_the_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    model, count = "tests.engine.toy_models.Keeper", 60
    watch = [{"match": "m", "model": model}]
    with engine_on(tmp_path, watch=watch, allow_models=[model]) as engine:
        engine.submit(batch(slice(0, 1))).result(120)
        engine.submit(batch(slice(1, count))).result(120)
    with engine_on(tmp_path, watch=watch, allow_models=[model]) as engine:
        _until_scored(engine)
    assert stored(tmp_path) == undisturbed(count=count, model=model)


def _until_scored(engine: Engine) -> None:
    import time

    deadline = time.monotonic() + 60
    while engine.lag(1):
        assert time.monotonic() < deadline
        time.sleep(0.02)
