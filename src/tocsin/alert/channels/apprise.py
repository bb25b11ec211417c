"""Chat, mail, SMS, push: more than a hundred services through Apprise."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any, Final
from urllib.parse import quote, urlsplit

from tocsin.alert.message import Message
from tocsin.channels import Apprise, scrubbed, secret
from tocsin.errors import ConfigurationError, MissingExtraError, ReceiverError

try:
    import apprise
    from apprise.attachment.memory import AttachMemory
except ModuleNotFoundError as error:
    raise MissingExtraError("a channel of kind apprise", "server") from error

__all__ = ["AppriseReceiver"]

#: Services that carry headers of one's own, which get the message's id.
_WITH_HEADERS: Final = ("mailto", "mailtos", "json", "jsons", "xml", "xmls", "form", "forms")
_TOLD: Final = 200
_KINDS: Final = {
    "opened": "failure",
    "worsened": "failure",
    "reminder": "warning",
    "resolved": "success",
}

# It loads all its services at the first address; some of them load what Python will drop.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    apprise.Apprise.instantiate("json://localhost")

# Its log lines are told as errors of ours, without secrets, and not beside them.
logging.getLogger("apprise").propagate = False
logging.getLogger("apprise").addHandler(logging.NullHandler())


class AppriseReceiver:
    """One address of Apprise's."""

    newest_only = False
    keep_s: float | None = None

    def __init__(self, channel: Apprise, environment: Mapping[str, str]) -> None:
        """Errors: `ConfigurationError` when Apprise does not know such an address."""
        self._url = secret(channel, "url", environment) or ""
        self._picture = channel.picture
        self._timeout_s = channel.timeout_s
        scheme = urlsplit(self._url).scheme.lower()
        self.place = f"{scheme}://…"
        self._takes_headers = scheme in _WITH_HEADERS
        if self._service("msg_0") is None:
            raise ConfigurationError(
                f"channel {channel.name!r}: url: is no address that Apprise understands: see "
                "https://github.com/caronc/apprise/wiki"
            )

    def send(self, message: Message) -> None:
        """As `Receiver`."""
        service = self._service(message.id)
        assert service is not None
        with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:
            taken = service.notify(
                title=message.title,
                body=message.body,
                notify_type=_KINDS.get(message.change, "info"),
                body_format="text",
                attach=self._attachment(message),
            )
            if not taken:
                raise ReceiverError(self._told(said))

    def keep(self, firing: Sequence[Message]) -> None:
        """There is nothing to keep."""

    def close(self) -> None:
        """There is nothing to let go of."""

    def _service(self, uid: str) -> Any:
        """Apprise with this address alone; None: it does not understand it."""
        # Nothing is kept on the disk, and nothing of ours is told but what is sent.
        asset = apprise.AppriseAsset(
            app_id="Tocsin",
            app_desc="Tocsin",
            app_url="",
            async_mode=False,
            storage_mode="memory",
        )
        service = apprise.Apprise(asset=asset)
        with apprise.LogCapture(level=logging.ERROR):
            return service if service.add(self._address(uid)) else None

    def _address(self, uid: str) -> str:
        more = [f"cto={self._timeout_s:g}", f"rto={self._timeout_s:g}"]
        if self._takes_headers:
            more.append(f"+X-Tocsin-Id={quote(uid)}")
        return f"{self._url}{'&' if '?' in self._url else '?'}{'&'.join(more)}"

    def _attachment(self, message: Message) -> Any:
        drawn = message.picture() if self._picture else None
        if drawn is None:
            return None
        return AttachMemory(content=drawn, name="incident.png", mimetype="image/png")

    def _told(self, said: StringIO) -> str:
        lines = said.getvalue().split("\n")
        told = " ".join(" ".join(lines).split()) or "the service did not take it"
        return scrubbed(told, [self._url])[:_TOLD]
