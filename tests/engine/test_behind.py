from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.test_engine import START, batch, engine_on, rows
from tests.signals import calm_then_spike
from tocsin import Detector
from tocsin.engine.batch import Batch
from tocsin.engine.behind import Follower
from tocsin.engine.committed import Behind
from tocsin.engine.engine import Engine
from tocsin.errors import MetricNotActiveError
from tocsin.samples import SECOND_NS, Metric, Samples

VALUES = calm_then_spike(300, 60)[:340]
TINY: dict[str, Any] = {"model": "htm", "htm": {"preset": "small"}}


def until(true: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1200):
        if true():
            return
        pause.wait(0.05)
    pytest.fail("it did not come true within 60 s")


def caught_up(engine: Engine) -> bool:
    position = engine.registry.position
    return bool((position["scored_seq"] == position["seq"]).all())


def raw_scores(folder: Path, metric: int) -> list[float]:
    query = f"select raw_score from sample where metric = {metric} order by seq"
    return [row[0] for row in rows(folder, query)]


def alone(values: list[float]) -> list[float]:
    times = START + np.arange(len(values)) * SECOND_NS
    found = Detector(**TINY).update_many(times, values, unit="ns")
    scores: list[float] = found["raw_score"].tolist()
    return scores


def test_a_slow_model_is_scored_behind_with_the_same_bits_through_restarts(tmp_path: Path) -> None:
    for low, high in ((0, 7), (7, 150), (150, len(VALUES))):
        with engine_on(tmp_path, detect=TINY) as engine:
            for at in range(low, high, 31):
                part = VALUES[at : min(at + 31, high)]
                assert engine.submit(batch(part, at)).result(120).accepted == len(part)
            if high < len(VALUES):
                continue  # stopped while it is behind
            until(lambda: caught_up(engine))
            assert engine.lag(1) == 0
            assert engine.readiness(1).ready
    assert raw_scores(tmp_path, 1) == alone(VALUES)
    assert rows(tmp_path, "select status, scored_seq from metric join progress on metric = id") == [
        ("active", len(VALUES))
    ]
    ranges = rows(tmp_path, "select sum(count) from outbox")
    assert ranges == [(len(VALUES),)]


def test_results_for_a_metric_that_is_not_active_are_refused_whole(tmp_path: Path) -> None:
    with engine_on(tmp_path) as engine:
        engine.submit(batch(VALUES[:10])).result(120)

        def result(metric: int = 1, epoch: int = 0, after: int = 10) -> Behind:
            return Behind(0, metric, epoch, after, 11, engine.readiness(1))

        check = engine.scoring.check_active
        engine.control(lambda: check(result())).result(120)
        for wrong in (result(metric=2), result(epoch=1), result(after=9)):
            with pytest.raises(MetricNotActiveError):
                engine.control(lambda wrong=wrong: check(wrong)).result(120)  # type: ignore[misc]
        uid = engine.registry.uids[0]
        engine.control(lambda: engine.actions.pause(uid)).result(120)
        before = rows(tmp_path, "select * from outbox")
        refused = result()
        engine.queue.put_scored(refused)
        until(lambda: refused.refused)
        assert rows(tmp_path, "select * from outbox") == before
        with pytest.raises(MetricNotActiveError, match="paused"):
            engine.control(lambda: check(result())).result(120)


def test_what_was_not_remembered_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.engine.behind._REMEMBERED", 10)
    monkeypatch.setattr(Follower, "stored", _late(Follower.stored))
    with engine_on(tmp_path, detect=TINY) as engine:
        for at in range(0, 120, 30):
            engine.submit(batch(VALUES[at : at + 30], at)).result(120)
        until(lambda: caught_up(engine))
    assert raw_scores(tmp_path, 1) == alone(VALUES[:120])


def _late(stored: Callable[..., None]) -> Callable[..., None]:
    """As if the thread were told only after more had been stored."""

    def delayed(self: Follower, *columns: np.ndarray) -> None:
        threading.Timer(0.2, lambda: stored(self, *columns)).start()

    return delayed


def test_states_beyond_the_budget_leave_memory_and_come_back_the_same(tmp_path: Path) -> None:
    metrics, each = 600, 6
    names = [Metric.of(f"m{i}") for i in range(metrics)]
    values = np.random.default_rng(1).normal(size=(each * 20, metrics))
    with engine_on(tmp_path, memory_mb=1) as engine:
        for row in range(0, each * 20, 20):
            # A few metrics at a time, so that others are cold meanwhile.
            for first in range(0, metrics, 100):
                which = np.repeat(np.arange(first, first + 100), 20)
                times = START + np.tile(np.arange(row, row + 20), 100) * SECOND_NS
                column = values[row : row + 20, first : first + 100].T.ravel()
                engine.submit(Batch(names, Samples(which, times, column), "test")).result(120)
        assert engine.memory.bytes <= 2**20
        assert engine.memory.released > metrics
        assert engine.memory.returned > metrics
    for metric in (0, 99, 100, 599):
        column = values[:, metric].tolist()
        detector = Detector()
        times = START + np.arange(len(column)) * SECOND_NS
        expected = detector.update_many(times, column, unit="ns")["raw_score"].tolist()
        stored = rows(tmp_path, f"select id from metric where name = 'm{metric}'")[0][0]
        assert raw_scores(tmp_path, stored) == expected
