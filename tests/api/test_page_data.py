"""What the page asks for: now, heard, search, series."""

from __future__ import annotations

import datetime as dt
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.running import Service, running
from tests.signals import STEP, calm_then_spike

VALUES = calm_then_spike(600, 60)
#: The spike is the last sample but so many.
AFTER = len(VALUES) - 601
#: When the first sample was: the last one is now.
BEGAN = int(time.time()) - STEP * len(VALUES)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("page") / "data") as service:
        for host in ("a", "b"):
            shown = VALUES if host == "a" else VALUES[:600] + VALUES[:61]
            service.post(recent("web.latency", shown, host=host, path="/x y"))
        service.post(recent("web.latency", VALUES[:5], host="New"))
        service.post(recent("cpu.user", VALUES[:300], host="a"))
        yield service


def recent(name: str, values: list[float], **labels: str) -> list[dict[str, Any]]:
    """Samples up to now."""
    begin = BEGAN + STEP * (len(VALUES) - len(values))
    return [
        {"metric": name, "labels": labels, "timestamp": begin + STEP * i, "value": value}
        for i, value in enumerate(values)
    ]


def eventually(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def test_now_says_how_the_fleet_is(service: Service) -> None:
    fleet = service.get("now")["fleet"]
    assert fleet["metrics"] == 4
    assert fleet["by_status"] == {"active": 3, "warming_up": 1}
    assert fleet["warming_up"] == 1
    assert fleet["samples_per_s"] > 0
    assert fleet["lag_s"] < 5
    assert fleet["errors"] == []


def test_now_counts_what_was_refused(service: Service) -> None:
    before = {
        (r["protocol"], r["reason"]): r["count"] for r in service.get("now")["fleet"]["refused"]
    }
    bad = {"metric": "bad", "timestamp": time.time() + 1e6, "value": 1.0}
    assert service.post([bad])["rejected"]

    def told() -> bool:
        refused = service.get("now")["fleet"]["refused"]
        counts = {(r["protocol"], r["reason"]): r["count"] for r in refused}
        return bool(counts.get(("http", "future")) == before.get(("http", "future"), 0) + 1)

    assert eventually(told)


def test_the_most_unusual_metric_comes_first_with_its_last_samples(service: Service) -> None:
    first, *others = service.get("now")["unusual"]
    scores = [one["score"] for one in (first, *others)]
    assert scores == sorted(scores, reverse=True)
    assert all(one["metric"]["labels"] != {"host": "New"} for one in (first, *others))
    uid = first["metric"]["uid"]
    stored = service.get(f"metrics/{uid}/samples", order="desc", limit=120)["samples"][::-1]
    assert first["spark"]["v"] == [one["value"] for one in stored]
    assert first["spark"]["upper"] == [one["upper"] for one in stored]
    assert first["score"] == stored[-1]["anomaly_score"]
    assert first["expected"] == stored[-1]["expected"]
    assert len(service.get("now", limit=1)["unusual"]) == 1


def test_a_metric_with_an_open_event_says_so(service: Service) -> None:
    # The newest sample of b is the spike's.
    service.post(recent("spiking", VALUES[:603]))
    (found,) = service.get("search", q="spiking")["metrics"]
    assert found["open_event"] is True
    (mine,) = [
        one
        for one in eventually(lambda: service.get("now", limit=100)["unusual"])
        if one["metric"]["name"] == "spiking"
    ]
    event = mine["event"]
    assert event["open"] is True
    assert event["metric"] == mine["metric"]["uid"] == found["uid"]
    assert event["value"] > 900


def test_who_sends_is_heard(service: Service) -> None:
    with socket.create_connection(service.graphite) as connection:
        connection.sendall(f"heard.by.graphite 1.0 {int(time.time())}\n".encode())
    senders = eventually(
        lambda: [s for s in service.get("heard")["senders"] if s["protocol"] == "graphite"]
    )
    assert [(s["source"], s["samples"]) for s in senders] == [("127.0.0.1", 1)]
    service.post(recent("heard", [1.0]), headers={"Tocsin-Source": "me", "Tocsin-Position": "1"})
    newest = service.get("heard", limit=1)["senders"]
    assert [(s["protocol"], s["source"], s["samples"]) for s in newest] == [("http", "me", 1)]
    # The same once more is heard, and brings nothing.
    service.post(recent("heard", [1.0]), headers={"Tocsin-Source": "me", "Tocsin-Position": "1"})
    (again,) = service.get("heard", limit=1)["senders"]
    assert again["samples"] == 1
    assert again["last"] > newest[0]["last"]


def names(service: Service, **query: Any) -> list[str]:
    return [one["title"] for one in service.get("search", **query)["metrics"]]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("latency host=b", ["b"]),
        ("LATENCY HOST=", ["a", "b", "New"]),
        ('web.latency{host="a"', ["a"]),
        ('web.latency{host="b",path="/x', ["b"]),
        ("host=new", ["New"]),
        ("web.laten", ["a", "b", "New"]),
        ("latency.web", []),
        ("tency ncy", ["a", "b", "New"]),
        ("laten host=c", []),
        ("/x y a", ["a", "b"]),
    ],
)
def test_words_are_found_in_any_order(service: Service, words: str, found: list[str]) -> None:
    answer = service.get("search", q=words, sort="name")
    hosts = [one["labels"]["host"] for one in answer["metrics"]]
    assert hosts == found
    assert answer["total"] == len(found)


