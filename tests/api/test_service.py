from __future__ import annotations

import asyncio
import gzip
import json
import queue
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import Service, running
from tests.signals import (
    START,
    STEP,
    as_samples,
    assert_same_bits,
    assert_same_events,
    calm_then_spike,
)
from tocsin.api.listening import bind
from tocsin.config import Address
from tocsin.samples import SECOND_NS, iso

VALUES = calm_then_spike()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("service") / "data") as service:
        yield service


@pytest.fixture(scope="module")
def spiked(service: Service) -> str:
    """A metric with an event; its name."""
    name = "web.latency"
    for first in range(0, len(VALUES), 500):
        part = as_samples(name, VALUES[first : first + 500], first, host="a")
        assert service.post(part) == {"accepted": len(part), "duplicates": 0, "rejected": []}
    return name


def test_scores_are_those_of_one_detector(service: Service, spiked: str) -> None:
    assert_same_bits(service.samples(spiked), VALUES)


def test_a_metric_says_how_it_stands(service: Service, spiked: str) -> None:
    uid = service.uid(spiked)
    about = service.get(f"metrics/{uid}")
    assert about["uid"] == uid
    assert about["labels"] == {"host": "a"}
    assert about["samples"] == len(VALUES)
    assert about["last_value"] == VALUES[-1]
    assert about["last_timestamp"].endswith("Z")
    assert about["status"] == "active"
    assert about["readiness"]["seen"] == len(VALUES) >= about["readiness"]["needed"]


def test_a_new_metric_is_warming_up_and_says_how_far(service: Service) -> None:
    service.post(as_samples("warm", [1.0, 2.0]))
    about = service.get(f"metrics/{service.uid('warm')}")
    assert about["status"] == "warming_up"
    assert about["readiness"]["seen"] == 2 < about["readiness"]["needed"]
    assert about["anomaly_score"] is None


def test_the_spike_is_an_event(service: Service, spiked: str) -> None:
    events = service.get("events", metric=service.uid(spiked))["events"]
    assert_same_events(events, VALUES)
    (event,) = [e for e in events if e["value"] > 900]
    assert event["start"] == iso((START + STEP * 2000) * SECOND_NS)
    assert event["start"] <= event["peak"] <= event["end"]
    assert event["name"] == spiked
    assert event["labels"] == {"host": "a"}
    assert event["samples"] >= 1
    assert event["open"] is False
    assert event["likelihood"] > 0.99
    assert event["upper"] < event["value"]


def test_events_are_found_by_time_and_metric(service: Service, spiked: str) -> None:
    uid = service.uid(spiked)
    spike = START + STEP * 2000
    assert service.get("events", metric=uid, start=spike - 60, end=spike + 60)["events"]
    assert service.get("events", metric=spiked)["events"]
    assert not service.get("events", metric=uid, start=spike + 86_400)["events"]
    assert not service.get("events", metric=uid, end=START)["events"]
    assert not service.get("events", metric="nothing.like.it")["events"]


def test_events_come_newest_first_a_page_at_a_time(service: Service) -> None:
    higher = [10.0 * value if value > 500 else value for value in calm_then_spike(600, seed=8)]
    service.post(as_samples("two.spikes", calm_then_spike(600, 100) + higher))
    whole = service.get("events", metric="two.spikes")["events"]
    assert len(whole) >= 2
    assert [e["start"] for e in whole] == sorted((e["start"] for e in whole), reverse=True)
    found, cursor = [], None
    while True:
        page = service.get(
            "events", metric="two.spikes", limit=1, **({"cursor": cursor} if cursor else {})
        )
        found += page["events"]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert found == whole


def test_the_newest_samples_come_first_when_asked(service: Service, spiked: str) -> None:
    path = f"metrics/{service.uid(spiked)}/samples"
    newest = service.get(path, order="desc", limit=3)
    assert [s["value"] for s in newest["samples"]] == VALUES[:-4:-1]
    older = service.get(path, order="desc", limit=2, cursor=newest["cursor"])
    assert [s["value"] for s in older["samples"]] == VALUES[-4:-6:-1]


