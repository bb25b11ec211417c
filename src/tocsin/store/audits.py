"""The book of changes: who, when, what, of whom; bounded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Engine, delete, select, update

from tocsin.store import schema
from tocsin.store.database import told_as_store_error

__all__ = ["Audits"]

Row = Mapping[Any, Any]

#: How many rows are kept: the newest.
_KEPT: Final = 10_000
#: The longest text in a row.
_LONGEST: Final = 2_000


class Audits:
    """Rows of `audit`; any thread or process may use it. Every method: errors `StoreError`."""

    def __init__(
        self, database: Engine, clock: Callable[[], int] = time.time_ns, kept: int = _KEPT
    ) -> None:
        self._database = database
        self._clock = clock
        self._kept = kept

    def add(
        self,
        who: str,
        what: str,
        target: str = "",
        details: Mapping[str, Any] | None = None,
        *,
        address: str = "",
        status: int | None = None,
    ) -> int:
        """Note a change; returns the row's id. ``details`` hold no secrets."""
        row = {
            "at": self._clock(),
            "who": _short(who),
            "address": _short(address),
            "what": _short(what),
            "status": status,
            **_told(target, details or {}),
        }
        with told_as_store_error(), self._database.begin() as connection:
            made = connection.execute(schema.audit.insert().values(row)).inserted_primary_key
            assert made is not None
            number = int(made[0])
            connection.execute(delete(schema.audit).where(_C.id <= number - self._kept))
        return number

    def finish(
        self, number: int, status: int, what: str, target: str, details: Mapping[str, Any]
    ) -> None:
        """Note how it ended, and what became known of it meanwhile."""
        values = {"status": status, "what": _short(what), **_told(target, details)}
        with told_as_store_error(), self._database.begin() as connection:
            connection.execute(update(schema.audit).where(_C.id == number).values(values))

    def newest(self, before: int | None, limit: int) -> Sequence[Row]:
        """Rows with ids below ``before`` (None: all), newest first."""
        query = select(schema.audit).order_by(_C.id.desc()).limit(limit)
        if before is not None:
            query = query.where(_C.id < before)
        with told_as_store_error(), self._database.connect() as connection:
            return connection.execute(query).mappings().all()


def _told(target: str, details: Mapping[str, Any]) -> dict[str, str]:
    known = {key: _plain(value) for key, value in details.items()}
    text = json.dumps(known, ensure_ascii=True)
    # Cut JSON could not be read any more.
    kept = text if len(text) <= 4 * _LONGEST else json.dumps({"left_out": sorted(known)[:50]})
    return {"target": _short(target), "details": kept}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    return _short(value if isinstance(value, str) else json.dumps(value, default=str))


def _short(text: str) -> str:
    """As a database takes it."""
    clean = text[:_LONGEST].replace("\0", "\ufffd")
    return clean.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_C = schema.audit.c
