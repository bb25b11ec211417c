"""``POST /api/v1/write`` on a running service."""

from __future__ import annotations

import gzip
import re
import struct
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import cramjam
import httpx
import pytest
from litestar import Litestar
from litestar.datastructures import State
from litestar.testing import TestClient

from tests.running import Service, running
from tocsin.api.protocols.remote_write import handler
from tocsin.bench.remote_write_messages import V1, V2
from tocsin.config import Config
from tocsin.engine.batch import Batch, Receipt
from tocsin.engine.telemetry import Telemetry
from tocsin.errors import QueueFullError

ONE = "application/x-protobuf"
TWO = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("remote-write")) as service:
        yield service


def send(service: Service, message: Any, kind: str = ONE, **headers: str) -> httpx.Response:
    body = bytes(cramjam.snappy.compress_raw(message.SerializeToString()))
    told = {"content-type": kind, "content-encoding": "snappy"} | headers
    return service.client.post("/api/v1/write", content=body, headers=told)


def request_1(*series: tuple[dict[str, str], list[tuple[float, int]]]) -> Any:
    request = V1["WriteRequest"]()
    for labels, samples in series:
        one = request.timeseries.add()
        for name, text in sorted(labels.items()):
            one.labels.add(name=name, value=text)
        for value, timestamp in samples:
            one.samples.add(value=value, timestamp=timestamp)
    return request


def request_2(*series: tuple[dict[str, str], list[tuple[float, int]]]) -> Any:
    request = V2["Request"](symbols=[""])
    for labels, samples in series:
        one = request.timeseries.add()
        for pair in sorted(labels.items()):
            one.labels_refs.extend(range(len(request.symbols), len(request.symbols) + 2))
            request.symbols.extend(pair)
        for value, timestamp in samples:
            one.samples.add(value=value, timestamp=timestamp)
    return request


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def count(service: Service, name: str, **labels: str) -> float:
    text = service.client.get("/metrics").text
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    found = re.search(rf"^{re.escape(f'{name}{{{inside}}}')} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def stored(service: Service, name: str) -> list[tuple[str, float]]:
    return [(one["timestamp"], one["value"]) for one in service.samples(name)]


def test_samples_of_both_versions_are_stored_with_their_labels(service: Service) -> None:
    at = now_ms()
    for make, kind, name in ((request_1, ONE, "one"), (request_2, TWO, "two")):
        labels = {"__name__": name, "job": "a", "instance": "b:1"}
        answer = send(service, make((labels, [(1.5, at), (2.5, at + 1000)])), kind)
        assert (answer.status_code, answer.content) == (204, b"")
        (metric,) = service.get("metrics", match=name)["metrics"]
        assert metric["labels"] == {"job": "a", "instance": "b:1"}
        assert [value for _, value in stored(service, name)] == [1.5, 2.5]
        headers = {key: n for key, n in answer.headers.items() if key.startswith("x-prometheus")}
        written = "x-prometheus-remote-write-{}-written".format
        assert headers == (
            {}
            if kind is ONE
            else {written("samples"): "2", written("histograms"): "0", written("exemplars"): "0"}
        )


def test_what_was_sent_before_is_no_error(service: Service) -> None:
    request = request_2(({"__name__": "again"}, [(1.0, now_ms())]))
    first, second = (send(service, request, TWO) for _ in range(2))
    assert first.status_code == second.status_code == 204
    assert second.headers["x-prometheus-remote-write-samples-written"] == "1"
    assert len(stored(service, "again")) == 1


def test_a_bad_series_is_refused_by_itself_and_told(service: Service) -> None:
    at = now_ms()
    before = count(
        service, "tocsin_samples_rejected_total", protocol="remote_write", reason="bad_metric"
    )
    request = request_2(
        ({"job": "nameless"}, [(1.0, at)]),
        ({"__name__": "beside_bad"}, [(1.0, at)]),
        ({"__name__": "far"}, [(1.0, at + 86_400_000)]),
    )
    answer = send(service, request, TWO)
    assert answer.status_code == 400
    detail = answer.json()["detail"]
    assert "1 bad_metric" in detail
    assert "1 future" in detail
    assert answer.headers["x-prometheus-remote-write-samples-written"] == "1"
    assert len(stored(service, "beside_bad")) == 1
    assert before + 1 == count(
        service, "tocsin_samples_rejected_total", protocol="remote_write", reason="bad_metric"
    )


def test_silence_and_no_value_are_counted_and_no_error(service: Service) -> None:
    at = now_ms()
    labels = {"__name__": "silent"}
    request = request_2((labels, [(1.0, at), (float("nan"), at + 1), (STALE, at + 2)]))
    before = count(service, "tocsin_staleness_markers_total", protocol="remote_write")
    answer = send(service, request, TWO)
    assert answer.status_code == 204
    assert answer.headers["x-prometheus-remote-write-samples-written"] == "3"
    assert [value for _, value in stored(service, "silent")] == [1.0]
    told = count(service, "tocsin_staleness_markers_total", protocol="remote_write")
    assert told == before + 1
    nan = {"protocol": "remote_write", "reason": "not_finite"}
    assert count(service, "tocsin_samples_rejected_total", **nan) >= 1


def test_histograms_and_exemplars_are_counted(service: Service) -> None:
    at = now_ms()
    one = request_1(({"__name__": "with_exemplar"}, [(1.0, at)]))
    one.timeseries[0].exemplars.add(value=1.0, timestamp=at)
    assert send(service, one).status_code == 204
    one.timeseries.add().histograms.add(sum=1.0, timestamp=at)
    answer = send(service, one)
    assert answer.status_code == 400
    assert "1 native_histogram" in answer.json()["detail"]
    two = request_2(({"__name__": "with_exemplar_2"}, [(1.0, at)]))
    two.timeseries[0].exemplars.add(value=1.0, timestamp=at)
    answer = send(service, two, TWO)
    assert answer.status_code == 400
    assert answer.headers["x-prometheus-remote-write-exemplars-written"] == "0"
    assert answer.headers["x-prometheus-remote-write-samples-written"] == "1"
    for reason, times in (("native_histogram", 1), ("exemplar", 3)):
        told = {"protocol": "remote_write", "reason": reason}
        assert count(service, "tocsin_samples_rejected_total", **told) == times


@pytest.mark.parametrize(
    ("kind", "encoding"),
    [
        ("application/json", "snappy"),
        ("application/x-protobuf;proto=prometheus.Other", "snappy"),
        (ONE, "br"),
    ],
)
def test_what_is_not_understood_is_415(service: Service, kind: str, encoding: str) -> None:
    answer = send(service, request_1(), kind, **{"content-encoding": encoding})
    assert answer.status_code == 415
    assert "io.prometheus.write.v2.Request" in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"no snappy", bytes(cramjam.snappy.compress_raw(b"\x0a\xff"))])
