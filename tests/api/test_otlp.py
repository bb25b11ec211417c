"""OpenTelemetry's SDK and its exporter against a running service."""

from __future__ import annotations

import gzip
import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

from tests.running import Service, running
from tests.stored import Sample, Series, all_stored, differing, series

TOKEN = "a-token-for-tests"
QUANTILES = (".p50", ".p95", ".p99")
KINDS = (
    sdk.Counter,
    sdk.UpDownCounter,
    sdk.Histogram,
    sdk.ObservableCounter,
    sdk.ObservableUpDownCounter,
)
RESOURCE: dict[str, str | int] = {
    "service.name": "shop",
    "service.instance.id": "i-1",
    "process.pid": 7,
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("otlp") / "data", TOCSIN_TOKEN=TOKEN) as service:
        service.client.headers["Authorization"] = f"Bearer {TOKEN}"
        yield service


def exporter_to(service: Service, **options: Any) -> OTLPMetricExporter:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return OTLPMetricExporter(
        f"{service.client.base_url}/v1/metrics".replace("//v1", "/v1"), headers=headers, **options
    )


def counted(service: Service, name: str) -> float:
    lines = service.client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


class Shop:
    """Something with an instrument of each kind, whose measurements are at random."""

    def __init__(self, prefix: str, temporality: AggregationTemporality) -> None:
        self._random = random.Random(prefix)
        self.reader = InMemoryMetricReader(dict.fromkeys(KINDS, temporality))
        name = f"{prefix}.sizes"
        view = View(instrument_name=name, aggregation=ExponentialBucketHistogramAggregation())
        self.provider = MeterProvider([self.reader], Resource({**RESOURCE}), views=[view])
        meter = self.provider.get_meter("shop")
        self._orders = meter.create_counter(f"{prefix}.orders")
        self._open = meter.create_up_down_counter(f"{prefix}.open")
        self._duration = meter.create_histogram(f"{prefix}.duration")
        self._sizes = meter.create_histogram(name)
        self._level = meter.create_gauge(f"{prefix}.level")
        meter.create_observable_gauge(f"{prefix}.heat", [self._heat])
        meter.create_observable_counter(f"{prefix}.bytes", [self._bytes])
        self._total = 0

    def _heat(self, _options: CallbackOptions) -> Iterator[Observation]:
        for room in ("a", "b"):
            yield Observation(self._random.gauss(20, 3), {"room": room})

    def _bytes(self, _options: CallbackOptions) -> Iterator[Observation]:
        self._total += self._random.randrange(10**9)
        yield Observation(self._total)

    def work(self) -> MetricsData:
        """Some measurements; returns what is to be exported of them."""
        for _ in range(20):
            labels: dict[str, Any] = {
                "till": self._random.choice(["1", "2"]),
                "fast": True,
                "floor": 3,
            }
            self._orders.add(self._random.randrange(9), labels)
            self._open.add(self._random.randrange(-5, 9), labels)
            self._duration.record(self._random.expovariate(0.01), labels)
            self._sizes.record(self._random.lognormvariate(0, 4), labels)
            self._level.set(self._random.random(), labels)
        told = self.reader.get_metrics_data()
        assert told is not None
        return told


Stored = dict[Series, list[Sample]]


def expected_of(told: MetricsData, sent: Stored) -> None:
    """Adds what is to be stored of it; quantiles are left to others."""
    for resource in told.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = getattr(metric.data, "aggregation_temporality", None)
                delta = kind is AggregationTemporality.DELTA
                for point in metric.data.data_points:
                    values: dict[str, float]
                    if hasattr(point, "value"):
                        values = {"": point.value}
                    else:
                        values = {".count": point.count, ".sum": point.sum}
                    for suffix, value in values.items():
                        key = series(metric.name + suffix, labels_of(point.attributes or {}))
                        if delta:
                            start = point.start_time_unix_nano or 0
                            value = float(value) * 10**9 / (point.time_unix_nano - start)
                        sent.setdefault(key, []).append((point.time_unix_nano, float(value)))


def labels_of(attributes: Mapping[str, Any]) -> dict[str, str]:
    texts = {key: str(of).lower() for key, of in attributes.items()}
    return {"service.name": "shop", "service.instance.id": "i-1", **texts}


def without_quantiles(stored: Stored) -> Stored:
    return {key: of for key, of in stored.items() if not key[0].endswith(QUANTILES)}


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
@pytest.mark.parametrize(
    "temporality", [AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA]
)
def test_what_the_sdk_exports_is_what_is_stored(
    service: Service, temporality: AggregationTemporality, compression: Compression
) -> None:
    prefix = f"{temporality.name}.{compression.name}".lower()
    shop, sent = Shop(prefix, temporality), Stored()
    exporter = exporter_to(service, compression=compression)
    for _ in range(8):
        told = shop.work()
        assert exporter.export(told) is MetricExportResult.SUCCESS
        expected_of(told, sent)
    exporter.shutdown()
    shop.provider.shutdown()
    stored = all_stored(service, f"{prefix}.")
    assert len(sent) == 17
    assert sum(map(len, sent.values())) == 136
    assert differing(sent, without_quantiles(stored)) == []
    # The first point of a cumulative histogram tells nothing of an interval.
    points = 8 if temporality is AggregationTemporality.DELTA else 7
    labels = labels_of({"till": "1", "fast": True, "floor": 3})
    for name in ("duration", "sizes"):
        found = [stored[series(f"{prefix}.{name}{of}", labels)] for of in QUANTILES]
        assert [len(one) for one in found] == [points] * 3
        for middle, high, highest in zip(*found, strict=True):
            assert 0 < middle[1] <= high[1] <= highest[1]


