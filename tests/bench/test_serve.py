from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tocsin.bench.serve.bodies import PROTOCOLS, labels_of
from tocsin.bench.serve.counter import Stored
from tocsin.bench.serve.picture import draw
from tocsin.bench.serve.run import STAGES, Plan, measure
from tocsin.bench.service import running
from tocsin.bench.stores import new_database
from tocsin.cli.main import main
from tocsin.engine.batch import Batch
from tocsin.errors import StoreError
from tocsin.ingest import collectd, http_json, influx, otlp
from tocsin.ingest.bodies import inflate
from tocsin.ingest.graphite.plaintext import Decoder
from tocsin.ingest.remote_write import v1
from tocsin.samples import Metric

MOMENT_MS = 1_700_000_000_123
NUMBERS = range(95, 105)
VALUES = np.round(np.random.default_rng(1).normal(size=len(NUMBERS)), 3)


def metrics() -> list[Metric]:
    told = [labels_of(number) for number in NUMBERS]
    return [Metric.of(labels.pop("__name__"), labels) for labels in told]


def read(protocol: str, body: bytes) -> Batch:
    if protocol == "remote_write":
        return v1.Decoder(1_000).decode(inflate(body, "snappy", 2**20), 1_000).batch
    if protocol == "influx":
        return influx.Decoder(1_000).decode(body, 0, precision="ms").batch
    if protocol == "graphite":
        return Decoder(1_000).decode(body, 0).batch
    if protocol == "ndjson":
        return http_json.decode_lines(body, 1_000).batch
    return http_json.decode(body, 1_000).batch


@pytest.mark.parametrize("protocol", ["remote_write", "json", "ndjson", "influx", "graphite"])
def test_bodies_say_what_they_should_again_and_again(protocol: str) -> None:
    body = PROTOCOLS[protocol].body(NUMBERS)
    for moment, values in ((MOMENT_MS, VALUES), (MOMENT_MS + 60_001, VALUES + 1)):
        batch = read(protocol, body.at(moment, values))
        assert [batch.metrics[place] for place in batch.samples.metric] == metrics()
        told = moment // 1_000 * 1_000 if protocol == "graphite" else moment
        assert batch.samples.timestamp.tolist() == [told * 1_000_000] * len(NUMBERS)
        assert batch.samples.value.tolist() == values.tolist()


def test_bodies_of_others_hold_every_metric() -> None:
    decoder = otlp.Decoder(1_000, otlp.Choices(), otlp.Intervals())
    told = decoder.decode(PROTOCOLS["otlp"].body(NUMBERS).at(MOMENT_MS, VALUES)).batch
    assert told.samples.value.tolist() == VALUES.tolist()
    assert [metric.name for metric in told.metrics] == [metric.name for metric in metrics()]
    lists = collectd.decode(PROTOCOLS["collectd"].body(NUMBERS).at(MOMENT_MS, VALUES), 1_000).batch
    assert lists.samples.value.tolist() == VALUES.tolist()
    assert len(set(lists.metrics)) == len(NUMBERS)
    for one in (told, lists):
        assert set(one.samples.timestamp.tolist()) == {MOMENT_MS * 1_000_000}


def test_every_figure_is_measured(tmp_path: Path) -> None:
    told: list[str] = []
    plan = Plan(metrics=300, interval=1.0, seconds=2.0, request=100, warm=2, saturate=1_500)
    figures = measure(plan, told.append)
    assert figures.samples == 600
    assert 0 < figures.p50 <= figures.p99 <= figures.longest
    assert figures.rss_peak >= figures.rss_before > 0
    assert set(figures.stages) == {*STAGES, "other"}
    assert all(figures.stages[stage] > 0 for stage in ("decode", "order", "score", "commit"))
    assert sum(figures.stages.values()) == pytest.approx(figures.cpu_us, rel=0.01)
    assert min(figures.new, figures.new_us, figures.load, figures.database) > 0
    assert figures.saturation is not None
    assert figures.saturation.rate > 0
    assert told
    row = msgspec.json.decode(msgspec.json.encode(figures.as_dict()))
    pytest.importorskip("matplotlib")
    draw([row, {**row, "metrics": 600}], tmp_path / "cost.png")
    assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("connections", [2, 8])
def test_lines_that_nobody_answers_are_counted_by_the_service(connections: int) -> None:
    """Also when there are more connections than requests."""
    plan = Plan(
        metrics=550,
        interval=2.0,
        seconds=2.0,
        protocol="graphite",
        request=100,
        connections=connections,
        saturate=1_500,
    )
    figures = measure(plan, lambda _: None)
    assert figures.samples == 550
    assert 0 < figures.p50 <= figures.p99 <= figures.longest
    assert all(figures.stages[stage] > 0 for stage in ("decode", "order", "score", "commit"))
    assert figures.repeated == 0
    assert figures.saturation is not None
    assert figures.saturation.rate > 0
    assert figures.saturation.stages["decode"] > 0


def test_samples_that_are_refused_end_the_measuring(tmp_path: Path) -> None:
    with (
        new_database(None, tmp_path) as url,
        running(tmp_path, url, TOCSIN_GRAPHITE="127.0.0.1:0") as service,
    ):
        host, _, port = service.listeners["graphite"].rpartition(":")
        stored = Stored(service.url, "graphite")
        with socket.create_connection((host, int(port))) as stream:
            stream.sendall(b"a 1 1700000000\na 1 1700000000\nb 2 1700000000\n")
            until(lambda: stored.count() == 3)
            stream.sendall(b"a one 1700000001\n")
            with pytest.raises(StoreError, match="refused 1 samples"):
                until(lambda: stored.count() > 3)
        stored.close()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_times_in_whole_seconds_must_differ(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "serve", "--protocol", "graphite", "--interval", "1"]) == 2
    assert "whole seconds" in capsys.readouterr().err


def test_a_protocol_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "serve", "--protocol", "pigeon"]) == 2
    assert "influx" in capsys.readouterr().err