def test_samples_are_found_by_time(service: Service, spiked: str) -> None:
    path = f"metrics/{service.uid(spiked)}/samples"
    start = START + STEP * 10
    some = service.get(path, start=start, end=start + 5 * STEP)["samples"]
    assert [s["seq"] for s in some] == [11, 12, 13, 14, 15]
    # The times that are told can be asked with.
    again = service.get(path, start=some[0]["timestamp"], end=some[-1]["timestamp"])["samples"]
    assert again == some[:-1]
    assert service.get(path, end=START)["samples"] == []


def test_metrics_are_found_by_part_pattern_and_page(service: Service) -> None:
    for name in ("find.me_1", "find.me_2", "findXme_3"):
        service.post(as_samples(name, [1.0]))

    def names(**query: Any) -> list[str]:
        return [m["name"] for m in service.get("metrics", **query)["metrics"]]

    assert names(match="find.me_") == ["find.me_1", "find.me_2"]
    assert names(match="FIND*me_?") == ["find.me_1", "find.me_2", "findXme_3"]
    assert names(match="find%") == []
    first = service.get("metrics", match="find", limit=2)
    assert len(first["metrics"]) == 2
    rest = service.get("metrics", match="find", limit=2, cursor=first["cursor"])
    assert [m["name"] for m in rest["metrics"]] == ["findXme_3"]
    assert rest["cursor"] is None


def test_what_is_sent_twice_counts_once(service: Service) -> None:
    samples = as_samples("twice", [1.0, 2.0, 3.0])
    service.post(samples)
    assert service.post(samples) == {"accepted": 0, "duplicates": 3, "rejected": []}
    answer = service.post([*samples, *as_samples("twice", [4.0], 3)])
    assert answer == {"accepted": 1, "duplicates": 3, "rejected": []}
    assert len(service.samples("twice")) == 4


def test_conflicts_and_late_samples_are_refused_by_themselves(service: Service) -> None:
    service.post(as_samples("conflict", [1.0, 2.0, 3.0]))
    newest, older = as_samples("conflict", [9.0], 2)[0], as_samples("conflict", [9.0], 1)[0]
    late = {"metric": "conflict", "timestamp": START + 1, "value": 1.0}
    news = as_samples("conflict", [4.0], 3)[0]
    answer = service.post([newest, older, late, news])
    assert answer["accepted"] == 1
    assert [r["index"] for r in answer["rejected"]] == [0, 1, 2]
    assert [r["reason"].split(":")[0] for r in answer["rejected"]] == [
        "conflict",
        "conflict",
        "late",
    ]


def test_unsorted_samples_of_one_request_are_put_in_order(service: Service) -> None:
    samples = as_samples("unsorted", [1.0, 2.0, 3.0, 4.0])
    assert service.post(samples[::-1])["accepted"] == 4
    assert [s["value"] for s in service.samples("unsorted")] == [1.0, 2.0, 3.0, 4.0]


def test_labels_in_any_order_are_one_metric(service: Service) -> None:
    one = {"metric": "order", "labels": {"a": "1", "b": "2"}, "timestamp": START, "value": 1}
    two = {"metric": "order", "labels": {"b": "2", "a": "1"}, "timestamp": START + 1, "value": 2}
    assert service.post([one, two])["accepted"] == 2
    assert len(service.samples("order")) == 2


