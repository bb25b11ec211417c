from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.running import Service, running

START = 1_700_000_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("intake") / "data"
    with running(folder, TOCSIN_LATE="store", TOCSIN_MAX_PAST_DAYS="36500") as service:
        yield service


def samples(name: str, *told: tuple[float, Any]) -> list[dict[str, Any]]:
    return [{"metric": name, "timestamp": START + at, "value": value} for at, value in told]


def test_a_request_with_a_key_is_answered_the_same_again(service: Service) -> None:
    sent = samples("keyed", (1, 1.0), (2, "x"), (3, 3.0), (3, 4.0), (2.5, 1.0))
    first = service.post(sent, headers={"Idempotency-Key": "one"})
    assert first["accepted"] == 3
    assert [r["index"] for r in first["rejected"]] == [1, 3]
    assert service.post(sent, headers={"Idempotency-Key": "one"}) == first
    other = service.post(samples("keyed", (9, 1.0)), headers={"Idempotency-Key": "one"})
    assert [r["reason"].split(":")[0] for r in other["rejected"]] == ["key_reused"]
    again = service.post(sent, headers={"Idempotency-Key": "two"})
    assert (again["accepted"], again["duplicates"]) == (0, 3)
    assert service.get(f"metrics/{service.uid('keyed')}")["samples"] == 3


def test_a_sender_that_counts_can_ask_how_far_it_is(service: Service) -> None:
    def send(position: int, at: int) -> dict[str, Any]:
        headers = {
            "Tocsin-Source": "file:ab/c d.csv",
            "Tocsin-Position": str(position),
            "Tocsin-Bulk": "true",
        }
        return service.post(samples("counted", (at, 1.0)), headers=headers)

    assert service.client.get("/api/v1/source?source=file:ab/c d.csv").status_code == 404
    for position in (0, 10, 20):
        assert send(position, position)["accepted"] == 1
    assert send(20, 20)["accepted"] == 1
    assert send(10, 11) == {"accepted": 0, "duplicates": 1, "rejected": []}
    found = service.get("source", source="file:ab/c d.csv")
    assert (found["source"], found["position"]) == ("file:ab/c d.csv", 20)
    assert found["at"].endswith("Z")
    assert service.get(f"metrics/{service.uid('counted')}")["samples"] == 3


@pytest.mark.parametrize(
    "headers",
    [
        {"Tocsin-Source": "a"},
        {"Tocsin-Position": "1"},
        {"Tocsin-Source": "a", "Tocsin-Position": "x"},
        {"Tocsin-Source": "a", "Tocsin-Position": "-1"},
        {"Tocsin-Source": "a", "Tocsin-Position": str(2**63)},
        {"Tocsin-Source": "http:a", "Tocsin-Position": "1"},
        {"Tocsin-Source": "a", "Tocsin-Position": "1", "Idempotency-Key": "b"},
        {"Idempotency-Key": ""},
        {"Idempotency-Key": "k" * 201},
    ],
)
def test_headers_that_mean_nothing_are_refused(service: Service, headers: dict[str, str]) -> None:
    body = {"samples": samples("unheard", (1, 1.0))}
    response = service.client.post("/api/v1/samples", json=body, headers=headers)
    assert response.status_code == 400, response.text
    assert service.get("metrics", match="unheard")["metrics"] == []


def test_refused_samples_are_shown_by_metric_and_reason(service: Service) -> None:
    service.post(samples("refused", (5, 1.0)))
    path = f"metrics/{service.uid('refused')}/refusals"
    assert service.get(path) == {"refusals": []}
    service.post(samples("refused", (5, 2.0), (10**9, 7.5), (-START - 5, 1.0)))
    service.post(samples("refused", (5, 3.0)))
    found = {row.pop("reason"): row for row in service.get(path)["refusals"]}
    assert {reason: row["count"] for reason, row in found.items()} == {
        "conflict": 2,
        "future": 1,
        "past": 1,
    }
    assert found["conflict"]["value"] == "3.0"
    assert found["future"]["timestamp"] == "2055-07-24T00:00:00Z"
    assert found["past"]["timestamp"] == "1969-12-31T23:59:55Z"
    assert service.client.get("/api/v1/metrics/none/refusals").status_code == 404


def test_graphite_lines_that_are_not_finite_count_under_their_metric(service: Service) -> None:
    service.post(samples("lines", (0, 1.0)))
    with socket.create_connection(service.graphite, timeout=10) as connection:
        connection.sendall(f"lines nan {START + 1}\nlines inf {START + 2}\n".encode())
    path, deadline = f"metrics/{service.uid('lines')}/refusals", time.monotonic() + 30
    # The two lines may have come in two pieces.
    while not (found := service.get(path)["refusals"]) or found[0]["count"] < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    told = [(row["reason"], row["count"], row["value"]) for row in found]
    assert told == [("not_finite", 2, "inf")]


def test_late_samples_are_shown_page_by_page(service: Service) -> None:
    service.post(samples("late", (50, 1.0)))
    assert service.post(samples("late", *((at, at / 2) for at in range(10))))["late"] == 10
    path, cursor, found = f"metrics/{service.uid('late')}/late", None, []
    for _ in range(4):
        page = service.get(path, limit=3, **({"cursor": cursor} if cursor else {}))
        found += page["samples"]
        cursor = page["cursor"]
    assert cursor is None
    assert [row["value"] for row in found] == [at / 2 for at in range(10)]
    assert found[0]["timestamp"] == "2023-11-14T22:13:20Z"
    assert service.get(f"metrics/{service.uid('late')}")["samples"] == 1


def test_the_headers_are_described(service: Service) -> None:
    schema = service.client.get("/schema").json()
    told = schema["paths"]["/api/v1/samples"]["post"]["parameters"]
    assert {parameter["name"] for parameter in told} == {
        "Idempotency-Key",
        "Tocsin-Source",
        "Tocsin-Position",
        "Tocsin-Bulk",
    }
