"""Messages that are to go out: added in the transaction that changes what they tell."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from tocsin.store import schema

__all__ = ["THEN", "Told", "queue"]

#: What of an incident is told.
Told = Literal["opened", "worsened", "resolved", "reminder"]
#: What a message tells of an incident, as it stood then.
THEN: Final = (
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
    change: Told,
    routes: Iterable[str],
    now: int,
    *,
    number: int = 0,
) -> int:
    """Add a message of a change for each channel in ``routes``; says how many were added.

    ``incident``: its row after the change; its first metric (an id) is told by its title.
    ``change``: "opened", "worsened", "resolved", or
    "reminder" with its ``number``. ``now``: ns. What was added before (the same channel, incident,
    revision, change and number) is not added again.
    """
    then = {name: incident[name] for name in THEN}
    then["first_metric"] = _title(connection, incident["first_metric"])
    rows = [
        {
            "uid": f"msg_{secrets.token_hex(12)}",
            "channel": channel,
            "incident": incident["id"],
            "revision": incident["revision"],
            "change": change,
            "number": number,
            "status": "pending",
            "incident_then": json.dumps(then, allow_nan=False),
            "created": now,
            "due": now,
        }
        for channel in dict.fromkeys(routes)
    ]
    insert = _INSERT[connection.dialect.name]
    return sum(connection.execute(insert, row).rowcount for row in rows)


def _title(connection: Connection, metric: int) -> str:
    """``name{key="value"}`` of a metric (id); "": it is gone."""
    c = schema.metric.c
    return connection.execute(select(c.title).where(c.id == metric)).scalar() or ""


_INSERT: Final[Mapping[str, Any]] = {
    "sqlite": sqlite.insert(schema.notification).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(schema.notification).on_conflict_do_nothing(),
}