def test_found_metrics_say_how_they_stand(service: Service) -> None:
    (one,) = service.get("search", q="latency host=b")["metrics"]
    about = service.get(f"metrics/{one['uid']}")
    assert one["readiness"] == about["readiness"]
    assert one["score"] == about["anomaly_score"]
    assert one["value"] == about["last_value"] == one["spark"]["v"][-1]
    assert one["at"] == about["last_timestamp"]
    assert (one["status"], one["reason"]) == ("active", None)
    assert len(one["spark"]["t"]) == 60
    assert names(service, status="warming_up", q="latency") == ['web.latency{host="New"}']
    assert names(service, status="error") == []


def test_a_search_is_read_page_by_page(service: Service) -> None:
    for sort in ("rank", "name", "changed"):
        whole, cursor = [], None
        while True:
            page = service.get(
                "search", sort=sort, limit=2, **({"cursor": cursor} if cursor else {})
            )
            whole += page["metrics"]
            cursor = page["next"]
            if cursor is None:
                break
        assert len({one["uid"] for one in whole}) == len(whole) == page["total"]
        if sort == "name":
            titles = [one["title"].lower() for one in whole]
            assert titles == sorted(titles)
        if sort == "rank":
            scores = [-1.0 if one["score"] is None else one["score"] for one in whole]
            assert scores == sorted(scores, reverse=True)


def test_deleted_metrics_are_not_found(service: Service) -> None:
    service.post(recent("going", [1.0]))
    (one,) = service.get("search", q="going")["metrics"]
    assert service.client.delete(f"/api/v1/metrics/{one['uid']}").status_code < 300
    assert names(service, q="going") == []
    service.post(recent("going", [2.0]))
    (again,) = service.get("search", q="going")["metrics"]
    assert again["uid"] != one["uid"]


def series(service: Service, name: str, **query: Any) -> Any:
    (found,) = service.get("search", q=name)["metrics"]
    return service.get(f"metrics/{found['uid']}/series", **query)


def test_a_short_course_is_told_sample_by_sample(service: Service) -> None:
    answer = series(service, "latency host=a")
    columns = answer["columns"]
    assert columns["min"] == columns["max"] == VALUES
    assert columns["t"] == [BEGAN + STEP * i for i in range(len(VALUES))]
    assert answer["samples"] == len(VALUES)
    assert {key: len(column) for key, column in columns.items()} == dict.fromkeys(
        ("t", "min", "max", "expected", "lower", "upper", "score"), len(VALUES)
    )
    (found,) = service.get("search", q="latency host=a")["metrics"]
    stored = service.get(f"metrics/{found['uid']}/samples", limit=10_000)["samples"]
    for column, name in (("expected", "expected"), ("upper", "upper"), ("score", "anomaly_score")):
        assert columns[column] == [sample[name] for sample in stored]
    assert (answer["first"], answer["last"]) == (stored[0]["timestamp"], stored[-1]["timestamp"])
    assert any(event["value"] > 900 for event in answer["events"])


