"""InfluxDB's clients against a running service."""

from __future__ import annotations

import gzip
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write.point import Point
from influxdb_client.client.write_api import SYNCHRONOUS, WriteOptions
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException

from tests.running import Service, running
from tests.stored import Sample, Series, all_stored, differing, series

TOKEN = "a-token-for-tests"
START = 1_700_000_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("influx") / "data", TOCSIN_TOKEN=TOKEN) as service:
        service.client.headers["Authorization"] = f"Bearer {TOKEN}"
        yield service


@pytest.fixture
def anybody(service: Service) -> Iterator[httpx.Client]:
    """A client that shows nothing by itself."""
    with httpx.Client(base_url=service.client.base_url, timeout=60) as client:
        yield client


def client_of(service: Service, **options: Any) -> InfluxDBClient:
    return InfluxDBClient(str(service.client.base_url), TOKEN, org="any", **options)


def refused(service: Service, reason: str) -> float:
    """How many samples were refused for this reason so far."""
    wanted = f'tocsin_samples_rejected_total{{protocol="influxdb",reason="{reason}"}} '
    lines = service.client.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))


def some_points(name: str, count: int) -> tuple[list[Point], dict[Series, list[Sample]]]:
    """Points with tags and fields of every kind, and what of them is to be stored."""
    source, sent, points = random.Random(name), dict[Series, list[Sample]](), []
    for i in range(count):
        tags = {"host": f"web {i % 7}", "data,center": "a=b"}
        moment = START * 10**9 + i * 1_000_000_007
        fields: dict[str, Any] = {
            "value": source.gauss(0, 1e6),
            "used bytes": source.randrange(2**63),
            "up": bool(i % 3),
            "state": 'said "so", \\ and left',
        }
        point = Point(name).time(moment, WritePrecision.NS)
        for key, text in tags.items():
            point.tag(key, text)
        for key, of in fields.items():
            point.field(key, of)
            if not isinstance(of, str):
                whole = name if key == "value" else f"{name}.{key}"
                sent.setdefault(series(whole, tags), []).append((moment, float(of)))
        points.append(point)
    return points, sent


@pytest.mark.parametrize("gzipped", [False, True])
def test_what_the_client_sends_is_what_is_stored(service: Service, gzipped: bool) -> None:
    name = f"one.by.one.{gzipped}"
    points, sent = some_points(name, 700)
    before = refused(service, "not_numeric")
    with client_of(service, enable_gzip=gzipped) as client:
        writer = client.write_api(write_options=SYNCHRONOUS)
        for first in range(0, len(points), 100):
            writer.write("bucket", record=points[first : first + 100])
    stored = all_stored(service, name)
    assert len(sent) == 21
    assert sum(map(len, stored.values())) == 2_100
    assert differing(sent, stored) == []
    assert refused(service, "not_numeric") == before + 700


def test_what_the_client_batches_in_the_background_is_stored(service: Service) -> None:
    points, sent = some_points("batched", 500)
    failures: list[Any] = []
    options = WriteOptions(batch_size=60, flush_interval=100)
    with (
        client_of(service) as client,
        client.write_api(options, error_callback=lambda *told: failures.append(told)) as writer,
    ):
        writer.write("bucket", record=points)
    assert failures == []
    assert differing(sent, all_stored(service, "batched")) == []


