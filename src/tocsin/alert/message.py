"""A message: what is told of an incident, and how it is put into words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tocsin.channels import Apprise, Channel
from tocsin.plain import one_line, plain, unlinked
from tocsin.samples import SECOND_NS, iso

__all__ = ["Message", "no_picture", "test_message", "words"]

#: Makes a picture (PNG) when it is asked for; None: there is none.
Picture = Callable[[], bytes | None]

#: Fields that hold names and labels of metrics.
_STRANGE: Final = ("title", "group", "why", "first_metric")
#: Units of durations (seconds), the largest first.
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def no_picture() -> bytes | None:
    """There is none."""
    return None


@dataclass(frozen=True, slots=True)
class Message:
    """What a receiver is told. Times are nanoseconds since 1970 (UTC)."""

    #: The same at every try, and at no other message.
    id: str
    #: "opened", "worsened", "resolved", "reminder", or "test".
    change: str
    #: The incident as it stood then; see `tocsin.alert.outgoing.THEN`.
    incident: Mapping[str, Any]
    #: When the change was made.
    at: int
    title: str
    body: str
    #: Where the page shows it, and its picture; "": nowhere.
    link: str = ""
    picture_link: str = ""
    picture: Picture = no_picture

    @property
    def resolved(self) -> bool:
        """Whether it says that the incident is over."""
        return self.change == "resolved"


def words(channel: Channel, row: Mapping[Any, Any], page: str, picture: Picture) -> Message:
    """A row of `notification` as a message; ``page``: where the page is, or ""."""
    incident: dict[str, Any] = json.loads(row["incident_then"])
    link = f"{page}/incidents/{incident['id']}" if page else ""
    fields = _fields(incident) | {
        **{name: _told(channel, incident[name]) for name in _STRANGE},
        "id": row["uid"],
        "channel": channel.name,
        "change": row["change"],
        "link": link,
    }
    return Message(
        id=row["uid"],
        change=row["change"],
        incident=incident,
        at=row["created"],
        title=one_line(channel.title.format_map(fields)),
        body=channel.body.format_map(fields).strip(),
        link=link,
        picture_link=f"{page}/api/v1/incidents/{incident['id']}/picture.png" if page else "",
        picture=picture,
    )


def test_message(channel: Channel, uid: str, now: int, page: str) -> Message:
    """What is sent to try a channel out; it tells of no incident."""
    incident = {
        "id": 0,
        "state": "open",
        "severity": "info",
        "title": "a test of this channel",
        "group": "",
        "opened": now,
        "updated": now,
        "resolved": None,
        "evidence": 0.0,
        "why": "This is a test: nothing has happened.",
        "first_metric": "",
        "metrics": 0,
        "events": 0,
        "revision": 0,
    }
    title = f"[info] test: {channel.name}"
    body = f"This is a test of the channel {channel.name!r}: nothing has happened."
    return Message(uid, "test", incident, now, title, body, link=page)


def _fields(incident: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        name: "" if incident[name] is None else incident[name]
        for name in ("state", "severity", "title", "group", "why", "metrics", "events")
    }
    told["first_metric"] = incident["first_metric"] or ""
    told["evidence"] = float(incident["evidence"] or 0.0)
    told["incident"] = incident["id"]
    for name in ("opened", "updated", "resolved"):
        told[name] = "" if incident[name] is None else iso(incident[name])
    told["duration"] = _duration(incident)
    return told


def _duration(incident: Mapping[str, Any]) -> str:
    """From opening to the end, or to the last change so far, in at most two units."""
    end = incident["resolved"] or incident["updated"]
    left = max(0, end - incident["opened"]) // SECOND_NS
    told = []
    for seconds, unit in _UNITS:
        if left >= seconds:
            told.append(f"{left // seconds} {unit}")
            left %= seconds
    return " ".join(told[:2]) or "0 s"


def _told(channel: Channel, text: str | None) -> str:
    """What a stranger may have written, for people: in chats it calls nobody."""
    told = plain(text or "")
    return unlinked(told) if isinstance(channel, Apprise) else told
