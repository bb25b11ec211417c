"""``GET /api/v1/audit``: who changed what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import get

from tocsin.api.parts import Parts
from tocsin.api.query import Cursor, Limit, cursor_numbers
from tocsin.samples import iso

__all__ = ["list_changes"]


class ChangeOut(msgspec.Struct):
    """A change that somebody asked for."""

    id: int
    at: str
    #: The token's name; "local" where none is needed.
    who: str
    address: str
    #: What was asked for, of whom, and more.
    what: str
    target: str
    details: dict[str, Any]
    #: How it ended, as a status of HTTP; null: it did not, as when the service was killed.
    status: int | None

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> ChangeOut:
        """From a row of the table `audit`."""
        return cls(
            id=row["id"],
            at=iso(row["at"]),
            who=row["who"],
            address=row["address"],
            what=row["what"],
            target=row["target"],
            details=json.loads(row["details"]),
            status=row["status"],
        )


class ChangesPage(msgspec.Struct):
    """Some changes, newest first; ``cursor`` asks for older ones, null: there are none."""

    changes: list[ChangeOut]
    cursor: str | None


@get("/audit", opt={"scope": "admin"}, sync_to_thread=True, summary="Who changed what")
def list_changes(state: Parts, limit: Limit = 1_000, cursor: Cursor = None) -> ChangesPage:
    """Everything that was asked for beyond looking and sending; the newest 10,000 are kept."""
    before = cursor_numbers(cursor, 1)[0] if cursor else None
    rows = state.access.audits.newest(before, limit + 1)
    more = str(rows[limit - 1]["id"]) if len(rows) > limit else None
    return ChangesPage([ChangeOut.of(row) for row in rows[:limit]], more)
