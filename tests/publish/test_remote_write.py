"""Remote write to a receiver that fails, and what a restart makes of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cramjam
import pytest

from tests.alert.test_delivering import until
from tests.publish.test_publishing import started
from tests.publish.world import World
from tocsin.bench.remote_write_messages import V1
from tocsin.config import RemoteWrite


class Receiver:
    """Takes what it is sent, but for answers that are planned otherwise."""

    def __init__(self) -> None:
        self.plan: list[int] = []
        self.taken: list[Any] = []
        self.headers: list[dict[str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.plan.pop(0) if receiver.plan else 204
                receiver.headers.append(dict(self.headers))
                if status == 204:
                    raw = bytes(cramjam.snappy.decompress_raw(body))
                    receiver.taken.append(V1["WriteRequest"].FromString(raw))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/api/v1/write"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

    def samples(self, name: str = "tocsin_value") -> list[tuple[float, int]]:
        """Of one family, in the order in which they were taken."""
        return [
            (sample.value, sample.timestamp)
            for request in self.taken
            for series in request.timeseries
            if series.labels[0].value == name
            for sample in series.samples
        ]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def to(receiver: Receiver, **more: Any) -> list[RemoteWrite]:
    return [RemoteWrite(url=receiver.url, match=["m0"], **more)]


def values(world: World) -> list[tuple[float, int]]:
    """Everything that is stored of the metric m0."""
    with world.database.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT coalesce(rate, value), timestamp FROM sample WHERE metric = 1 ORDER BY seq"
        )
        return [(row[0], row[1] // 10**6) for row in rows]


def test_it_is_taken_in_order_with_its_labels(world: World, receiver: Receiver) -> None:
    world.commit([0, 1])
    with started(world, publish=to(receiver, token="sesame-open")) as start:
        for _ in range(3):
            start.publishing.feed.publish(world.commit([0, 0, 1]))
        until(lambda: len(receiver.samples()) == 6)
    assert receiver.samples() == values(world)[1:]
    series = receiver.taken[0].timeseries[0]
    assert [(label.name, label.value) for label in series.labels] == [
        ("__name__", "tocsin_anomaly_score"),
        ("dc", "b"),
        ("host", "a"),
        ("metric", "m0"),
    ]
    headers = receiver.headers[0]
    assert headers["Authorization"] == "Bearer sesame-open"
    assert headers["Content-Encoding"] == "snappy"
    assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"


def test_what_fails_comes_again_and_a_restart_goes_on_where_it_was(
    world: World, receiver: Receiver
) -> None:
    with started(world, publish=to(receiver, name="tsdb")) as start:
        receiver.plan = [503]
        start.commit(2)
        until(lambda: len(receiver.samples()) == 2)
        until(lambda: start.publishing.subscribers.all()[0].position == 2)
    world.commit([0])  # while nobody was there
    receiver.plan = [429]
    with started(world, publish=to(receiver, name="tsdb")) as start:
        start.commit()
        until(lambda: len(receiver.samples()) == 4)
    assert receiver.samples() == values(world)


def test_what_is_refused_for_good_is_counted_and_does_not_stop_the_rest(
    world: World, receiver: Receiver
) -> None:
    with started(world, publish=to(receiver, name="tsdb")) as start:
        receiver.plan = [400]
        start.commit()
        until(lambda: len(receiver.headers) == 1)
        start.commit()
        until(lambda: len(receiver.samples()) == 1)
        assert receiver.samples() == values(world)[1:]
        line = 'tocsin_destination_refused_total{subscriber="tsdb"} '
        told = start.telemetry.text().decode()
        assert any(one.startswith(line) and one != f"{line}0.0" for one in told.splitlines())


def test_a_token_that_is_not_there_is_said_at_the_start(world: World, receiver: Receiver) -> None:
    from tocsin.errors import ConfigurationError

    with (
        pytest.raises(ConfigurationError, match="no environment variable 'NO_SUCH_TOKEN'"),
        started(world, publish=to(receiver, token_env="NO_SUCH_TOKEN")),
    ):
        pass
