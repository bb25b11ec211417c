"""What may be asked of a metric, of a real service."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.running import Service, running
from tests.signals import START, as_samples, assert_same_bits, calm_then_spike
from tocsin.samples import SECOND_NS, iso

VALUES = calm_then_spike(700, 60)
CONFIG = """
max_body_bytes = 15_000

[[watch]]
match = "quiet.*"
monitor = false

[[watch]]
match = "few.*"
most = 1
likelihood = "gaussian"
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("control")
    config = folder / "tocsin.toml"
    config.write_text(CONFIG)
    with running(folder / "data", "--config", str(config)) as service:
        yield service


def send(service: Service, name: str, first: int, last: int, **labels: str) -> None:
    for start in range(first, last, 100):
        end = min(start + 100, last)
        service.post(as_samples(name, VALUES[start:end], start, **labels))


def ask(service: Service, method: str, path: str, status: int = 200, **more: Any) -> httpx.Response:
    response = service.client.request(method, f"/api/v1/{path}", **more)
    assert response.status_code == status, response.text
    return response


def metric(service: Service, name: str) -> dict[str, Any]:
    found: dict[str, Any] = service.get(f"metrics/{service.uid(name)}")
    return found


def do(service: Service, name: str, action: str, status: int = 200, **query: Any) -> Any:
    path = f"metrics/{service.uid(name)}/{action}"
    return ask(service, "POST", path, status, params=query).json()


def test_pause_and_resume(service: Service) -> None:
    send(service, "pause", 0, 300)
    paused = do(service, "pause", "pause")
    assert (paused["status"], paused["reason"], paused["deadline"]) == ("paused", "asked", None)
    send(service, "pause", 300, 310)
    assert metric(service, "pause")["status"] == "paused"
    assert service.samples("pause")[-1]["event"] is None
    resumed = do(service, "pause", "resume")
    assert (resumed["status"], resumed["lag"]) == ("active", 0)
    send(service, "pause", 310, 311)
    scored = service.samples("pause")[-1]
    # It was not silent meanwhile.
    assert scored["event"] == ""
    assert scored["likelihood"] is not None
    until = do(service, "pause", "pause", until="2100-01-01T00:00:00Z")
    assert until["deadline"] == "2100-01-01T00:00:00Z"
    assert "until" in do(service, "pause", "pause", status=400, until="soon")["detail"]


def test_what_cannot_be_is_refused(service: Service) -> None:
    send(service, "quiet.one", 0, 3)
    quiet = metric(service, "quiet.one")
    assert (quiet["status"], quiet["reason"], quiet["model"]) == ("unmonitored", "rule", None)
    told = do(service, "quiet.one", "resume", status=409)
    assert told["detail"] == (
        "cannot resume a metric that is unmonitored: it is not monitored: monitor it first"
    )
    for action in ("pause", "resume", "monitor", "unmonitor", "reset"):
        ask(service, "POST", f"metrics/nobody/{action}", 404)
    ask(service, "DELETE", "metrics/nobody", 404)
    ask(service, "GET", "metrics/nobody/export", 404)
    ask(service, "GET", "metrics/nobody/settings", 404)
    ask(service, "PATCH", "metrics/nobody/settings", 404, json={})
    ask(service, "POST", "metrics/nobody/clone", 404, json={"name": "x"})
    assert do(service, "quiet.one", "monitor")["status"] == "warming_up"
    assert do(service, "quiet.one", "unmonitor")["reason"] == "asked"


def test_rules_limit_how_many(service: Service) -> None:
    for name in ("few.a", "few.b"):
        send(service, name, 0, 3)
    assert metric(service, "few.a")["likelihood"] == "gaussian"
    full = metric(service, "few.b")
    assert (full["reason"], full["detail"]) == ("rule_full", "watch rule 2 monitors at most 1")


def test_reset(service: Service) -> None:
    send(service, "again", 0, 703)
    assert service.get("events", metric="again")["events"][0]["open"]
    fresh = do(service, "again", "reset")
    assert (fresh["status"], fresh["readiness"]["seen"]) == ("warming_up", 0)
    assert not any(e["open"] for e in service.get("events", metric="again")["events"])
    send(service, "again", 703, 710)
    assert metric(service, "again")["readiness"]["seen"] == 7


