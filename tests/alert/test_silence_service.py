"""A real service whose senders stop."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

from tests.alert.test_delivering import until
from tests.running import Service, running

INTERVAL_S = 0.5
CONFIG = """
[silence]
least_s = 3
look_s = 0.2
[incidents]
quiet_s = 1
[[alert]]
match = "pod.*"
silence = false
"""


class Senders:
    """A thread that sends a sample of every metric, again and again."""

    def __init__(self, service: Service, metrics: list[dict[str, Any]]) -> None:
        self.metrics = metrics
        self._service = service
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Senders:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        # Without waiting for answers: a busy machine is no silence.
        with socket.create_connection(self._service.graphite) as connection:
            while not self._stop.wait(INTERVAL_S):
                connection.sendall(lines(self.metrics, time.time()))


def samples(metrics: list[dict[str, Any]], at: float) -> list[dict[str, Any]]:
    """What each of these says at a time."""
    value = int(at / INTERVAL_S) % 7
    return [{**metric, "timestamp": at, "value": value} for metric in metrics]


def lines(metrics: list[dict[str, Any]], at: float) -> bytes:
    """The same for Graphite."""
    told = samples(metrics, at)
    text = (f"{s['metric']};host={s['labels']['host']} {s['value']} {at}\n" for s in told)
    return "".join(text).encode()


def metric(name: str, host: str) -> dict[str, Any]:
    return {"metric": name, "labels": {"host": host}}


def silences(service: Service) -> list[dict[str, Any]]:
    """Events of incidents that are silences, as they stand."""
    found = []
    for incident in service.get("incidents")["incidents"]:
        for member in service.get(f"incidents/{incident['id']}")["members"]:
            told = [one for one in member["events"] if one["why"].startswith("silent for")]
            found += [{**one, "incident": incident} for one in told]
    return found


def test_a_host_that_dies_is_told_while_it_is_dead_and_over_when_it_is_back(
    tmp_path: Path,
) -> None:
    (tmp_path / "tocsin.toml").write_text(CONFIG)
    dies = [metric(f"node.{name}", "web-1") for name in ("cpu", "memory", "disk")]
    lives, pods = [metric("node.cpu", "web-2")], [metric("pod.cpu", "pod-1")]
    everybody = [*dies, *lives, *pods]
    arguments = (tmp_path / "data", "--config", str(tmp_path / "tocsin.toml"))
    with running(*arguments) as service:
        now = time.time()
        history = [samples(everybody, now - n * INTERVAL_S) for n in range(120, 0, -1)]
        service.post([one for some in history for one in some])  # learnt enough to be watched
        with Senders(service, everybody) as senders:
            time.sleep(10)  # ten looks must have found something before silence can be told
            assert silences(service) == []
            senders.metrics = lives
            until(lambda: sum(one["open"] for one in silences(service)) == 3, 120)
        told = silences(service)
        assert {one["pattern"] for one in told} == {"silence"}
        assert {one["name"] for one in told} == {"node.cpu", "node.memory", "node.disk"}
        assert {one["labels"]["host"] for one in told} == {"web-1"}
        assert len({one["incident"]["id"] for one in told}) == 1
        assert "tocsin_metrics_silent 3.0" in service.client.get("/metrics").text
        service.kill()
    # Killed and started again it knows what it told, and when it is over.
    with running(*arguments) as service:
        with Senders(service, lives) as senders:
            time.sleep(1)
            assert [one["open"] for one in silences(service)] == [True] * 3
            senders.metrics = [*dies, *lives]
            until(lambda: not any(one["open"] for one in silences(service)), 120)
        assert len(silences(service)) == 3
