"""JSON to an address of one's own, signed as the Standard Webhooks specification says.

Headers: ``webhook-id`` (the same at every try: drop what you had), ``webhook-timestamp`` (seconds
since 1970, of this try) and, with a secret, ``webhook-signature``: ``v1,`` and the base64 of
HMAC-SHA256 over ``id.timestamp.body``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tocsin.alert.channels.posting import Poster, place_of
from tocsin.alert.message import Message
from tocsin.channels import Webhook, secret
from tocsin.samples import iso

__all__ = ["WebhookReceiver", "payload", "signature"]


class WebhookReceiver:
    """Posts each message once; anything but 2xx is tried again."""

    newest_only = False
    keep_s: float | None = None

    def __init__(
        self,
        channel: Webhook,
        environment: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Errors: `ConfigurationError`."""
        self._url = secret(channel, "url", environment) or ""
        key = secret(channel, "secret", environment)
        self._key = None if key is None else _key(key)
        self._picture = channel.picture
        self._clock = clock
        token = secret(channel, "token", environment)
        self._poster = Poster(channel.timeout_s, token, (self._url, key))
        self.place = place_of(self._url)

    def send(self, message: Message) -> None:
        """As `Receiver`."""
        body = json.dumps(payload(message, self._picture)).encode()
        at = str(int(self._clock()))
        headers = {"webhook-id": message.id, "webhook-timestamp": at}
        if self._key is not None:
            headers["webhook-signature"] = signature(self._key, message.id, at, body)
        self._poster.post(self._url, body, headers)

    def keep(self, firing: Sequence[Message]) -> None:
        """There is nothing to keep."""

    def close(self) -> None:
        """As `Receiver`."""
        self._poster.close()


def payload(message: Message, picture: bool) -> dict[str, Any]:
    """The body: times as ISO 8601 in UTC, a picture as base64."""
    incident = dict(message.incident)
    for name in ("opened", "updated", "resolved"):
        incident[name] = None if incident[name] is None else iso(incident[name])
    drawn = message.picture() if picture else None
    return {
        "id": message.id,
        "type": f"incident.{message.change}",
        "timestamp": iso(message.at),
        "title": message.title,
        "body": message.body,
        "incident": incident,
        "link": message.link,
        "picture_link": message.picture_link,
        "picture_png": None if drawn is None else base64.b64encode(drawn).decode(),
    }


def signature(key: bytes, uid: str, at: str, body: bytes) -> str:
    """What the header ``webhook-signature`` says; ``at``: seconds since 1970."""
    signed = hmac.new(key, b".".join((uid.encode(), at.encode(), body)), hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"


def _key(told: str) -> bytes:
    if told.startswith("whsec_"):
        return base64.b64decode(told.removeprefix("whsec_"))
    return told.encode()