BAD: list[tuple[str, str]] = [
    ('{"metric": "bad", "timestamp": 1700000000, "value": NaN}', "not_finite"),
    ('{"metric": "bad", "timestamp": 1700000000, "value": -Infinity}', "not_finite"),
    ('{"metric": "bad", "timestamp": 1700000000, "value": 1e999}', "not_finite"),
    ('{"metric": "bad", "timestamp": 1700000000, "value": "3"}', "bad_type"),
    ('{"metric": "bad", "timestamp": 1700000000, "value": true}', "bad_type"),
    ('{"metric": "bad", "timestamp": 1700000000, "value": null}', "bad_type"),
    ('{"metric": "bad", "timestamp": 1700000000}', "bad_type"),
    ('{"metric": "bad", "value": 1}', "bad_type"),
    ('{"timestamp": 1700000000, "value": 1}', "bad_type"),
    ('{"metric": 7, "timestamp": 1700000000, "value": 1}', "bad_type"),
    ('{"metric": "bad", "lables": {}, "timestamp": 1700000000, "value": 1}', "bad_type"),
    ('{"metric": "bad", "labels": {"a": 1}, "timestamp": 1700000000, "value": 1}', "bad_type"),
    ("[1, 2]", "bad_type"),
    ("null", "bad_type"),
    ('{"metric": "", "timestamp": 1700000000, "value": 1}', "bad_metric"),
    ('{"metric": "a\\u0000b", "timestamp": 1700000000, "value": 1}', "bad_metric"),
    ('{"metric": "a\\ud800", "timestamp": 1700000000, "value": 1}', "bad_metric"),
    ('{"metric": "' + "x" * 5000 + '", "timestamp": 1700000000, "value": 1}', "bad_metric"),
    ('{"metric": "bad", "timestamp": "2023-11-14T22:13:20", "value": 1}', "bad_timestamp"),
    ('{"metric": "bad", "timestamp": "yesterday", "value": 1}', "bad_timestamp"),
    ('{"metric": "bad", "timestamp": 1700000000000, "value": 1}', "bad_timestamp"),
    ('{"metric": "bad", "timestamp": NaN, "value": 1}', "bad_timestamp"),
    ('{"metric": "bad", "timestamp": "2262-04-11T00:00:00Z", "value": 1}', "bad_timestamp"),
    ('{"metric": "bad", "timestamp": 4102444800, "value": 1}', "future"),
    ('{"metric": "bad", "timestamp": 0, "value": 1}', "past"),
    ('{"metric": "bad", "timestamp": -5, "value": 1}', "past"),
]


def test_a_bad_sample_never_refuses_its_neighbours(service: Service) -> None:
    texts = []
    for i, (bad, _) in enumerate(BAD):
        good = {"metric": "good", "timestamp": START + i, "value": i}
        texts += [bad, json.dumps(good)]
    body = '{"samples": [' + ",".join(texts) + "]}"
    answer = service.client.post("/api/v1/samples", content=body).json()
    assert answer["accepted"] == len(BAD)
    assert [r["index"] for r in answer["rejected"]] == list(range(0, 2 * len(BAD), 2))
    told = [
        (bad, r["reason"].split(":")[0])
        for (bad, _), r in zip(BAD, answer["rejected"], strict=True)
    ]
    assert told == BAD
    assert not [m for m in service.get("metrics")["metrics"] if m["name"] == "bad"]


def test_extreme_values_are_taken(service: Service) -> None:
    values = [1e308, -1e308, 5e-324, -0.0, 1.7976931348623157e308, 0.1]
    assert service.post(as_samples("extreme", values))["accepted"] == len(values)
    assert [s["value"] for s in service.samples("extreme")] == values


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"samples": 3}', b"\xff\xfe", b'{"sample": []}', b"[" * 100_000]
)
def test_a_body_that_cannot_be_read_is_refused_with_a_reason(service: Service, body: bytes) -> None:
    response = service.client.post("/api/v1/samples", content=body)
    assert response.status_code == 400
    assert response.json()["detail"]


def test_lines_of_json_are_answered_line_by_line(service: Service) -> None:
    lines = [json.dumps(sample) for sample in as_samples("by.line", [1.0, 2.0, 3.0])]
    other = json.dumps({"metric": "by.line", "timestamp": START, "value": 9.0})
    text = "\n".join([lines[0], "", "{", *lines[1:], other])
    told = {"content-type": "application/x-ndjson; charset=utf-8", "content-encoding": "gzip"}
    answer = service.client.post(
        "/api/v1/samples", content=gzip.compress(text.encode()), headers=told
    ).json()
    assert answer["accepted"] == 3
    assert [(r["index"], r["line"]) for r in answer["rejected"]] == [(2, 3), (5, 6)]
    assert [r["reason"].partition(":")[0] for r in answer["rejected"]] == ["bad_type", "conflict"]


def test_compressed_bodies_are_bounded(service: Service) -> None:
    bomb = gzip.compress(b" " * 17 * 1024 * 1024)
    headers = {"content-encoding": "gzip"}
    post = service.client.post
    assert post("/api/v1/samples", content=bomb, headers=headers).status_code == 413
    assert post("/api/v1/samples", content=b"no gzip", headers=headers).status_code == 400
    headers = {"content-encoding": "br"}
    assert post("/api/v1/samples", content=b"{}", headers=headers).status_code == 400


