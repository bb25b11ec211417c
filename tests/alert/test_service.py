"""A real service, killed while it delivers; and the command that tries a channel out."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.alert.queueing import tell
from tests.alert.receivers import HANG, STUCK, hook
from tests.alert.test_delivering import until
from tests.running import Service, run, running
from tocsin.store.database import open_database


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def configured(folder: Path, url: str, *more: str) -> str:
    lines = ["[[channel]]", 'kind = "webhook"', 'name = "ops"', f'url = "{url}"', *more]
    (folder / "tocsin.toml").write_text("\n".join(lines))
    return str(folder / "tocsin.toml")


def tell_all(data: Path, count: int) -> list[str]:
    """Queue this many incidents; returns their titles."""
    database = open_database(f"sqlite:///{data / 'tocsin.db'}")
    told = [tell(database, "opened", "ops", number=n)["title"] for n in range(1, count + 1)]
    database.dispose()
    return told


def sent(service: Service) -> int:
    return len(service.get("notifications", status="sent")["notifications"])


def test_killed_while_delivering_nothing_is_lost_and_repeats_have_the_same_id(
    data: Path,
) -> None:
    with hook() as receiver:
        config = configured(data, receiver.url, "timeout_s = 60")
        # The second is taken, and tocsin killed before it hears of it; then the fourth is not
        # taken when it is killed once more.
        receiver.plan = [200, STUCK, 200, 200, HANG]
        titles = tell_all(data, 5)
        with running(data, "--config", config) as service:
            until(lambda: len(receiver.taken) == 2)
            service.kill()
        with running(data, "--config", config) as service:
            until(lambda: receiver.tries == 5)
            service.kill()
        with running(data, "--config", config) as service:
            until(lambda: sent(service) == 5)
            told = service.get("channels")["channels"]
            code, _, err = service.stop(signal.SIGTERM)
        assert (code, err) == (0, "")
        incidents = [body["incident"]["title"] for body in receiver.bodies]
        assert incidents == [titles[0], titles[1], titles[1], *titles[2:]]
        assert len(set(receiver.ids)) == 5
        assert receiver.ids[1] == receiver.ids[2]
        assert [(c["name"], c["kind"], c["pending"], c["dead"]) for c in told] == [
            ("ops", "webhook", 0, 0)
        ]
        assert told[0]["place"] == f"http://127.0.0.1:{receiver.port}"
        assert told[0]["last_error"] is None


def test_dead_letters_are_shown_and_tried_again_when_asked(data: Path) -> None:
    with hook() as receiver:
        config = configured(data, receiver.url)
        tell_all(data, 1)
        with running(data) as service:  # a start that has no such channel
            (dead,) = service.get("notifications", status="dead")["notifications"]
            assert dead["error"] == "there is no channel of this name any more"
            (message,) = service.get(f"incidents/{dead['incident']}")["messages"]
            assert message == {
                **{key: dead[key] for key in ("channel", "change", "error")},
                "status": "dead",
                "at": dead["created"],
            }
        with running(data, "--config", config) as service:
            assert service.get("channels")["channels"][0]["dead"] == 1
            path = f"/api/v1/notifications/{dead['id']}/retry"
            assert service.client.post(path).json()["status"] == "pending"
            until(lambda: sent(service) == 1)
            assert receiver.ids == [dead["uid"]]
            (message,) = service.get(f"incidents/{dead['incident']}")["messages"]
            assert (message["status"], message["error"]) == ("sent", None)
            assert message["at"] > dead["created"]
            assert service.client.post(path).status_code == 409
            assert service.client.post("/api/v1/notifications/99/retry").status_code == 404


def test_a_channel_is_tried_out_by_the_interface(data: Path) -> None:
    with hook() as receiver, running(data, "--config", configured(data, receiver.url)) as service:
        ask = "/api/v1/channels/{}/test"
        assert service.client.post(ask.format("ops")).json()["ok"] is True
        receiver.plan = [500]
        told = service.client.post(ask.format("ops")).json()
        assert told == {"ok": False, "detail": "answered 500 ok"}
        assert service.client.post(ask.format("nobody")).status_code == 404
        assert [body["type"] for body in receiver.bodies] == ["incident.test"]
        assert service.get("notifications")["notifications"] == []


def test_a_channel_is_tried_out_by_the_command(tmp_path: Path) -> None:
    with hook() as receiver:
        configured(tmp_path, receiver.url)
        done = run("notify", "test", "ops", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "ops: the receiver has taken the test message\n"
        receiver.plan = [404]
        done = run("notify", "test", "ops", "--config", "tocsin.toml", cwd=tmp_path)
        assert done.returncode == 1
        assert done.stdout == "ops: not taken: answered 404 ok\n"
        done = run("notify", "test", "opps", cwd=tmp_path)
        assert done.returncode == 2
        assert "there is no channel 'opps' (there are: ops)" in done.stderr


def test_a_channel_that_cannot_be_is_said_at_the_start(tmp_path: Path) -> None:
    config = configured(tmp_path, "https://example.org/", 'title = "{titel}"')
    done = run("up", "--config", config, cwd=tmp_path)
    assert done.returncode == 2
    assert "channel 'ops': title: unknown field {titel}" in done.stderr
