"""Incidents in a database, and messages about them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, select

from tocsin.alert.outgoing import Told, queue
from tocsin.samples import SECOND_NS
from tocsin.store import schema

NOW = 1_790_000_000 * SECOND_NS


def an_incident(number: int = 1, **columns: Any) -> dict[str, Any]:
    """A row of `incident`."""
    told: dict[str, Any] = {
        "id": number,
        "state": "open",
        "severity": "warning",
        "title": f"cpu and 2 more on web-{number}",
        "group": f"host=web-{number}",
        "opened": NOW - 300 * SECOND_NS,
        "updated": NOW,
        "resolved": None,
        "snoozed_until": None,
        "assignee": None,
        "evidence": 12.5,
        "why": "cpu is far above all seen before",
        "first_metric": 1,
        "metrics": 3,
        "events": 4,
        "revision": 1,
        "bonds": "[]",
        "together": "",
        "routes": None,
        "told": None,
        "closed": None,
    }
    return told | columns


def tell(
    database: Engine, change: Told, *routes: str, now: int = NOW, **columns: Any
) -> dict[str, Any]:
    """Put an incident down as it now stands, and queue what is told of it."""
    incident = an_incident(**columns)
    if change == "resolved":
        incident |= {"state": "resolved", "resolved": now}
    table = schema.incident
    with database.begin() as connection:
        connection.execute(table.delete().where(table.c.id == incident["id"]))
        connection.execute(table.insert(), incident)
        queue(connection, incident, change, routes, now)
    return incident


def messages(database: Engine) -> list[dict[str, Any]]:
    """All rows of `notification`."""
    with database.connect() as connection:
        rows = connection.execute(select(schema.notification).order_by(schema.notification.c.id))
        return [dict(row) for row in rows.mappings()]