def test_nothing_is_fine(service: Service) -> None:
    assert service.post([]) == {"accepted": 0, "duplicates": 0, "rejected": []}


def test_too_much_at_once_is_refused(service: Service) -> None:
    many = [{"metric": "m", "timestamp": 1, "value": 1}] * 100_001
    assert service.client.post("/api/v1/samples", json={"samples": many}).status_code == 413
    large = b" " * (17 * 1024 * 1024)
    assert service.client.post("/api/v1/samples", content=large).status_code == 413


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("metrics/nope", 404),
        ("metrics/nope/samples", 404),
        ("metrics?limit=0", 400),
        ("metrics?cursor=x", 400),
        ("metrics?cursor=99999999999999999999999", 400),
        ("events?start=2020-01-01T00:00:00", 400),
        ("events?cursor=1", 400),
        ("events?end=nan", 400),
    ],
)
def test_a_wrong_question_is_told(service: Service, path: str, status: int) -> None:
    response = service.client.get(f"/api/v1/{path}")
    assert response.status_code == status
    assert response.json()["detail"]


def test_the_service_says_how_it_is(service: Service) -> None:
    service.post(as_samples("counted", [1.0]))
    assert service.client.get("/healthz").json() == {"status": "ok"}
    text = service.client.get("/metrics").text
    assert 'tocsin_samples_accepted_total{protocol="http"}' in text
    assert "tocsin_commit_seconds_count" in text
    assert 'tocsin_metrics{status="warming_up"}' in text
    assert "tocsin_queue_samples 0.0" in text
    asked = {"name[]": ["tocsin_samples_accepted_total", "nothing"]}
    few = service.client.get("/metrics", params=asked).text
    assert [line for line in text.splitlines() if "tocsin_samples_accepted_total" in line] == [
        *few.splitlines()
    ]


