"""Messages that are to go out: added in the transaction that changes what they tell."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from tocsin.store import schema

__all__ = ["TOLD", "queue"]

#: What a message tells of an incident, as it stood then.
TOLD: Final = (
    "id",
    "state",
    "severity",
    "title",
    "group",
    "opened",
    "updated",
    "resolved",
    "evidence",
    "why",
    "first_metric",
    "metrics",
    "events",
    "revision",
)


def queue(
    connection: Connection,
    incident: Mapping[str, Any],
    change: str,
    routes: Iterable[str],
    now: int,
    *,
    number: int = 0,
) -> int:
    """Add a message of a change for each channel in ``routes``; says how many were added.

    ``incident``: its row after the change. ``change``: "opened", "worsened", "resolved", or
    "reminder" with its ``number``. ``now``: ns. What was added before (the same channel, incident,
    revision, change and number) is not added again.
    """
    then = json.dumps({name: incident[name] for name in TOLD}, allow_nan=False, default=str)
    rows = [
        {
            "uid": f"msg_{secrets.token_hex(12)}",
            "channel": channel,
            "incident": incident["id"],
            "revision": incident["revision"],
            "change": change,
            "number": number,
            "status": "pending",
            "incident_then": then,
            "created": now,
            "due": now,
        }
        for channel in dict.fromkeys(routes)
    ]
    insert = _INSERT[connection.dialect.name]
    return sum(connection.execute(insert, row).rowcount for row in rows)


_INSERT: Final[Mapping[str, Any]] = {
    "sqlite": sqlite.insert(schema.notification).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(schema.notification).on_conflict_do_nothing(),
}