def test_settings_of_one_metric(service: Service) -> None:
    send(service, "own", 0, 300)
    path = f"metrics/{service.uid('own')}/settings"
    assert service.get(path)["own"] == {}
    told = ask(service, "PATCH", path, json={"likelihood": "gaussian"}).json()
    assert told["own"] == {"likelihood": "gaussian"}
    assert told["settings"]["likelihood"] == "gaussian"
    assert metric(service, "own")["likelihood"] == "gaussian"
    for wrong, said in (
        ({"timezone": "Mars"}, "timezone = 'Mars'"),
        ({"timezone": 5}, "timezone = 5: must be a text"),
        ({"likelyhood": "x"}, "did you mean 'likelihood'"),
        ({"model": "os.system"}, "allow_models"),
        ({"monitor": True}, "monitor"),
    ):
        assert said in ask(service, "PATCH", path, 400, json=wrong).json()["detail"]
    ask(service, "PATCH", path, 400, json=[1])
    assert service.get(path) == told
    assert ask(service, "PATCH", path, json={"likelihood": None}).json()["own"] == {}


def test_delete_and_make_again(service: Service) -> None:
    send(service, "gone", 0, 705, host="a")
    old = service.uid("gone")
    note = ask(
        service, "POST", f"metrics/{old}/annotations", 201, json={"start": START, "end": START}
    ).json()
    ask(service, "DELETE", f"metrics/{old}", 204)
    for path in (f"metrics/{old}", f"metrics/{old}/samples"):
        ask(service, "GET", path, 404)
    ask(service, "DELETE", f"metrics/{old}", 404)
    assert service.get("events", metric="gone")["events"] == []
    assert service.get("metrics", match="gone")["metrics"] == []
    send(service, "gone", 0, 5, host="a")
    new = metric(service, "gone")
    assert (new["generation"], new["samples"]) == (2, 5)
    assert new["uid"] != old
    assert [sample["seq"] for sample in service.samples("gone")] == [1, 2, 3, 4, 5]
    for _ in range(500):
        changed = service.client.patch(f"/api/v1/annotations/{note['id']}", json={"text": "x"})
        if changed.status_code == 404:
            break
    assert changed.status_code == 404


def exported(service: Service, name: str) -> bytes:
    response = ask(service, "GET", f"metrics/{service.uid(name)}/export")
    assert response.headers["content-type"] == "application/zip"
    assert int(response.headers["content-length"]) == len(response.content)
    return response.content


def test_clone(service: Service) -> None:
    send(service, "original", 0, 703)
    path = f"metrics/{service.uid('original')}/clone"
    made = ask(service, "POST", path, 201, json={"name": "copy", "labels": {"of": "x"}}).json()
    assert (made["labels"], made["status"], made["samples"]) == ({"of": "x"}, "active", 703)
    told = ask(service, "POST", path, 409, json={"name": "copy", "labels": {"of": "x"}}).json()
    assert 'there is a metric copy{of="x"} already' in told["detail"]
    ask(service, "POST", path, 400, json={"name": " "})
    ask(service, "POST", path, 400, json={"name": "a\u0000b"})
    send(service, "original", 703, 765)
    send(service, "copy", 703, 765, of="x")
    assert_same_bits(service.samples("copy"), VALUES)
    assert_same_bits(service.samples("original"), VALUES)
    events = [service.get("events", metric=name)["events"] for name in ("copy", "original")]
    same = ("start", "peak", "end", "open", "value", "anomaly_score", "samples")
    assert [event[key] for event in events[0] for key in same] == [
        event[key] for event in events[1] for key in same
    ]