@pytest.mark.parametrize("precision", ["s", "ms", "us", "ns"])
def test_precisions_of_the_client(service: Service, precision: Any) -> None:
    name, per = f"unit.{precision}", {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[precision]
    with client_of(service) as client:
        point = Point(name).field("value", 1.0).time(START * per, precision)
        client.write_api(write_options=SYNCHRONOUS).write("b", record=point)
    assert all_stored(service, name) == {series(name): [(START * 10**9, 1.0)]}


def test_the_client_finds_it_healthy(service: Service) -> None:
    with client_of(service) as client:
        assert client.ping()
        assert client.version().startswith("tocsin-")
        with pytest.warns(DeprecationWarning, match="deprecated"):
            assert client.health().status == "pass"


def test_the_client_is_told_what_was_not_taken(service: Service) -> None:
    lines = ["partly value=1 1700000000000000000", "bad", "partly value=2 1700000001000000000"]
    with client_of(service) as client, pytest.raises(ApiException) as told:
        client.write_api(write_options=SYNCHRONOUS).write("b", record="\n".join(lines))
    assert told.value.status == 400
    assert told.value.message == (
        "partial write: line 2: unable to parse 'bad': missing fields dropped=1"
    )
    stored = all_stored(service, "partly")
    assert [value for _, value in stored[series("partly")]] == [1.0, 2.0]


def test_a_client_with_a_wrong_token_is_told(service: Service) -> None:
    with (
        InfluxDBClient(str(service.client.base_url), "wrong", org="any") as client,
        pytest.raises(ApiException) as told,
    ):
        client.write_api(write_options=SYNCHRONOUS).write("b", record="secret value=1")
    assert told.value.status == 401
    assert all_stored(service, "secret") == {}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/write?db=x", {"Authorization": f"Token {TOKEN}"}),
        ("/write?db=x", {"Authorization": f"Bearer {TOKEN}"}),
        (f"/write?db=x&u=me&p={TOKEN}", {}),
        (f"/write?db=x&u=me&p={TOKEN}", {"Authorization": "Basic !"}),
    ],
)
def test_the_token_may_be_shown_as_in_version_1(
    anybody: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    assert anybody.post(path, content="v1.token value=1", headers=headers).status_code == 204


def test_the_token_may_be_a_password(anybody: httpx.Client) -> None:
    answer = anybody.post("/write?db=x", content="v1.password value=1", auth=("anyone", TOKEN))
    assert answer.status_code == 204


@pytest.mark.parametrize("path", ["/write", "/api/v2/write", "/query?q=CREATE+DATABASE+x"])
@pytest.mark.parametrize("header", ["", "Token wrong", "Basic eDp5", "Basic ü", "Token é"])
def test_without_the_token_nothing_is_taken(anybody: httpx.Client, path: str, header: str) -> None:
    headers = [(b"Authorization", header.encode())] if header else []
    answer = anybody.post(path, content="secret value=1", headers=headers)
    assert answer.status_code == 401
    expected = {"code", "message"} if path.startswith("/api/v2") else {"error"}
    assert set(answer.json()) == expected


def test_version_1_says_what_was_dropped(service: Service) -> None:
    sent = b"v1.partly x=1,y=z 1700000000\nv1.partly x=2 1700000001\nv1.partly x=3 1600000000"
    answer = service.client.post("/write?db=d&rp=r&precision=s", content=sent)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "partial write: line 1: field 'y' is no number, boolean or quoted string dropped=1"
    }
    # Sorted by time within a request; the next one comes too late.
    answer = service.client.post("/write?precision=s", content=b"v1.partly x=9 1500000000")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("partial write: v1.partly.x: late: ")
    assert answer.json()["error"].endswith(" dropped=1")
    stored = all_stored(service, "v1.partly")[series("v1.partly.x")]
    assert [value for _, value in stored] == [3.0, 1.0, 2.0]


def test_the_same_again_changes_nothing(service: Service) -> None:
    for _ in range(2):
        answer = service.client.post("/write?precision=s", content=b"again value=1 1700000000")
        assert answer.status_code == 204
        assert answer.content == b""
    assert len(all_stored(service, "again")[series("again")]) == 1


def test_a_line_without_time_is_now(service: Service) -> None:
    before = time.time_ns()
    assert service.client.post("/write", content=b"timeless value=1").status_code == 204
    ((at, _),) = all_stored(service, "timeless")[series("timeless")]
    assert before <= at <= time.time_ns()


def test_what_cannot_be_read_at_all_is_told(service: Service) -> None:
    def told(path: str, content: bytes, **headers: str) -> tuple[int, Any]:
        answer = service.client.post(path, content=content, headers=headers)
        return answer.status_code, answer.json()

    status, body = told("/api/v2/write?precision=y", b"a value=1")
    assert (status, body["code"]) == (400, "invalid")
    assert "precision='y'" in body["message"]
    status, body = told("/write", b"a value=1", **{"Content-Encoding": "gzip"})
    assert (status, body["error"][:23]) == (400, "the body is not gzip: E")
    status, body = told("/write", b"a value=1", **{"Content-Encoding": "br"})
    assert status == 400
    bomb = gzip.compress(bytes(20_000_000))
    status, body = told("/api/v2/write", bomb, **{"Content-Encoding": "gzip"})
    assert (status, body["code"]) == (413, "request too large")
    status, body = told("/write", b"a value=1\n" * 100_001)
    assert status == 413
    assert "100000" in body["error"]
    assert service.client.post("/write", content=b"").status_code == 204


def test_databases_are_created_in_name_only(service: Service) -> None:
    answer = service.client.post("/query", params={"q": 'CREATE DATABASE "telegraf"'})
    assert answer.json() == {"results": [{"statement_id": 0}]}
    answer = service.client.post("/query", data={"q": 'create database "telegraf"'})
    assert answer.status_code == 200
    answer = service.client.post("/query", params={"q": "SELECT * FROM x"})
    assert answer.status_code == 400
    assert "no queries" in answer.json()["error"]


def test_ping_answers_both_ways(anybody: httpx.Client) -> None:
    for answer in (anybody.get("/ping"), anybody.head("/ping")):
        assert answer.status_code == 204
        assert answer.headers["X-Influxdb-Version"].startswith("tocsin-")


def test_a_full_service_says_when_to_come_again(tmp_path: Path) -> None:
    with running(tmp_path / "data", TOCSIN_ANSWER_S="0.000001") as service:
        answer = service.client.post("/api/v2/write", content=b"slow value=1")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert answer.json()["code"] == "unavailable"
