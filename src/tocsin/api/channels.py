"""Channels and the messages that went through them: how they stand, trying out, trying again."""

from __future__ import annotations

import json
from typing import Annotated, Final, Literal

import msgspec
from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, PathParameter, QueryParameter

from tocsin.alert.trying import try_out
from tocsin.api.parts import Parts
from tocsin.api.query import Cursor, Limit, cursor_numbers
from tocsin.errors import ActionRefusedError
from tocsin.samples import iso
from tocsin.store.notifications import Counts
from tocsin.store.queries import Row

__all__ = ["list_channels", "list_notifications", "retry_notification", "test_channel"]

_LARGEST: Final = 2**63 - 1

Status = Annotated[
    Literal["pending", "sent", "dead", "skipped"] | None,
    QueryParameter(description="dead: given up; skipped: a newer one said it all"),
]
Channel = Annotated[str | None, QueryParameter(description="a channel's name")]
Id = Annotated[int, PathParameter(ge=1, le=_LARGEST)]


class ChannelOut(msgspec.Struct):
    """A channel: where it leads (without secrets), and how it stands."""

    name: str
    kind: str
    place: str
    #: Messages that wait, and those that were given up.
    pending: int
    dead: int
    last_sent: str | None
    #: Why nothing gets through at the moment; null: all is well.
    last_error: str | None


class ChannelsOut(msgspec.Struct):
    """All channels."""

    channels: list[ChannelOut]


class TriedOut(msgspec.Struct):
    """Whether a test message was taken, and what was said."""

    ok: bool
    detail: str


class NotificationOut(msgspec.Struct):
    """A message: what it tells, and what became of it."""

    id: int
    #: The id that the receiver sees, the same at every try.
    uid: str
    channel: str
    incident: int
    revision: int
    change: str
    status: str
    #: The incident as it stood then.
    title: str
    severity: str
    created: str
    #: When it is tried (again); null: it is settled.
    due: str | None
    sent: str | None
    attempts: int
    error: str | None

    @classmethod
    def of(cls, row: Row) -> NotificationOut:
        """From a row of the table `notification`."""
        then = json.loads(row["incident_then"])
        return cls(
            id=row["id"],
            uid=row["uid"],
            channel=row["channel"],
            incident=row["incident"],
            revision=row["revision"],
            change=row["change"],
            status=row["status"],
            title=then["title"],
            severity=then["severity"],
            created=iso(row["created"]),
            due=iso(row["due"]) if row["status"] == "pending" else None,
            sent=None if row["sent"] is None else iso(row["sent"]),
            attempts=row["attempts"],
            error=row["error"],
        )


class NotificationsPage(msgspec.Struct):
    """Some messages, newest first; ``cursor`` asks for older ones, null: there are none."""

    notifications: list[NotificationOut]
    cursor: str | None


@get("/channels", sync_to_thread=True, summary="List channels of notifications")
def list_channels(state: Parts) -> ChannelsOut:
    """Where notifications go, how many wait or were given up, and what is wrong now."""
    counts = state.delivering.notifications.counts()
    told = []
    for line in state.delivering.lines:
        count = counts.get(line.channel.name, Counts())
        told.append(
            ChannelOut(
                name=line.channel.name,
                kind=line.channel.kind,
                place=line.receiver.place,
                pending=count.pending,
                dead=count.dead,
                last_sent=None if count.last_sent is None else iso(count.last_sent),
                last_error=line.trouble,
            )
        )
    return ChannelsOut(told)


@post(
    "/channels/{name:str}/test", sync_to_thread=True, status_code=200, summary="Try a channel out"
)
def test_channel(state: Parts, name: FromPath[str]) -> TriedOut:
    """Send a message that tells of no incident, once, and wait for what becomes of it."""
    found = [channel for channel in state.config.channel if channel.name == name]
    if not found:
        raise NotFoundException(f"no channel has the name {name[:40]!r}")
    trouble = try_out(found[0], page=state.config.page_url)
    return TriedOut(trouble is None, trouble or "the receiver has taken it")


@get("/notifications", sync_to_thread=True, summary="List messages to people")
def list_notifications(
    state: Parts,
    status: Status = None,
    channel: Channel = None,
    limit: Limit = 1_000,
    cursor: Cursor = None,
) -> NotificationsPage:
    """Messages, newest first, with what became of them."""
    rows = state.delivering.notifications.page(
        status=status,
        channel=channel,
        before=cursor_numbers(cursor, 1)[0] if cursor else None,
        limit=limit + 1,
    )
    more = str(rows[limit - 1]["id"]) if len(rows) > limit else None
    return NotificationsPage([NotificationOut.of(row) for row in rows[:limit]], more)


@post(
    "/notifications/{message:int}/retry",
    sync_to_thread=True,
    status_code=200,
    summary="Try a message again that was given up",
)
def retry_notification(state: Parts, message: Id) -> NotificationOut:
    """It is tried as long as a new one; its id stays the same."""
    row = state.delivering.retry(message)
    if row is None:
        raise NotFoundException(f"there is no message {message}")
    if row["status"] != "pending":
        raise ActionRefusedError(f"message {message} is {row['status']}: there is nothing to retry")
    return NotificationOut.of(row)
