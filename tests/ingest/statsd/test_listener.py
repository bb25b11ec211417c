from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tocsin.config import Config
from tocsin.engine.engine import Engine
from tocsin.ingest.listeners import LISTENERS
from tocsin.ingest.statsd.aggregator import Aggregator
from tocsin.ingest.statsd.listener import StatsD
from tocsin.samples import SECOND_NS
from tocsin.store.database import open_database


@pytest.fixture(name="engine")
def engine_fixture(tmp_path: Path) -> Iterator[Engine]:
    database = open_database(f"sqlite:///{tmp_path / 'tocsin.db'}")
    engine = Engine(database, Config(statsd_interval_s=0.5, statsd_percentiles=(50.0,)))
    engine.start()
    yield engine
    engine.stop()
    database.dispose()


def udp() -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind(("127.0.0.1", 0))
    bound.setblocking(False)
    return bound


def named(engine: Engine, name: str) -> int:
    """The row of a metric; -1 while there is none."""
    names = [metric.name for metric in engine.registry.metrics]
    return names.index(name) if name in names else -1


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


def test_it_flushes_on_round_times_and_at_the_end(engine: Engine) -> None:
    bound = udp()

    async def whole() -> None:
        listener = LISTENERS["statsd"].make(engine, engine.config)
        await listener.start([bound])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect(bound.getsockname())
            sender.send(b"hits:1|c\nhits:2|c\nwait:7|ms\nbad")
            await until(lambda: named(engine, "wait.p50") >= 0)
            at = engine.registry.position["timestamp"][named(engine, "wait.p50")]
            assert at % (SECOND_NS // 2) == 0
            sender.send(b"last:5|g\n")
            await listener.stop()

    asyncio.run(whole())
    assert named(engine, "wait.p95") == -1
    assert engine.registry.position["value"][named(engine, "last")] == 5.0
    text = engine.telemetry.text().decode()
    assert 'tocsin_samples_rejected_total{protocol="statsd",reason="bad_line"} 1.0' in text


def test_flushes_that_cannot_be_stored_give_way_to_newer_ones(engine: Engine) -> None:
    aggregator = Aggregator()
    listener = StatsD(engine, aggregator, 10)
    for number in range(40):
        aggregator.take(b"a:1|c\nb:1|c")
        listener._put(aggregator.flush(number + 1))
    text = engine.telemetry.text().decode()
    assert 'rejected_total{protocol="statsd",reason="not_stored"} 20.0' in text
