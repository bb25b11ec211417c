"""Scanning a file, other settings and other rules tried out, of a real service."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import Service, running
from tests.signals import START, STEP, as_samples, calm_then_spike

VALUES = calm_then_spike(1_500, 100)
CONFIG = """
[[channel]]
kind = "webhook"
name = "ops"
url = "http://127.0.0.1:9/"

[[alert]]
match = "quiet.*"
alarm = false
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("acting")
    (folder / "tocsin.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    with running(folder / "data", "--config", str(folder / "tocsin.toml")) as service:
        yield service


def ask(service: Service, method: str, path: str, status: int = 200, **more: Any) -> httpx.Response:
    response = service.client.request(method, f"/api/v1/{path}", **more)
    assert response.status_code == status, response.text
    return response


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def as_csv(values: list[float]) -> bytes:
    rows = [f"{START + STEP * i},{value}" for i, value in enumerate(values)]
    return "\n".join(["timestamp,value", *rows]).encode()


def as_ndjson(name: str, values: list[float]) -> bytes:
    return "\n".join(map(json.dumps, as_samples(name, values, host="<b>a</b>"))).encode()


def test_a_file_is_scanned_and_nothing_of_it_stored(service: Service) -> None:
    query = {"name": "../../requests.csv", "timezone": "Europe/Berlin"}
    report = ask(service, "POST", "scan", params=query, content=as_csv(VALUES)).json()
    assert (report["rows"], report["samples"]) == (len(VALUES), len(VALUES))
    (series,) = report["series"]
    assert (series["title"], series["samples"]) == ("requests", len(VALUES))
    assert report["events_total"] == series["events_total"] >= 1
    worst = max(series["events"], key=lambda event: event["anomaly_score"])
    assert worst["value"] > 1_000
    assert "higher than expected" in worst["why"]
    columns = series["columns"]
    assert len({len(column) for column in columns.values()}) == 1
    # However few points there are, the extremes are among them.
    assert max(v for v in columns["max"] if v is not None) == max(VALUES)
    assert min(v for v in columns["min"] if v is not None) == min(VALUES)
    assert service.get("metrics", match="requests")["metrics"] == []


def test_other_kinds_of_files_and_what_is_wrong_with_them(service: Service) -> None:
    body = as_ndjson("web.latency", VALUES[:300]) + b"\nnonsense\n[1, 2]\n"
    report = ask(service, "POST", "scan", params={"name": "a.ndjson"}, content=body).json()
    assert report["series"][0]["labels"] == {"host": "<b>a</b>"}
    assert report["refused"] == {"not JSON": 1, "not an object": 1}
    bad = ask(service, "POST", "scan", 400, params={"name": "a.csv"}, content=b"a,b\nx,y\n").json()
    assert bad["detail"].startswith("a.csv: ")
    assert "/" not in bad["detail"].partition(":")[0]
    ask(service, "POST", "scan", 400, content=b"")
    bad = ask(service, "POST", "scan", 400, params={"name": "a.parquet"}, content=b"PAR1junk")
    assert "not a Parquet file" in bad.json()["detail"]
    nowhere = {"name": "a.csv", "timezone": "Mars/Olympus"}
    told = ask(service, "POST", "scan", 400, params=nowhere, content=as_csv(VALUES[:200])).json()
    assert "Mars/Olympus" in told["detail"]


def test_other_settings_are_tried_on_what_is_stored(service: Service) -> None:
    service.post(as_samples("tried", VALUES))
    uid = service.uid("tried")
    live = service.get("events", metric="tried")["events"]

    def tried(status: int = 200, days: float = 30, **settings: Any) -> dict[str, Any]:
        body = {"settings": settings, "days": days}
        path = f"metrics/{uid}/what-if"
        told: dict[str, Any] = ask(service, "POST", path, status, json=body).json()
        return told

    same = tried()
    assert same["samples"] == len(VALUES)
    # By the same code path: the alarms of the stored history are those that were told.
    assert same["now"] == same["then"] == {"alarms": len(live)}
    assert [(e["start"], e["end"], e["value"]) for e in same["events"]] == [
        (e["start"], e["end"], e["value"]) for e in reversed(live)
    ]
    assert {event["change"] for event in same["events"]} == {"same"}
    none = tried(direction="up", least_change=5_000.0)
    assert none["then"] == {"alarms": 0}
    assert {event["change"] for event in none["events"]} == {"removed"}
    more = tried(false_alarms_per_week=500.0)
    assert more["then"]["alarms"] > more["now"]["alarms"]
    assert "added" in {event["change"] for event in more["events"]}
    assert "direction" in tried(400, direction="sideways")["detail"]
    assert "false_alarms_per_week" in tried(400, false_alarms_per_week=0)["detail"]
    tried(400, model="htm")
    ask(service, "POST", "metrics/nobody/what-if", 404, json={"settings": {}})


def test_rules_are_set_tried_and_taken_back(service: Service) -> None:
    told = service.get("rules")
    assert (told["source"], told["rules"][0]["match"]) == ("file", "quiet.*")
    revision = told["revision"]
    tall = [{"match": "ruled*", "direction": "up", "least_change": 5_000}]
    service.post(as_samples("ruled", VALUES))
    found = ask(service, "POST", "rules/preview", json={"rules": tall, "days": 30}).json()
    mine = [one for one in found["changed"] if one["title"] == "ruled"]
    assert mine
    assert all(one["now"]["alarms"] and not one["then"]["alarms"] for one in mine)
    assert found["alarms_now"] - found["alarms_then"] == len(mine)
    assert service.get("rules")["source"] == "file"

    put = ask(service, "PUT", "rules", json={"rules": tall, "revision": revision}).json()
    assert (put["source"], put["author"]) == ("interface", "local")
    stale = ask(service, "PUT", "rules", 409, json={"rules": [], "revision": revision}).json()
    assert "look at them again" in stale["detail"]
    # It counts at once: the very same metric again under another name alarms nobody.
    before = len(service.get("incidents")["incidents"])
    service.post(as_samples("ruled.too", VALUES))
    service.post(as_samples("other", VALUES))
    until(lambda: len(service.get("incidents")["incidents"]) > before)
    titles = [one["title"] for one in service.get("incidents")["incidents"]]
    assert not any(title.startswith("ruled.too") for title in titles)
    changes = service.get("audit")["changes"]
    assert changes[0]["what"] == "rules.set" or changes[1]["what"] == "rules.set"

    gone = ask(service, "DELETE", "rules", params={"revision": put["revision"]}).json()
    assert (gone["source"], gone["rules"][0]["match"]) == ("file", "quiet.*")
    assert gone["revision"] > put["revision"]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([{"match": "a"}, {"match": "b", "severity": "bad"}], "alert rule 2: severity = 'bad'"),
        ([{"match": "a", "direktion": "up"}], "did you mean 'direction'?"),
        ([{"match": "a", "routes": ["nobody"]}], "alert rule 1: routes: no channel"),
        ([{"least_score": 0.5}], "alert rule 1"),
        ([{"match": "a", "false_alarms_per_week": 0}], "alert rule 1: false_alarms_per_week = '0'"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said(
    service: Service, rules: list[dict[str, Any]], said: str
) -> None:
    revision = service.get("rules")["revision"]
    body = {"rules": rules, "revision": revision}
    assert said in ask(service, "PUT", "rules", 400, json=body).json()["detail"]
    assert (
        said in ask(service, "POST", "rules/preview", 400, json={"rules": rules}).json()["detail"]
    )


def test_rules_are_kept_over_restarts(folder: Path, tmp_path: Path) -> None:
    config = str(folder / "tocsin.toml")
    rules = [{"match": "kept.*", "fleet_false_alarms_per_week": 0.5, "routes": ["ops"]}]
    with running(tmp_path / "data", "--config", config) as service:
        ask(service, "PUT", "rules", json={"rules": rules, "revision": 0})
        service.kill()
    with running(tmp_path / "data", "--config", config) as service:
        told = service.get("rules")
        assert told["source"] == "interface"
        assert told["rules"][0]["fleet_false_alarms_per_week"] == 0.5
        assert told["rules"][0]["routes"] == ["ops"]


def move_window(first: int, last: int, **more: Any) -> dict[str, Any]:
    return {"match": "moved*", "start": START + STEP * first, "end": START + STEP * last} | more


def test_calendars_are_made_act_and_are_taken_back(service: Service) -> None:
    assert service.get("calendars") == {"calendars": []}
    weekly = {"days": [5, 6], "from": "22:00", "to": "04:00"}
    nights = {"match": "nights.*", "weekly": weekly, "timezone": "Europe/Berlin", "learn": False}
    two = ask(service, "POST", "calendars", 201, json=nights | {"alarm": True}).json()
    assert (two["weekly"], two["alarm"], two["learn"]) == (weekly, True, False)
    one = ask(service, "POST", "calendars", 201, json=move_window(0, 2_000, text="move")).json()
    assert (one["alarm"], one["learn"], one["author"], one["active"]) == (
        False,
        True,
        "local",
        False,
    )
    assert service.get("calendars")["calendars"] == [two | {"active": two["active"]}, one]
    before = len(service.get("incidents")["incidents"])
    service.post(as_samples("moved", VALUES))
    service.post(as_samples("not.moved", VALUES))
    until(lambda: len(service.get("incidents")["incidents"]) > before)
    events = service.get("events", metric="moved")["events"]
    assert {event["muted"] for event in events} == {
        f"in a maintenance window (calendar {one['id']}): move"
    }
    titles = [incident["title"] for incident in service.get("incidents")["incidents"]]
    assert "not.moved" in " ".join(titles)
    assert not any(title.startswith("moved") for title in titles)
    for calendar in (one, two):
        ask(service, "DELETE", f"calendars/{calendar['id']}", 204)
        ask(service, "DELETE", f"calendars/{calendar['id']}", 404)
    assert service.get("calendars") == {"calendars": []}
    assert service.get("audit")["changes"][0]["what"] == "calendar.remove"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"match": "x"}, "say when"),
        (move_window(5, 5), "end: must be after start"),
        (move_window(1, 2, alarm=True), "alarm, learn"),
        (move_window(1, 2, timezone="Mars/Olympus"), "Mars/Olympus"),
        ({"match": "x", "weekly": {"days": [7], "from": "1:00", "to": "02:00"}}, "days"),
        (move_window(1, 2, start="yesterday"), "start"),
    ],
)
def test_what_is_wrong_with_a_calendar_is_said(
    service: Service, wrong: dict[str, Any], said: str
) -> None:
    told = ask(service, "POST", "calendars", 400, json=wrong)
    assert said in told.text