def test_what_is_exported_in_the_background_is_stored(service: Service) -> None:
    sent: Stored = {}

    class Watched(OTLPMetricExporter):
        def export(self, metrics_data: MetricsData, *args: Any, **more: Any) -> MetricExportResult:
            expected_of(metrics_data, sent)
            return super().export(metrics_data, *args, **more)

    exporter = Watched(
        str(service.client.base_url.join("/v1/metrics")),
        headers={"Authorization": f"Bearer {TOKEN}"},
        compression=Compression.Gzip,
    )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=50)
    provider = MeterProvider([reader], Resource({**RESOURCE}))
    counter = provider.get_meter("m").create_counter("background.work")
    for i in range(200):
        counter.add(i)
        time.sleep(0.005)
    provider.shutdown()
    stored = all_stored(service, "background.")
    assert len(stored[series("background.work", labels_of({}))]) >= 5
    assert differing(sent, stored) == []


def body_of(values: Sequence[tuple[str, int, float]]) -> dict[str, Any]:
    metrics = [
        {"name": name, "gauge": {"dataPoints": [{"timeUnixNano": str(at), "asDouble": value}]}}
        for name, at, value in values
    ]
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}


def test_json_is_taken_and_answered_as_json(service: Service) -> None:
    shop, sent = Shop("json", AggregationTemporality.CUMULATIVE), Stored()
    told = shop.work()
    expected_of(told, sent)
    shop.provider.shutdown()
    body = json.dumps(MessageToDict(encode_metrics(told), use_integers_for_enums=True)).encode()
    headers = {"Content-Type": "application/json; charset=utf-8", "Content-Encoding": "gzip"}
    answer = service.client.post("/v1/metrics", content=gzip.compress(body), headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json() == {}
    assert differing(sent, without_quantiles(all_stored(service, "json."))) == []


def test_a_partial_success_says_what_was_refused(service: Service) -> None:
    at = 1_700_000_000 * 10**9
    service.client.post("/v1/metrics", json=body_of([("partly", at, 1.0)]))
    name = 'tocsin_samples_rejected_total{protocol="otlp",'
    before = counted(service, name)
    mixed = [("partly", at, 2.0), ("", at, 1.0), ("partly", 0, 1.0), ("partly", at + 1, 3.0)]
    answer = service.client.post("/v1/metrics", json=body_of(mixed))
    assert answer.status_code == 200
    told = answer.json()["partialSuccess"]
    assert told["rejectedDataPoints"] == "3"
    assert "empty" in told["errorMessage"]
    assert counted(service, name) == before + 3
    answer = service.client.post("/v1/metrics", json=body_of([("partly", at, 5.0)]))
    assert "partly: conflict: " in answer.json()["partialSuccess"]["errorMessage"]
    stored = all_stored(service, "partly")
    assert stored == {series("partly"): [(at, 1.0), (at + 1, 3.0)]}


def test_cumulative_counts_are_stored_as_sent(service: Service) -> None:
    shop = Shop("counts", AggregationTemporality.CUMULATIVE)
    exporter = exporter_to(service)
    values = []
    for _ in range(3):
        told = shop.work()
        exporter.export(told)
        values.append(shop._total)
    exporter.shutdown()
    shop.provider.shutdown()
    stored = all_stored(service, "counts.bytes")[series("counts.bytes", labels_of({}))]
    assert [value for _, value in stored] == values


def test_requests_that_cannot_be_read_are_told_in_their_encoding(service: Service) -> None:
    def told(kind: str, content: bytes, **headers: str) -> httpx.Response:
        headers = {"Content-Type": kind, **headers}
        return service.client.post("/v1/metrics", content=content, headers=headers)

    answer = told("application/json", b"{")
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    answer = told("application/x-protobuf", b"\xff")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/x-protobuf"
    assert answer.content.startswith(b"\x08\x03\x12")
    assert b"no ExportMetricsServiceRequest" in answer.content
    assert told("text/plain", b"").status_code == 415
    bomb = gzip.compress(bytes(20_000_000))
    answer = told("application/x-protobuf", bomb, **{"Content-Encoding": "gzip"})
    assert answer.status_code == 413
    answer = told("application/x-protobuf", b"")
    assert answer.status_code == 200
    assert not answer.content


def test_without_the_token_nothing_is_taken(service: Service) -> None:
    with httpx.Client(base_url=service.client.base_url) as anybody:
        answer = anybody.post("/v1/metrics", json=body_of([("secret", 10**18, 1.0)]))
    assert (answer.status_code, answer.json()["code"]) == (401, 16)
    assert all_stored(service, "secret") == {}


def test_labels_and_quantiles_are_chosen_in_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "tocsin.toml").write_text(
        'otlp_resource_labels = ["process.*"]\notlp_quantiles = [0.9]\n'
    )
    config = str(tmp_path / "tocsin.toml")
    with running(tmp_path / "data", "--config", config) as service:
        shop = Shop("chosen", AggregationTemporality.DELTA)
        exporter = OTLPMetricExporter(str(service.client.base_url.join("/v1/metrics")))
        assert exporter.export(shop.work()) is MetricExportResult.SUCCESS
        exporter.shutdown()
        shop.provider.shutdown()
        names = {name for name, _ in all_stored(service, "chosen.duration")}
        labels = {labels for _, labels in all_stored(service, "chosen.bytes")}
    assert names == {"chosen.duration.count", "chosen.duration.sum", "chosen.duration.p90"}
    assert labels == {(("process.pid", "7"),)}
