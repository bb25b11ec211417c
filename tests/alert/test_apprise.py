from __future__ import annotations

import asyncio
import email
import email.policy
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiosmtpd.controller import Controller

from tests.alert.queueing import messages, tell
from tests.alert.test_delivering import delivering, until
from tests.alert.test_webhook import a_message
from tocsin.alert.channels.apprise import AppriseReceiver
from tocsin.channels import Apprise
from tocsin.errors import ConfigurationError, ReceiverError
from tocsin.store.database import claim


class Sink:
    """A mail server: what it got, and what it answers to the next mails."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.plan: list[str] = []
        self.port = 0

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        answer = self.plan.pop(0) if self.plan else "250 taken"
        if answer.startswith("250"):
            mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
        await asyncio.sleep(0)
        return answer


@contextmanager
def mail_server() -> Iterator[Sink]:
    sink = Sink()
    with socket.create_server(("127.0.0.1", 0)) as free:
        sink.port = free.getsockname()[1]
    controller = Controller(sink, hostname="127.0.0.1", port=sink.port)
    controller.start()
    try:
        yield sink
    finally:
        controller.stop()


def a_channel(port: int, **told: Any) -> Apprise:
    url = f"mailto://127.0.0.1:{port}?from=tocsin@example.org&to=ops@example.org&mode=insecure"
    return msgspec.convert({"kind": "apprise", "name": "mail", "url": url} | told, Apprise)


def test_a_mail_with_words_and_a_picture(tmp_path: Path) -> None:
    with mail_server() as sink:
        receiver = AppriseReceiver(a_channel(sink.port, picture=True), {})
        receiver.send(a_message(title="[critical] cpu <b>", body="why: é\n\nsecond line"))
        (mail,) = sink.mails
    assert mail["subject"] == "[critical] cpu <b>"
    assert "ops@example.org" in mail["to"]
    assert mail["x-tocsin-id"] == "msg_1"
    text = mail.get_body(("plain", "html"))
    assert text is not None
    assert "why: é" in text.get_content()
    assert "second line" in text.get_content()
    (picture,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert picture.get_payload(decode=True) == b"\x89PNG"


def test_mails_that_are_not_taken_come_again_with_the_same_id(tmp_path: Path) -> None:
    with mail_server() as sink, claim(f"sqlite:///{tmp_path / 't.db'}") as database:
        sink.plan = ["451 later", "451 later"]
        with delivering(database, a_channel(sink.port)) as running:
            tell(database, "opened", "mail")
            tell(database, "resolved", "mail", revision=2)
            running.wake()
            until(lambda: [row["status"] for row in messages(database)] == ["sent", "sent"])
        subjects = [mail["subject"].partition(":")[0] for mail in sink.mails]
        assert subjects == ["[warning] opened", "[warning] resolved"]
        uids = [row["uid"] for row in messages(database)]
        assert [mail["x-tocsin-id"] for mail in sink.mails] == uids
        assert [row["attempts"] for row in messages(database)] == [3, 1]


def test_a_server_that_is_not_there_is_an_error_without_secrets() -> None:
    url = "mailto://ops:passw0rd@127.0.0.1:1?from=a@example.org&to=b@example.org&mode=insecure"
    channel = msgspec.convert({"kind": "apprise", "name": "mail", "url": url}, Apprise)
    receiver = AppriseReceiver(channel, {})
    with pytest.raises(ReceiverError) as told:
        receiver.send(a_message())
    assert "passw0rd" not in str(told.value)
    assert receiver.place == "mailto://…"


@pytest.mark.parametrize("url", ["nothing://s3cret", "mailto://", "tgram://s3cret"])
def test_addresses_that_apprise_does_not_know(url: str) -> None:
    channel = msgspec.convert({"kind": "apprise", "name": "chat", "url": url}, Apprise)
    with pytest.raises(ConfigurationError, match="channel 'chat': url: is no address") as told:
        AppriseReceiver(channel, {})
    assert "s3cret" not in str(told.value)