def test_export_and_import_elsewhere(service: Service, tmp_path: Path) -> None:
    send(service, "moves", 0, 500)
    note = {"start": START, "end": START + 60, "kind": "known_change", "text": "ümzug"}
    ask(service, "POST", f"metrics/{service.uid('moves')}/annotations", 201, json=note)
    archive = exported(service, "moves")
    # An archive may be larger than other requests may be.
    assert len(archive) > 15_000
    config = tmp_path / "tocsin.toml"
    config.write_text("max_body_bytes = 15_000")
    with running(tmp_path / "data", "--config", str(config)) as other:
        made = ask(other, "POST", "metrics/import", 201, content=archive).json()
        assert (made["name"], made["samples"], made["generation"]) == ("moves", 500, 1)
        ask(other, "POST", "metrics/import", 409, content=archive)
        renamed = ask(
            other, "POST", "metrics/import", 201, content=archive, params={"as": 'b{x="y"}'}
        ).json()
        assert (renamed["name"], renamed["labels"]) == ("b", {"x": "y"})
        (said,) = other.get(f"metrics/{made['uid']}/annotations")["annotations"]
        assert (said["text"], said["kind"]) == ("ümzug", "known_change")
        send(other, "moves", 500, 600)
        other.kill()
    with running(tmp_path / "data") as other:
        send(other, "moves", 600, 765)
        send(other, "b", 500, 765, x="y")
        assert_same_bits(other.samples("moves"), VALUES)
        assert_same_bits(other.samples("b"), VALUES)


def test_archives_that_cannot_be_used(service: Service) -> None:
    send(service, "good", 0, 10)
    archive = exported(service, "good")

    def newer(manifest: dict[str, Any]) -> None:
        manifest["version"] = 99

    def unknown(manifest: dict[str, Any]) -> None:
        manifest["settings"]["likelihood"] = "tea leaves"

    for content, said in (
        (b"", "cannot be read"),
        (b"hello", "cannot be read"),
        (edited(archive, newer), "newer than this tocsin knows"),
        (edited(archive, unknown), "tea leaves"),
    ):
        told = ask(service, "POST", "metrics/import?as=new", 400, content=content).json()
        assert said in told["detail"]
    assert service.get("metrics", match="new")["metrics"] == []
    ask(service, "POST", "metrics/import?as=new", 201, content=archive)


def edited(archive: bytes, edit: Any) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "manifest.json":
                manifest = json.loads(content)
                edit(manifest)
                content = json.dumps(manifest).encode()
            new.writestr(name, content)
    return target.getvalue()


def test_annotations(service: Service) -> None:
    send(service, "noted", 0, 3)
    path = f"metrics/{service.uid('noted')}/annotations"
    first = ask(service, "POST", path, 201, json={"start": START, "end": START + 60}).json()
    assert (first["kind"], first["text"], first["event"]) == ("note", "", None)
    second = {"start": "2030-01-01T00:00:00Z", "end": "2030-01-02T00:00:00+01:00"}
    second |= {"kind": "anomaly", "text": "a\nb", "author": "me"}
    made = ask(service, "POST", path, 201, json=second).json()
    assert (made["start"], made["end"]) == ("2030-01-01T00:00:00Z", "2030-01-01T23:00:00Z")
    page = service.get(path, limit=1)
    assert [note["id"] for note in page["annotations"]] == [first["id"]]
    rest = service.get(path, limit=1, cursor=page["cursor"])
    assert (rest["annotations"], rest["cursor"]) == ([made], None)
    assert service.get(path, start="2029-01-01T00:00:00Z")["annotations"] == [made]
    one = f"annotations/{made['id']}"
    changed = ask(service, "PATCH", one, json={"kind": "not_anomaly"}).json()
    assert changed == made | {"kind": "not_anomaly"}
    ask(service, "DELETE", one, 204)
    ask(service, "DELETE", one, 404)
    ask(service, "PATCH", one, 404, json={"text": "x"})
    ask(service, "PATCH", f"annotations/{2**70}", 404, json={"text": "x"})
    ask(service, "DELETE", f"annotations/{2**70}", 404)


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": 5, "end": 4},
        {"start": "soon", "end": 5},
        {"start": START},
        {"start": START, "end": START, "kind": "poem"},
        {"start": START, "end": START, "text": "a\u0000"},
        {"start": START, "end": START, "event": 2**70},
        {"start": 1e300, "end": 1e300},
        {"start": START, "end": START, "colour": "red"},
    ],
)
def test_annotations_that_cannot_be(service: Service, wrong: dict[str, Any]) -> None:
    send(service, "plain", 0, 1)
    path = f"metrics/{service.uid('plain')}/annotations"
    ask(service, "POST", path, 400, json=wrong)
    assert service.get(path)["annotations"] == []