def test_answers_do_not_wait_for_what_the_client_acknowledges() -> None:
    """Both parts of an answer, its head and its body, go out at once."""
    (bound,) = bind(Address("127.0.0.1", 0), "http")

    async def connect() -> bool:
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            server_side = writer.get_extra_info("socket")
            told.set_result(bool(server_side.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
            writer.close()

        async with await asyncio.start_server(connected, sock=bound):
            _, writer = await asyncio.open_connection(*bound.getsockname())
            at_once = await told
            writer.close()
            return at_once

    assert asyncio.run(connect())


def test_refused_samples_are_counted_by_reason(service: Service) -> None:
    def refused() -> float:
        for line in service.client.get("/metrics").text.splitlines():
            if line.startswith('tocsin_samples_rejected_total{protocol="http",reason="past"}'):
                return float(line.split()[-1])
        return 0.0

    before = refused()
    service.post([{"metric": "m", "timestamp": -1, "value": 1}])
    assert refused() == before + 1


def test_the_page_and_its_files_have_the_right_types(service: Service) -> None:
    page = service.client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    script = _named(page.text, ".js")
    found = service.client.get(script)
    assert found.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in found.headers["cache-control"]
    assert found.headers["content-encoding"] == "gzip"
    plain = service.client.get(script, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == found.content
    for address, headers in ((script, found.headers), ("/", page.headers)):
        tag = {"If-None-Match": headers["etag"]}
        assert service.client.get(address, headers=tag).status_code == 304
    for name in ("nope.js", "..%2f..%2f__init__.py", "%2e%2e", "..%2fsources.txt"):
        assert service.client.get(f"/assets/{name}").status_code == 404


@pytest.mark.parametrize(
    "path", ["/incidents", "/incidents/7", "/metrics/abc", "/search", "/add", "/settings", "/login"]
)
def test_every_view_has_an_address(service: Service, path: str) -> None:
    assert service.client.get(path).text == service.client.get("/").text


def _named(text: str, suffix: str) -> str:
    import re

    names: list[str] = re.findall(r'(?:src|href)="([^"#]+)"', text)
    return next(name for name in names if name.endswith(suffix))


def test_every_file_that_the_page_names_is_there(service: Service) -> None:
    import re

    named = re.findall(r'(?:src|href)="([^"#]+)"', service.client.get("/").text)
    assert named
    for name in named:
        response = service.client.get("/" + name.removeprefix("/"))
        assert response.status_code == 200, name


def test_openapi_tells_the_contract(service: Service) -> None:
    schema = service.client.get("/schema").json()
    assert "requestBody" in schema["paths"]["/api/v1/samples"]["post"]
    assert "/api/v1/metrics/{uid}/samples" in schema["paths"]


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Host": "evil.example:8765"}, {"Origin": "null"}],
)
def test_pages_from_elsewhere_are_kept_out(service: Service, headers: dict[str, str]) -> None:
    response = service.client.post("/api/v1/samples", content=b"{}", headers=headers)
    assert response.status_code == 403
    assert service.client.get("/api/v1/metrics", headers=headers).status_code == 403


def _follow(service: Service, path: str) -> tuple[queue.Queue[dict[str, Any]], threading.Event]:
    """Messages of the stream from now on, and an event that ends it."""
    messages: queue.Queue[dict[str, Any]] = queue.Queue()
    open_, done = threading.Event(), threading.Event()

    def read() -> None:
        with httpx.stream("GET", service.client.base_url.join(path), timeout=120) as response:
            for line in response.iter_lines():
                open_.set()
                if line.startswith("data: "):
                    messages.put(json.loads(line[6:]))
                if done.is_set():
                    return

    threading.Thread(target=read, daemon=True).start()
    assert open_.wait(60)
    return messages, done


def test_the_stream_tells_what_was_just_committed(service: Service) -> None:
    messages, done = _follow(service, "api/v1/stream")
    service.post(as_samples("streamed", [1.0, 2.0]))
    message = messages.get(timeout=60)
    assert [s["value"] for s in message["samples"]] == [1.0, 2.0]
    assert [s["seq"] for s in message["samples"]] == [1, 2]
    stored = service.samples("streamed")
    for live, kept in zip(message["samples"], stored, strict=True):
        assert live | kept == live  # the same names and values, and the metric's
        assert live["metric"] == service.uid("streamed")
    done.set()
    service.post(as_samples("streamed", [3.0], 2))


def test_the_stream_tells_events_and_can_be_narrowed(service: Service) -> None:
    values = calm_then_spike(600, 100, seed=9)
    service.post(as_samples("narrow", values[:600]))
    uid = service.uid("narrow")
    messages, done = _follow(service, f"api/v1/stream?metric={uid}")
    service.post(as_samples("other", [1.0]))
    service.post(as_samples("narrow", values[600:], 600))
    message = messages.get(timeout=60)
    assert {s["metric"] for s in message["samples"]} == {uid}
    assert [e for e in message["events"] if e["value"] > 900]
    assert message["events"][0]["metric"] == uid
    done.set()
    service.post(as_samples("narrow", [1.0], len(values)))


def test_graphite_lines_in_any_packets(service: Service) -> None:
    lines = b"".join(b"g.load;host=a %d %d\n" % (i, START + i) for i in range(50))
    with socket.create_connection(service.graphite) as connection:
        for start in range(0, len(lines), 7):
            connection.sendall(lines[start : start + 7])
            if start % 70 == 0:
                time.sleep(0.005)
        connection.sendall(b"broken line\n\xff\xfe 1 2\n" + b"x" * 10_000 + b"\ng.last 1 N\n")
    deadline = time.monotonic() + 60
    while not service.get("metrics", match="g.last")["metrics"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [s["value"] for s in service.samples("g.load")] == [float(i) for i in range(50)]
    text = service.client.get("/metrics").text
    assert 'tocsin_samples_rejected_total{protocol="graphite",reason="bad_line"} 2.0' in text
    assert 'tocsin_samples_rejected_total{protocol="graphite",reason="bad_metric"} 1.0' in text


def test_a_token_is_asked_for_when_there_is_one(tmp_path: Path) -> None:
    with running(tmp_path / "data", TOCSIN_TOKEN="a secret token") as service:
        get = service.client.get
        assert get("/api/v1/metrics").status_code == 401
        assert get("/api/v1/metrics", headers={"Authorization": "Bearer no"}).status_code == 401
        assert service.client.post("/api/v1/samples", content=b"{}").status_code == 401
        right = {"Authorization": "Bearer a secret token"}
        assert get("/api/v1/metrics", headers=right).status_code == 200
        assert get("/healthz").status_code == 200
        assert get("/").status_code == 200