def test_how_a_metric_stood_since_when(service: Service) -> None:
    service.post(as_samples("stood", VALUES[:150]))
    uid = service.uid("stood")
    ask(service, "POST", f"metrics/{uid}/pause")
    ask(service, "POST", f"metrics/{uid}/resume")
    ask(service, "PATCH", f"metrics/{uid}/settings", json={"false_alarms_per_week": 0.5})
    # With other settings it is learnt anew, beside what is asked.
    until(lambda: service.get(f"metrics/{uid}/statuses")["statuses"][0]["status"] == "active")
    told = service.get(f"metrics/{uid}/statuses")["statuses"]
    stood = [(one["status"], one["reason"]) for one in told]
    assert stood[-3:] == [("active", None), ("paused", "asked"), ("active", None)]
    times = [one["at"] for one in told]
    assert times == sorted(times, reverse=True)
    assert len(service.get(f"metrics/{uid}/statuses", limit=1)["statuses"]) == 1
    ask(service, "GET", "metrics/nobody/statuses", 404)


def test_a_known_change_is_told_as_known_and_its_level_alarms_no_more(service: Service) -> None:
    calm = VALUES[:1_200]
    up = [value + 500 for value in calm[:60]]
    first = [*calm, *up, *calm[60:400]]
    service.post(as_samples("deployed", first))
    uid = service.uid("deployed")
    events = service.get("events", metric="deployed")["events"]
    event = next(e for e in events if e["value"] > 500)
    path = f"metrics/{uid}/marks"
    said = {"kind": "known_change", "event": event["id"], "text": "release 7"}
    dry = ask(service, "POST", f"{path}?dry_run=true", 201, json=said).json()
    assert dry["rule"].startswith("not alarmed: levels within ")
    assert event["start"] in [one["start"] for one in dry["events"]]

    def holding() -> list[dict[str, Any]]:
        """The incident of the event."""
        found = [i["id"] for i in service.get("incidents")["incidents"]]
        wholes = [service.get(f"incidents/{number}") for number in found]
        return [one for one in wholes if f'"id": {event["id"]},' in json.dumps(one["members"])]

    until(lambda: len(holding()) == 1)
    made = ask(service, "POST", path, 201, json=said).json()
    (whole,) = holding()
    told = whole["history"][-1]
    assert (told["kind"], told["text"], told["author"]) == ("known_change", "release 7", "local")
    assert whole["state"] in ("acknowledged", "resolved")
    # It comes again, and goes far beyond.
    service.post(as_samples("deployed", up, len(first)))
    service.post(as_samples("deployed", calm[:200], len(first) + 60))
    service.post(as_samples("deployed", [50_000.0], len(first) + 260))
    later = [
        e
        for e in service.get("events", metric="deployed")["events"]
        if e["start"] >= service.samples("deployed")[len(first)]["timestamp"]
    ]
    again = [e for e in later if 500 < e["value"] < 1_000]
    assert all("a known change" in e["muted"] for e in again)
    (beyond,) = [e for e in later if e["value"] == 50_000.0]
    assert beyond["muted"] == ""
    ask(service, "DELETE", f"marks/{made['mark']['id']}", 204)
    assert service.get(path) == {"marks": []}
