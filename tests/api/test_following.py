"""Results out of a real service: followed over HTTP and in a file, also when it is killed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.postgres import Server
from tests.running import Service, running
from tests.signals import as_samples, calm_then_spike

VALUES = calm_then_spike(300, 60)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    options = []
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgres_server")
        options = ["--database", server.new_database()]
    with running(tmp_path_factory.mktemp("service") / "data", *options) as service:
        yield service


class Message:
    """One server-sent event."""

    def __init__(self, lines: list[str]) -> None:
        fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
        self.event = fields.get("event", "message")
        self.id = int(fields["id"]) if "id" in fields else None
        self.data: dict[str, Any] = json.loads(fields.get("data", "{}"))


@contextmanager
def stream(service: Service, **asked: Any) -> Iterator[Iterator[Message]]:
    """Messages, the welcome first."""
    headers = {"Last-Event-ID": str(asked.pop("last_event_id"))} if "last_event_id" in asked else {}
    url = service.client.base_url.join("/api/v1/stream")
    with httpx.stream("GET", url, params=asked, headers=headers, timeout=30) as response:
        assert response.status_code == 200, response.read()
        yield _messages(response.iter_lines())


def _messages(lines: Iterator[str]) -> Iterator[Message]:
    block: list[str] = []
    for line in lines:
        if line:
            block.append(line)
        else:
            yield Message(block)
            block = []


def follow(messages: Iterator[Message], until: int) -> list[Message]:
    found = []
    for message in messages:
        found.append(message)
        if message.id is not None and message.id >= until:
            return found
    raise AssertionError("the stream ended")


def samples_of(messages: list[Message], name: str) -> list[dict[str, Any]]:
    found = [s for message in messages for s in message.data.get("samples", [])]
    return [sample for sample in found if sample["name"] == name]


def newest(service: Service) -> int:
    """The position of the last commit."""
    with stream(service) as messages:
        position = next(messages).id
    assert position is not None
    return position


def test_who_comes_back_gets_what_it_missed(service: Service) -> None:
    service.post(as_samples("back", VALUES[:100]))
    with stream(service, after=0) as messages:
        first = follow(messages, newest(service))
    service.post(as_samples("back", VALUES[100:], 100))
    last, end = first[-1].id, newest(service)
    for asked in ({"after": last}, {"last_event_id": last}, {"last_event_id": last, "after": 0}):
        with stream(service, **asked) as messages:
            rest = follow(messages, end)
        assert [s["seq"] for s in samples_of(rest, "back")] == [*range(101, len(VALUES) + 1)]
    stored = service.samples("back")
    for live, kept in zip(samples_of(first + rest, "back"), stored, strict=True):
        assert live | kept == live
    events = {e["id"]: e for m in first + rest for e in m.data.get("events", [])}
    told = service.get("events", metric="back")["events"]
    assert told
    assert all(events[e["id"]] | e == events[e["id"]] for e in told)


def test_a_position_that_makes_no_sense_is_told(service: Service) -> None:
    for asked in ({"after": -1}, {"after": 2**63}, {"after": "x"}):
        assert service.client.get("/api/v1/stream", params=asked).status_code == 400
    for text in ("x", "-1", "9" * 30, str(2**63)):
        answer = service.client.get("/api/v1/stream", headers={"Last-Event-ID": text})
        assert answer.status_code == 400
        assert "Last-Event-ID" in answer.json()["detail"]
    with stream(service, after=10**12) as messages:
        next(messages)
        assert next(messages).event == "gap"


def test_a_named_subscriber_is_remembered(service: Service) -> None:
    put = service.client.put
    made = put("/api/v1/subscribers/pager", json={}).json()
    begin = newest(service)
    assert (made["name"], made["position"], made["newest"]) == ("pager", begin, begin)
    service.post(as_samples("named", VALUES[:50]))
    with stream(service, subscriber="pager") as messages:
        found = follow(messages, newest(service))
    assert len(samples_of(found, "named")) == 50
    again = put("/api/v1/subscribers/pager", json={"position": found[-1].id}).json()
    assert again["position"] == found[-1].id
    assert put("/api/v1/subscribers/pager", json={"position": 0}).json() == again
    service.post(as_samples("named", VALUES[50:60], 50))
    with stream(service, subscriber="pager") as messages:
        found = follow(messages, newest(service))
    assert [s["seq"] for s in samples_of(found, "named")] == [*range(51, 61)]
    assert "pager" in [s["name"] for s in service.get("subscribers")["subscribers"]]
    assert service.client.delete("/api/v1/subscribers/pager").status_code == 204
    for answer in (
        service.client.delete("/api/v1/subscribers/pager"),
        service.client.get("/api/v1/stream", params={"subscriber": "pager"}),
    ):
        assert answer.status_code == 404
        assert "PUT /api/v1/subscribers/NAME" in answer.json()["detail"]


@pytest.mark.parametrize("position", [-1, 10**12, "x", 1.5])
def test_a_position_that_is_not_there_cannot_be_confirmed(service: Service, position: Any) -> None:
    answer = service.client.put("/api/v1/subscribers/wrong", json={"position": position})
    assert answer.status_code == 400, answer.text
    assert "wrong" not in [s["name"] for s in service.get("subscribers")["subscribers"]]


def test_a_killed_service_goes_on_for_its_followers(tmp_path: Path) -> None:
    """One follows over HTTP, one through a file; the service is killed again and again."""
    out = tmp_path / "results.jsonl"
    settings = tmp_path / "tocsin.toml"
    settings.write_text(f'[[publish]]\nkind = "jsonl"\npath = "{out}"\nname = "file"\n')
    streamed: list[Message] = []
    at = position = 0
    for life in range(3):
        with running(tmp_path / "data", "--config", str(settings)) as service:
            follower = threading.Thread(target=_collect, args=(service, position, streamed))
            follower.start()
            for _ in range(6):
                service.post(as_samples("killed", VALUES[at : at + 7], at))
                at += 7
            if life == 2:
                stored = service.samples("killed")
                with stream(service, after=position) as messages:
                    streamed += follow(messages, newest(service))
                assert service.stop()[0] == 0
            else:
                service.process.kill()
            follower.join(60)
            assert not follower.is_alive()
        position = max((m.id for m in streamed if m.id is not None), default=0)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    for found in (samples_of(streamed, "killed"), [x for x in lines if x["kind"] == "sample"]):
        first = {sample["seq"]: sample for sample in found[::-1]}
        assert list(dict.fromkeys(s["seq"] for s in found)) == [*range(1, at + 1)]
        assert all(first[kept["seq"]] | kept == first[kept["seq"]] for kept in stored)


def _collect(service: Service, after: int, found: list[Message]) -> None:
    """Until the service is gone."""
    try:
        with stream(service, after=after) as messages:
            found.extend(messages)
    except (httpx.HTTPError, AssertionError):
        pass
