from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from tocsin.bench.serve.bodies import PROTOCOLS, labels_of
from tocsin.bench.serve.picture import draw
from tocsin.bench.serve.run import STAGES, Plan, measure
from tocsin.cli.main import main
from tocsin.engine.batch import Batch
from tocsin.ingest import collectd, http_json, influx, otlp
from tocsin.ingest.bodies import inflate
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
    if protocol == "ndjson":
        return http_json.decode_lines(body, 1_000).batch
    return http_json.decode(body, 1_000).batch


@pytest.mark.parametrize("protocol", ["remote_write", "json", "ndjson", "influx"])
def test_bodies_say_what_they_should_again_and_again(protocol: str) -> None:
    body = PROTOCOLS[protocol].body(NUMBERS)
    for moment, values in ((MOMENT_MS, VALUES), (MOMENT_MS + 60_001, VALUES + 1)):
        batch = read(protocol, body.at(moment, values))
        assert [batch.metrics[place] for place in batch.samples.metric] == metrics()
        assert batch.samples.timestamp.tolist() == [moment * 1_000_000] * len(NUMBERS)
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


def test_a_protocol_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "serve", "--protocol", "pigeon"]) == 2
    assert "influx" in capsys.readouterr().err