def test_what_was_asked_for_outlives_a_kill(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        for name in ("a", "b", "c", "d"):
            send(service, name, 0, 400)
        do(service, "a", "pause")
        do(service, "b", "unmonitor")
        do(service, "c", "reset")
        ask(service, "DELETE", f"metrics/{service.uid('d')}", 204)
        service.kill()
    with running(tmp_path) as service:
        found = {m["name"]: m["status"] for m in service.get("metrics")["metrics"]}
        assert found == {"a": "paused", "b": "unmonitored", "c": "warming_up"}
        do(service, "a", "resume")
        send(service, "a", 400, 765)
        assert_same_bits(service.samples("a"), VALUES)
        send(service, "c", 400, 450)
        assert metric(service, "c")["readiness"]["seen"] == 50
        send(service, "d", 0, 1)
        assert metric(service, "d")["generation"] == 2


def test_marks(service: Service) -> None:
    """Three spikes; the first is marked no anomaly, and what that would have done is said."""
    values = 50 + np.random.default_rng(1).normal(size=2_400)
    values[[700, 1_500, 2_300]] = [80.0, 82.0, 84.0]
    first = 1_600_000_000
    rows = [
        {"metric": "marked", "timestamp": first + 300 * i, "value": float(value)}
        for i, value in enumerate(values)
    ]

    def store(rows: list[dict[str, Any]]) -> None:
        for start in range(0, len(rows), 100):
            service.post(rows[start : start + 100])

    store(rows[:2_000])
    uid = service.uid("marked")
    events = service.get("events", metric="marked")["events"]
    event = next(e for e in events if e["start"] == iso((first + 300 * 700) * SECOND_NS))
    assert event["pattern"] == "spike"
    assert "higher than expected" in event["why"]
    path = f"metrics/{uid}/marks"
    said = {"kind": "not_anomaly", "event": event["id"], "text": "a backup"}
    dry = ask(service, "POST", f"{path}?dry_run=true", 201, json=said).json()
    assert (dry["days"], dry["would_change"], dry["mark"]) == (30, len(dry["events"]), None)
    changed = [told["start"] for told in dry["events"]]
    assert changed == sorted(changed, reverse=True)
    assert {iso((first + 300 * at) * SECOND_NS) for at in (700, 1_500)} <= set(changed)
    assert dry["alarms"] >= dry["would_change"]
    assert service.get(path) == {"marks": []}
    made = ask(service, "POST", path, 201, json=said).json()
    assert made["rule"] == made["mark"]["rule"]
    assert made["rule"].startswith("not alarmed: spike above what is expected by at most 3")
    assert service.get(path) == {"marks": [made["mark"]]}
    (note,) = service.get(f"metrics/{uid}/annotations")["annotations"]
    assert (note["acts"], note["id"], note["text"]) == (True, made["mark"]["id"], "a backup")
    store(rows[2_000:])
    newest = service.get("events", metric="marked", limit=1)["events"][0]
    assert "marked not an anomaly" in newest["muted"]
    number = made["mark"]["id"]
    ask(service, "PATCH", f"annotations/{number}", 409, json={"kind": "anomaly"})
    ask(service, "DELETE", f"marks/{number}", 204)
    ask(service, "DELETE", f"marks/{number}", 404)
    ask(service, "DELETE", f"annotations/{number}", 404)
    assert service.get(path) == {"marks": []}
    assert service.get(f"metrics/{uid}/annotations")["annotations"] == []
    ask(service, "POST", path, 400, json={"kind": "anomaly"})
    ask(service, "POST", path, 400, json={"kind": "anomaly", "event": 2**60})
    ask(service, "POST", path, 400, json={"kind": "anomaly", "start": 5, "end": 6})
    ask(service, "POST", "metrics/nobody/marks", 404, json=said)
