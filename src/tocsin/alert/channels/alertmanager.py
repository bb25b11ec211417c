"""Prometheus' Alertmanager, API v2: incidents are alerts that fire until they are resolved.

An alert is known by its labels, and the severity is one of them, because people route by it. So
the incident's alerts of other severities are said to be over with every message.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tocsin.alert.channels.posting import Poster, place_of
from tocsin.alert.message import Message
from tocsin.channels import Alertmanager, secret
from tocsin.plain import one_line
from tocsin.samples import SECOND_NS, iso

__all__ = ["AlertmanagerReceiver", "alerts"]

#: Every severity that there is.
_SEVERITIES: Final = ("info", "warning", "critical")
#: Without being sent again for so many times `resend_s`, an alert is over.
_MISSED: Final = 3
_PATH: Final = "/api/v2/alerts"


class AlertmanagerReceiver:
    """Sends alerts when something changes, and again and again while they fire."""

    newest_only = True

    def __init__(
        self,
        channel: Alertmanager,
        environment: Mapping[str, str],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Errors: `ConfigurationError`."""
        url = secret(channel, "url", environment) or ""
        self._url = url.rstrip("/").removesuffix(_PATH) + _PATH
        self._labels = channel.labels
        self._lasts_ns = int(_MISSED * channel.resend_s * SECOND_NS)
        self._clock = clock
        self.keep_s: float | None = channel.resend_s
        token = secret(channel, "token", environment)
        self._poster = Poster(channel.timeout_s, token, (url,))
        self.place = place_of(url)

    def send(self, message: Message) -> None:
        """As `Receiver`."""
        self._post(alerts(message, self._labels, self._clock(), self._lasts_ns))

    def keep(self, firing: Sequence[Message]) -> None:
        """Send again what fires."""
        now = self._clock()
        told = (alerts(one, self._labels, now, self._lasts_ns, others=False) for one in firing)
        if every := [alert for some in told for alert in some]:
            self._post(every)

    def close(self) -> None:
        """As `Receiver`."""
        self._poster.close()

    def _post(self, every: Sequence[Mapping[str, Any]]) -> None:
        self._poster.post(self._url, json.dumps(every).encode())


def alerts(
    message: Message, labels: Mapping[str, str], now: int, lasts_ns: int, *, others: bool = True
) -> list[dict[str, Any]]:
    """The alert of an incident as of ``now`` (ns), and those of its other severities, over."""
    mine = str(message.incident["severity"])
    told = [_alert(message, labels, mine, now if message.resolved else now + lasts_ns)]
    if others:
        told += [_alert(message, labels, one, now) for one in _SEVERITIES if one != mine]
    return told


def _alert(message: Message, labels: Mapping[str, str], severity: str, ends: int) -> dict[str, Any]:
    incident = message.incident
    return {
        "labels": {
            **_group_labels(str(incident["group"] or "")),
            **labels,
            "alertname": "TocsinTest" if message.change == "test" else "TocsinIncident",
            "incident": str(incident["id"]),
            "severity": severity,
        },
        "annotations": {
            "summary": message.title,
            "description": message.body,
            "message_id": message.id,
            "picture": message.picture_link,
        },
        "startsAt": iso(incident["opened"]),
        # why not less: an end before the start is refused.
        "endsAt": iso(max(ends, incident["opened"])),
        "generatorURL": message.link,
    }


def _group_labels(group: str) -> dict[str, str]:
    """``group``, and what it says as labels: ``host=web-1``."""
    told = {"group": one_line(group)} if group else {}
    for part in group.split(","):
        name, equals, value = part.strip().partition("=")
        if equals and value and name.isidentifier() and name.isascii():
            told[name] = one_line(value)
    return told
