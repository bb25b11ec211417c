from __future__ import annotations

import base64
import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from tests.alert.queueing import NOW, an_incident
from tests.alert.receivers import hook
from tocsin.alert.channels.webhook import WebhookReceiver, signature
from tocsin.alert.message import Message
from tocsin.channels import Webhook
from tocsin.errors import MessageRefusedError, ReceiverError

KEY = base64.b64encode(b"0123456789abcdef").decode()


def a_message(**told: Any) -> Message:
    mine: dict[str, Any] = {
        "id": "msg_1",
        "change": "opened",
        "incident": an_incident(),
        "at": NOW,
        "title": "a title",
        "body": "a body",
        "picture": lambda: b"\x89PNG",
    }
    return Message(**(mine | told))


def a_receiver(**told: Any) -> WebhookReceiver:
    environment = {"KEY": f"whsec_{KEY}"}
    return WebhookReceiver(
        msgspec.convert({"kind": "webhook", "name": "ops"} | told, Webhook), environment
    )


def test_the_signature_is_what_standard_webhooks_wants() -> None:
    with hook() as receiver:
        a_receiver(url=receiver.url, secret_env="KEY").send(a_message())
        ((headers, body),) = receiver.taken
    told = Verifier(f"whsec_{KEY}").verify(body, headers)
    assert told["type"] == "incident.opened"
    assert told["incident"]["opened"] == "2026-09-21T14:08:20Z"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    with pytest.raises(WebhookVerificationError):
        Verifier(f"whsec_{KEY}").verify(body.replace(b"cpu", b"gpu"), headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(base64.b64encode(b"another").decode()).verify(body, headers)


@given(st.binary(min_size=1, max_size=64), st.text("abc_123", min_size=1), st.binary())
def test_any_key_and_body_agree_with_somebody_elses_signature(
    key: bytes, uid: str, body: bytes
) -> None:
    text = base64.b64encode(body).decode()
    at = str(int(time.time()))
    headers = {
        "webhook-id": uid,
        "webhook-timestamp": at,
        "webhook-signature": signature(key, uid, at, text.encode()),
    }
    Verifier(key).verify(text, headers, json_parse=False)


def test_without_a_secret_nothing_is_signed() -> None:
    with hook() as receiver:
        a_receiver(url=receiver.url, token="t0ken").send(a_message())
        ((headers, _),) = receiver.taken
    assert "webhook-signature" not in headers
    assert headers["authorization"] == "Bearer t0ken"


def test_a_picture_goes_along_where_it_is_wanted() -> None:
    with hook() as receiver:
        a_receiver(url=receiver.url).send(a_message())
        a_receiver(url=receiver.url, picture=True).send(a_message())
        without, with_ = (json.loads(body) for _, body in receiver.taken)
    assert without["picture_png"] is None
    assert base64.b64decode(with_["picture_png"]) == b"\x89PNG"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, MessageRefusedError), (302, MessageRefusedError), (429, ReceiverError)],
)
def test_answers_that_are_not_good(status: int, kind: type[Exception]) -> None:
    with hook() as receiver:
        receiver.plan = [status]
        with pytest.raises(ReceiverError, match=f"answered {status}") as told:
            a_receiver(url=receiver.url).send(a_message())
    assert type(told.value) is kind


def test_no_error_shows_a_secret() -> None:
    channel = a_receiver(url="http://user:passw0rd@localhost:1/s3cretpath", token="t0ken-123")
    with pytest.raises(ReceiverError) as told:
        channel.send(a_message())
    for hidden in ("passw0rd", "s3cretpath", "t0ken-123"):
        assert hidden not in str(told.value)
        assert hidden not in channel.place
