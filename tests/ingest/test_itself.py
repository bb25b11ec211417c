"""Tocsin's own figures, and a follower that is stuck."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.alert.receivers import hook
from tests.alert.test_delivering import until
from tests.running import Service, running
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
        engine.submit(batch).result(120)
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
        until(lambda: len(service.samples("tocsin.unscored.samples")) >= 3, 60)
        service.post([{"metric": "a", "timestamp": 1, "value": 1.0}])
        until(lambda: any(s["value"] > 0 for s in service.samples("tocsin.accepted.per_s")[1:]), 60)
        code, _, errors = service.stop()
        assert (code, errors) == (0, "")


#: What a user writes who wants to hear of subscribers that are stuck, and of nothing else.
ONLY_SUBSCRIBERS = """
[detect]
false_alarms_per_week = 20
[[alert]]
match = "tocsin.subscriber.lag_s"
direction = "up"
routes = ["ops"]
[[alert]]
match = "tocsin.subscriber.alive"
minimum_s = 2
routes = ["ops"]
[[alert]]
match = "*"
alarm = false
[[channel]]
name = "ops"
kind = "webhook"
url = "URL"
[silence]
least_s = 3
look_s = 0.2
[incidents]
quiet_s = 1
"""
LOOK_S = 0.1
LAG, ALIVE = "tocsin.subscriber.lag_s", "tocsin.subscriber.alive"


class Follower:
    """Follows the stream under a name and confirms what it has read, until it is stuck."""

    def __init__(self, service: Service, name: str) -> None:
        self.stuck = False
        self._service, self._name = service, name
        self._over = False
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._thread.join()

    def _run(self) -> None:
        client = self._service.client
        subscribe(self._service, self._name)
        with client.stream("GET", "/api/v1/stream", params={"subscriber": self._name}) as lines:
            for line in lines.iter_lines():
                while self.stuck and not self._over:
                    time.sleep(0.05)
                if self._over:
                    return
                if line.startswith("id: "):
                    subscribe(self._service, self._name, position=int(line[4:]))


def subscribe(service: Service, name: str, **told: int) -> None:
    assert service.client.put(f"/api/v1/subscribers/{name}", json=told).status_code == 200


def usually(service: Service, name: str, subscriber: str, values: list[float]) -> None:
    """Send what these looks, up to now, would have found of a subscriber."""
    end = time.time() // LOOK_S * LOOK_S
    metric = {"metric": name, "labels": {"subscriber": subscriber}}
    times = [end - n * LOOK_S for n in range(len(values), 0, -1)]
    service.post(
        [{**metric, "timestamp": t, "value": v} for t, v in zip(times, values, strict=True)]
    )


def newest(service: Service, name: str, subscriber: str) -> dict[str, Any]:
    found = service.get("metrics", match=name)["metrics"]
    (uid,) = [one["uid"] for one in found if one["labels"] == {"subscriber": subscriber}]
    (sample,) = service.get(f"metrics/{uid}/samples", order="desc", limit=1)["samples"]
    return dict(sample)


def told(service: Service, name: str, subscriber: str) -> list[dict[str, Any]]:
    """Events of a metric that are part of incidents."""
    found = []
    for incident in service.get("incidents")["incidents"]:
        for member in service.get(f"incidents/{incident['id']}")["members"]:
            if member["metric"]["labels"] == {"subscriber": subscriber}:
                found += [one for one in member["events"] if one["name"] == name]
    return found


def test_subscribers_that_are_stuck_are_told_of(tmp_path: Path) -> None:
    with hook() as ops:
        config = tmp_path / "tocsin.toml"
        config.write_text(ONLY_SUBSCRIBERS.replace("URL", ops.url))
        arguments = ("--config", str(config), "--watch-interval", str(LOOK_S))
        with running(tmp_path / "data", *arguments) as service:
            lags = np.random.default_rng(1).uniform(0, 0.2, 1_000).tolist()
            usually(service, LAG, "slow", lags)
            usually(service, ALIVE, "archive", [1.0] * 300)
            # One that reads nothing: its lag is larger than it ever was.
            subscribe(service, "slow")
            asked = {"subscriber": "slow"}
            with (
                service.client.stream("GET", "/api/v1/stream", params=asked),
                Follower(service, "archive") as follower,
            ):
                until(lambda: told(service, LAG, "slow"))
                (event,) = told(service, LAG, "slow")
                assert event["value"] > event["expected"]
                assert newest(service, LAG, "slow")["value"] > max(lags)
                until(lambda: ops.bodies)
                assert any("slow" in body["title"] for body in ops.bodies)
                # And one that stops: nothing comes that says that it is alive. How often something
                # did is known after ten looks that found it.
                until(lambda: newest(service, ALIVE, "archive")["seq"] > 340)
                assert told(service, ALIVE, "archive") == []
                follower.stuck = True
                until(lambda: told(service, ALIVE, "archive"))
                (silence,) = told(service, ALIVE, "archive")
                assert (silence["pattern"], silence["open"]) == ("silence", True)
                assert "silent for" in silence["why"]
                follower.stuck = False
                until(lambda: not any(one["open"] for one in told(service, ALIVE, "archive")))
