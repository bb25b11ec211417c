from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import Engine

from tests.alert.queueing import NOW, an_incident, messages, tell
from tests.alert.test_delivering import delivering, until
from tocsin.alert.channels.alertmanager import AlertmanagerReceiver, alerts
from tocsin.alert.message import Message
from tocsin.channels import Alertmanager
from tocsin.samples import SECOND_NS
from tocsin.store.database import claim

CONFIG = """
route:
  receiver: nobody
receivers:
  - name: nobody
"""


def program() -> str:
    found = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if found is None:
        reason = "no Alertmanager here: apt-get install prometheus-alertmanager"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


class Running:
    """A real Alertmanager."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        if not port:
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
        (folder / "am.yml").write_text(CONFIG)
        self.port, self.url = port, f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [
                program(),
                f"--config.file={folder / 'am.yml'}",
                f"--storage.path={folder / 'am'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stderr=subprocess.DEVNULL,
        )
        until(self._ready)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def alerts(self) -> list[dict[str, Any]]:
        """What fires."""
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/api/v2/alerts").json()
        return found

    def firing(self) -> set[tuple[str, str]]:
        """Incident and severity of what fires."""
        return {(one["labels"]["incident"], one["labels"]["severity"]) for one in self.alerts()}

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def alertmanager(folder: Path, port: int = 0) -> Iterator[Running]:
    running = Running(folder, port)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    with claim(f"sqlite:///{tmp_path / 'tocsin.db'}") as engine:
        yield engine


def a_channel(url: str, **told: Any) -> Alertmanager:
    return msgspec.convert({"kind": "alertmanager", "name": "am", "url": url} | told, Alertmanager)


def all_sent(database: Engine) -> Callable[[], bool]:
    return lambda: {row["status"] for row in messages(database)} <= {"sent", "skipped"}


def test_an_incident_fires_gets_worse_and_is_over(tmp_path: Path, database: Engine) -> None:
    now = time.time_ns()
    about = {"opened": now - 60 * SECOND_NS, "updated": now}
    with alertmanager(tmp_path) as am:
        channel = a_channel(am.url, labels={"team": "db"})
        with delivering(database, channel, page="http://tocsin.example") as running:

            def told(change: Any, **columns: Any) -> None:
                tell(database, change, "am", now=time.time_ns(), **(about | columns))
                running.wake()
                until(all_sent(database))

            told("opened")
            (alert,) = am.alerts()
            assert alert["labels"] == {
                "alertname": "TocsinIncident",
                "group": "host=web-1",
                "host": "web-1",
                "incident": "1",
                "severity": "warning",
                "team": "db",
            }
            assert alert["generatorURL"] == "http://tocsin.example/incidents/1"
            assert alert["annotations"]["summary"] == "[warning] opened: cpu and 2 more on web-1"
            assert alert["annotations"]["message_id"] == messages(database)[0]["uid"]
            told("worsened", severity="critical", revision=2)
            until(lambda: am.firing() == {("1", "critical")})
            told("resolved", severity="critical", revision=3)
            until(lambda: am.firing() == set())


def test_what_fires_is_sent_again_so_that_it_does_not_end_by_itself(
    tmp_path: Path, database: Engine
) -> None:
    with alertmanager(tmp_path) as am:
        channel = a_channel(am.url, resend_s=2)
        with delivering(database, channel) as running:
            tell(database, "opened", "am")
            running.wake()
            until(lambda: am.firing() == {("1", "warning")})
            time.sleep(7)  # it ends after three times resend_s
            assert am.firing() == {("1", "warning")}
            # One that has forgotten everything is told within resend_s.
            am.stop()
            shutil.rmtree(tmp_path / "am", ignore_errors=True)
            with alertmanager(tmp_path, am.port) as another:
                until(lambda: another.firing() == {("1", "warning")})
    # So does another start of tocsin.
    with alertmanager(tmp_path, am.port) as am, delivering(database, channel):
        until(lambda: am.firing() == {("1", "warning")})
    # And when tocsin is gone, it is over.
    with alertmanager(tmp_path, am.port) as am:
        until(lambda: am.firing() == set())


def test_only_the_newest_of_each_incident_counts(tmp_path: Path, database: Engine) -> None:
    with alertmanager(tmp_path) as am:
        tell(database, "opened", "am", number=1)
        tell(database, "opened", "am", number=2)
        tell(database, "resolved", "am", number=1, revision=2)
        with delivering(database, a_channel(am.url)):
            until(all_sent(database))
            assert am.firing() == {("2", "warning")}
        assert [row["status"] for row in messages(database)] == ["skipped", "sent", "sent"]


def test_a_test_is_an_alert_of_its_own(tmp_path: Path) -> None:
    from tocsin.alert.trying import try_out

    with alertmanager(tmp_path) as am:
        assert try_out(a_channel(am.url)) is None
        assert [one["labels"]["alertname"] for one in am.alerts()] == ["TocsinTest"]
        assert "answered 404" in (try_out(a_channel(f"{am.url}/wrong")) or "")
    assert "refused" in (try_out(a_channel(am.url)) or "")


def test_an_alert_never_ends_before_it_starts() -> None:
    incident = an_incident(opened=NOW + 600 * SECOND_NS)
    message = Message("msg_1", "resolved", incident, NOW, "title", "body")
    for alert in alerts(message, {}, NOW, 180 * SECOND_NS):
        assert alert["startsAt"] <= alert["endsAt"]


def test_the_path_of_its_api_may_be_given_too() -> None:
    for url in ("http://h/am", "http://h/am/", "http://h/am/api/v2/alerts"):
        assert AlertmanagerReceiver(a_channel(url), {})._url == "http://h/am/api/v2/alerts"