def test_a_long_course_keeps_its_extremes(service: Service) -> None:
    answer = series(service, "latency host=a", points=20)
    columns = answer["columns"]
    assert 10 < len(columns["t"]) <= 40
    assert max(columns["max"]) == max(VALUES)
    assert min(columns["min"]) == min(VALUES)
    whole = series(service, "latency host=a")
    scores = [max(s for s in some["columns"]["score"] if s is not None) for some in (answer, whole)]
    assert scores[0] == scores[1]


def test_a_part_of_a_course(service: Service) -> None:
    start, end = BEGAN + STEP * 100, BEGAN + STEP * 110
    answer = series(service, "latency host=a", **{"from": start, "to": end})
    assert answer["columns"]["t"] == list(range(start, end, STEP))
    assert answer["columns"]["min"] == VALUES[100:110]
    assert answer["events"] == []
    nothing = series(service, "latency host=a", **{"from": 1, "to": 2})
    assert nothing["columns"]["t"] == []
    assert nothing["samples"] == 0


def test_silence_is_a_gap(service: Service) -> None:
    samples = recent("silent", VALUES[:100])
    service.post(samples[:40] + samples[70:])
    columns = series(service, "silent")["columns"]
    assert columns["min"][39:42] == [VALUES[39], None, VALUES[70]]
    assert columns["t"] == sorted(columns["t"])


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("now", {"limit": 101}),
        ("search", {"limit": 0}),
        ("search", {"sort": "size"}),
        ("search", {"status": "ill"}),
        ("search", {"cursor": "x"}),
        ("search", {"q": "x" * 1_001}),
        ("heard", {"limit": 0}),
        ("groups", {"rank": "size"}),
        ("groups", {"limit": 1_001}),
        ("metrics/none/profile", {"weeks": 0}),
        ("metrics/none/profile", {}),
        ("metrics/none/series", {"points": 1}),
        ("metrics/none/series", {"from": "now"}),
    ],
)
def test_what_is_out_of_bounds_is_refused(
    service: Service, path: str, query: dict[str, Any]
) -> None:
    response: httpx.Response = service.client.get(f"/api/v1/{path}", params=query)
    assert response.status_code in (400, 404)
    assert response.json()["detail"]


def test_a_metrics_usual_week(service: Service) -> None:
    (found,) = service.get("search", q="latency host=a")["metrics"]
    answer = service.get(f"metrics/{found['uid']}/profile", weeks=1)
    assert (answer["timezone"], answer["weeks"], answer["samples"]) == ("UTC", 1, len(VALUES))
    hours: dict[tuple[int, int], list[float]] = {}
    for i, value in enumerate(VALUES):
        when = dt.datetime.fromtimestamp(BEGAN + STEP * i, dt.UTC)
        hours.setdefault((when.weekday(), when.hour), []).append(value)
    told = {
        (one["weekday"], one["hour"]): (one["median"], one["samples"]) for one in answer["hours"]
    }
    assert told == {at: (statistics.median(all_), len(all_)) for at, all_ in hours.items()}
    assert all(one["low"] <= one["median"] <= one["high"] for one in answer["hours"])


def test_groups_rank_by_their_events(service: Service) -> None:
    # Some minutes ago, when nothing else was: an incident of its own.
    service.post(recent("ranked.one", calm_then_spike(600, 5, seed=3), host="worst"))
    service.post(recent("ranked.two", VALUES[:300], host="worst"))
    uid = service.get("search", q="ranked.one")["metrics"][0]["uid"]
    highest = max(e["anomaly_score"] for e in service.get("events", metric=uid)["events"])
    groups = service.get("groups", rank="best")["groups"]
    assert [one["best"] for one in groups] == sorted((one["best"] for one in groups), reverse=True)
    (mine,) = [one for one in groups if one["group"] == "host=worst"]
    assert mine["metrics"] == 2
    assert mine["best"] == pytest.approx(10 * highest, abs=1e-3)
    assert mine["day"] >= mine["best"]
    assert len(service.get("groups", limit=1)["groups"]) == 1
    assert eventually(lambda: open_incidents(service, "host=worst"))
    (mine,) = [g for g in service.get("groups")["groups"] if g["group"] == "host=worst"]
    assert mine["open_incidents"] == len(open_incidents(service, "host=worst"))


def open_incidents(service: Service, group: str) -> list[Any]:
    found: list[Any] = service.get("incidents", group=group, state="unresolved")["incidents"]
    return found
