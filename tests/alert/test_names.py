"""Names and labels that mean harm, in everything that goes out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests

from tests.alert.queueing import NOW, an_incident, messages, tell
from tests.alert.receivers import hook
from tests.alert.test_apprise import a_channel as a_mail_channel
from tests.alert.test_apprise import mail_server
from tests.alert.test_delivering import a_channel, delivering, until
from tocsin.alert.channels.alertmanager import alerts
from tocsin.alert.channels.apprise import AppriseReceiver
from tocsin.alert.message import no_picture, words
from tocsin.channels import Alertmanager, Apprise, Channel, Webhook
from tocsin.store.database import claim

EVIL = (
    "<img src=x onerror=alert(1)> \x1b[2J \u202egnp.exe \x85 @everyone [go](https://evil.example)"
)
UNSEEN = ("\x1b", "\u202e", "\x85", "\x00", "\n")


def evil_row(**told: Any) -> dict[str, Any]:
    incident = an_incident(title=EVIL, group=f"host={EVIL}", why=EVIL) | told
    then = {**incident, "first_metric": EVIL}
    return {"uid": "msg_1", "change": "opened", "created": NOW, "incident_then": json.dumps(then)}


def a_kind(kind: type[Any], **told: Any) -> Channel:
    made: Channel = msgspec.convert(
        {"kind": kind.__struct_config__.tag, "name": "ops", "url": "http://x/"} | told, kind
    )
    return made


def test_a_message_is_one_line_and_shows_what_is_not_seen() -> None:
    message = words(a_kind(Webhook), evil_row(), "", no_picture)
    for hidden in UNSEEN:
        assert hidden not in message.title
    assert r"\x1b[2J" in message.title
    assert r"\u202egnp.exe" in message.title
    assert r"\x85" in message.body


def test_alertmanager_gets_labels_without_tricks() -> None:
    message = words(a_kind(Alertmanager), evil_row(), "", no_picture)
    for alert in alerts(message, {"team": "db"}, NOW, 1):
        told = alert["labels"]
        assert not any(hidden in text for hidden in UNSEEN for text in told.values())
        assert told["alertname"] == "TocsinIncident"
    # Labels of a metric are not taken for ours.
    mine = words(a_kind(Alertmanager), evil_row(group="severity=none"), "", no_picture)
    assert alerts(mine, {}, NOW, 1)[0]["labels"]["severity"] == "warning"
    other = words(a_kind(Alertmanager), evil_row(group="alertname=Watchdog"), "", no_picture)
    assert alerts(other, {}, NOW, 1)[0]["labels"]["alertname"] == "TocsinIncident"


def test_a_webhook_gets_json_whatever_the_name(tmp_path: Path) -> None:
    with hook() as receiver, claim(f"sqlite:///{tmp_path / 't.db'}") as database:
        with delivering(database, a_channel(name="ops", url=receiver.url)) as running:
            tell(database, "opened", "ops", title=EVIL, group=EVIL)
            running.wake()
            until(lambda: [row["status"] for row in messages(database)] == ["sent"])
        (body,) = receiver.bodies
    # Programs get what it is; people get it written out.
    assert body["incident"]["title"] == EVIL
    assert not any(hidden in body["title"] for hidden in UNSEEN)


def test_a_mail_shows_markup_as_text(tmp_path: Path) -> None:
    with mail_server() as sink:
        channel = a_mail_channel(sink.port)
        AppriseReceiver(channel, {}).send(words(channel, evil_row(), "", no_picture))
        (mail,) = sink.mails
    parts = [part for part in mail.walk() if part.get_content_maintype() == "text"]
    assert parts
    for part in parts:
        text = part.get_content()
        if part.get_content_subtype() == "html":
            assert "<img" not in text
            assert "&lt;img" in text
        assert not any(hidden in text for hidden in ("\x1b", "\u202e"))
    assert "\n" not in mail["subject"]
    assert "bcc" not in mail


@pytest.mark.parametrize(
    "url",
    [
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general",
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
        "mmost://localhost/3ccdd113474722377935511fc85d3dd4",
    ],
)
def test_a_chat_calls_nobody_and_leads_nowhere(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    def post(_where: str, data: Any = None, **more: Any) -> Any:
        sent.append(json.dumps(json.loads(data) if data else more.get("json"), ensure_ascii=False))
        answer = requests.Response()
        answer.status_code, answer._content = 200, b"ok"
        return answer

    monkeypatch.setattr("requests.post", post)
    monkeypatch.setattr("requests.request", lambda _method, where, **more: post(where, **more))
    monkeypatch.setattr("requests.Session.post", lambda _self, where, **more: post(where, **more))
    channel = msgspec.convert({"kind": "apprise", "name": "ops", "url": url}, Apprise)
    row = evil_row(title="<!channel> @everyone @here [go](https://evil.example)")
    AppriseReceiver(channel, {}).send(words(channel, row, "https://tocsin.example", no_picture))
    (told,) = sent
    for calling in ("<!channel>", "@everyone", "@here", "](", "https://evil"):
        assert calling not in told, calling
    assert "https://tocsin.example/incidents/1" in told.replace("\\/", "/")


def test_logs_show_what_is_not_seen() -> None:
    program = (
        "import structlog; from tocsin.api.logs import set_up_logs; set_up_logs('info');"
        "structlog.get_logger('t').warning('said', name='a\\x1b[2J\\u202eb', where='x\\ny')"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stderr
    assert told.count("\n") == 1
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "said" in told
