"""Calendars: times in which metrics do not alarm, or do not learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, Engine, delete, select, update

from tocsin.calendars import Calendar
from tocsin.errors import ActionRefusedError
from tocsin.store import schema
from tocsin.store.commits import Writer
from tocsin.store.database import told_as_store_error

__all__ = ["Calendars"]

#: How many there may be, and how many that were taken back are kept for what was not learnt.
_MOST: Final = 1_000
_KEPT: Final = 2_000

_C: Final = schema.calendar.c


class Calendars:
    """Rows of `calendar`. Every method: errors `StoreError`.

    Reading: any thread. Writing: the writer's thread.
    """

    def __init__(self, database: Engine, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def all(self) -> Sequence[Calendar]:
        """By id; also those that were taken back, for samples of before."""
        query = select(schema.calendar).order_by(_C.id)
        with told_as_store_error(), self._database.connect() as connection:
            return [Calendar.of(row) for row in connection.execute(query).mappings()]

    def add(self, calendar: Calendar) -> int:
        """Store a new one; returns its id. Errors: `ActionRefusedError` when there are 1,000."""

        def work(connection: Connection) -> int:
            there = connection.execute(select(_C.id).where(_C.until.is_(None))).all()
            if len(there) >= _MOST:
                raise ActionRefusedError(f"there are {_MOST:,} calendars: remove some first")
            adding = schema.calendar.insert().values(calendar.row()).returning(_C.id)
            return int(connection.execute(adding).scalar_one())

        return self._writer.write(work)

    def take_back(self, number: int, until: int | None) -> None:
        """It acts no longer; ``until``: what was not learnt up to then stays unlearnt."""

        def work(connection: Connection) -> None:
            if until is None:
                connection.execute(delete(schema.calendar).where(_C.id == number))
                return
            connection.execute(update(schema.calendar).where(_C.id == number).values(until=until))
            ended = select(_C.id).where(_C.until.is_not(None)).order_by(_C.id.desc())
            old = connection.execute(ended.offset(_KEPT)).scalars().all()
            if old:
                connection.execute(delete(schema.calendar).where(_C.id.in_(old)))

        self._writer.write(work)