def test_damaged_bodies_are_400(service: Service, body: bytes) -> None:
    for kind in (ONE, TWO):
        answer = service.client.post("/api/v1/write", content=body, headers={"content-type": kind})
        assert answer.status_code == 400


def test_other_encodings_are_taken(service: Service) -> None:
    body = request_1(({"__name__": "encoded"}, [(1.0, now_ms())])).SerializeToString()
    encoded = {
        "gzip": gzip.compress(body),
        "zstd": bytes(cramjam.zstd.compress(body)),
        "identity": body,
    }
    for encoding, told in encoded.items():
        headers = {"content-type": ONE, "content-encoding": encoding}
        answer = service.client.post("/api/v1/write", content=told, headers=headers)
        assert answer.status_code == 204, answer.text
    assert len(stored(service, "encoded")) == 1


def test_an_empty_request_is_well(service: Service) -> None:
    assert send(service, request_1()).status_code == 204
    assert send(service, request_2(), TWO).status_code == 204


def test_more_than_is_allowed_is_413(tmp_path: Path) -> None:
    many = [({"__name__": f"m{i}"}, [(1.0, now_ms())]) for i in range(101)]
    with running(tmp_path, TOCSIN_MAX_BODY_SAMPLES="100") as small:
        assert send(small, request_1(*many)).status_code == 413
        assert send(small, request_1(*many[:100])).status_code == 204


def test_a_full_queue_is_503_because_prometheus_drops_what_is_429() -> None:
    class Full:
        telemetry = Telemetry()

        def submit(self, batch: Batch) -> Future[Receipt]:
            raise QueueFullError(f"no room for {len(batch)}")

    config = Config()
    state = State({"config": config, "engine": Full()})
    body = bytes(cramjam.snappy.compress_raw(request_1().SerializeToString()))
    with TestClient(Litestar([handler(config)], state=state)) as client:
        answer = client.post("/write", content=body, headers={"content-type": ONE})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "no room for 0" in answer.json()["detail"]
