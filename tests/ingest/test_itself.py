"""Tocsin's own figures, and a follower that is stuck."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from tests.alert.test_delivering import until
from tests.running import running
from tocsin.channels import Webhook
from tocsin.config import Config
from tocsin.engine.batch import Batch
from tocsin.engine.engine import Engine
from tocsin.ingest.itself import Itself, Stuck
from tocsin.samples import SECOND_NS, Metric, Samples
from tocsin.store.database import claim


def test_it_says_how_long_samples_have_waited_and_not_how_old_they_are() -> None:
    now = [0.0]
    stuck = Stuck(lambda: now[0])

    def look(seconds: float, *told: tuple[int, int]) -> float:
        now[0] += seconds
        seq, scored = np.array(told).T
        return stuck.longest(seq, scored)

    assert look(0, (5, 5), (9, 3)) == 0.0
    assert look(10, (6, 6), (9, 4)) == 0.0  # it gets on
    assert look(10, (7, 6), (12, 4)) == 10.0
    assert look(10, (7, 6), (12, 4), (1, 0)) == 20.0
    assert look(10, (7, 7), (12, 12), (1, 0)) == 10.0
    assert look(10, (7, 7), (12, 12), (1, 1)) == 0.0


def test_a_follower_that_is_stuck_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(data=str(tmp_path), detect={"model": "htm"})
    with claim(f"sqlite:///{tmp_path / 'tocsin.db'}") as database:
        engine = Engine(database, config)
        held = [True]
        real = type(engine._slow).piece_of

        def piece_of(self: object, row: int) -> object:
            while held[0]:
                time.sleep(0.01)
            return real(self, row)  # type: ignore[arg-type]

        monkeypatch.setattr(type(engine._slow), "piece_of", piece_of)
        itself = Itself(engine, lambda: [(Metric.of("tocsin.more"), 1.0)])
        itself.read()
        engine.start()
        times = np.arange(1, 6) * SECOND_NS
        batch = Batch([Metric.of("a")], Samples(times * 0, times, np.ones(5)), "test")
        engine.submit(batch).result(30)
        itself.read()
        time.sleep(0.3)
        told = {metric.name: value for metric, value in itself.read()}
        assert told["tocsin.unscored.samples"] == told["tocsin.unscored.most"] == 5
        assert told["tocsin.unscored.age_s"] >= 0.3
        assert told["tocsin.more"] == told["tocsin.metrics.all"] == 1
        assert told["tocsin.memory.bytes"] > 1e6
        held[0] = False
        engine.stop()


def test_it_is_watched_where_somebody_is_told() -> None:
    channel = Webhook(name="ops", url="http://127.0.0.1:1/")
    assert not Config().watches_itself
    assert Config(channel=[channel]).watches_itself
    assert not Config(channel=[channel], watch_self=False).watches_itself
    assert Config(watch_self=True).watches_itself


def test_its_figures_are_metrics_like_others(tmp_path: Path) -> None:
    arguments = ("--watch-self", "--watch-interval", "0.2")
    with running(tmp_path / "data", *arguments) as service:

        def names() -> set[str]:
            found = service.get("metrics", match="tocsin.")["metrics"]
            return {metric["name"] for metric in found}

        wanted = {"tocsin.queue.samples", "tocsin.accepted.per_s", "tocsin.commit.mean_s"}
        until(lambda: wanted <= names(), 60)
        until(lambda: len(service.samples("tocsin.unscored.samples")) >= 3, 30)
        service.post([{"metric": "a", "timestamp": 1, "value": 1.0}])
        until(lambda: any(s["value"] > 0 for s in service.samples("tocsin.accepted.per_s")[1:]), 30)
        code, _, errors = service.stop()
        assert (code, errors) == (0, "")
