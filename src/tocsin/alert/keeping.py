"""Keeping pauses: written piece by piece, so that a restart knows what is usual."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import numpy as np
from sqlalchemy import Connection, Engine, delete, select

from tocsin.alert.pauses import KEPT, Pauses
from tocsin.store import schema
from tocsin.store.bulk import bulk_of
from tocsin.store.commits import Writer
from tocsin.store.database import told_as_store_error

__all__ = ["PauseKeeper"]

#: Metrics in one row (2.4 MB), and in how many seconds all rows are written once.
_PART: Final = 50_000
_ROUND_S: Final = 300.0


class PauseKeeper:
    """Reads and writes what is known of pauses. Used by one thread at a time."""

    def __init__(
        self,
        database: Engine,
        writer: Writer,
        pauses: Pauses,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._writer = writer
        self._pauses = pauses
        self._monotonic = monotonic
        insert = bulk_of(database).upsert(schema.pause)
        kept = {name: insert.excluded[name] for name in ("saved", "rows")}
        self._put = insert.on_conflict_do_update(index_elements=["part"], set_=kept)
        self._part = 0
        self._due = monotonic() + _ROUND_S

    def load(self) -> dict[int, np.void]:
        """What was kept, by the metric's id. Errors: `StoreError`."""
        query = select(schema.pause.c.rows)
        with told_as_store_error(), self._database.connect() as connection:
            pieces = connection.execute(query).scalars().all()
        # What is of another make than ours is learnt anew.
        rows = [np.frombuffer(one, KEPT) for one in pieces if not len(one) % KEPT.itemsize]
        return {int(row["id"]): row for piece in rows for row in piece}

    def work(self, now: int) -> None:
        """Write the next piece, if it is time. Errors: `StoreError`."""
        if self._monotonic() < self._due:
            return
        pieces = max(1, -(-len(self._pauses) // _PART))
        self._part = self._part % pieces
        self._write(self._part, now)
        self._part += 1
        self._due = self._monotonic() + _ROUND_S / pieces

    def write_all(self, now: int) -> None:
        """Write everything. Errors: `StoreError`."""
        pieces = -(-len(self._pauses) // _PART)
        for part in range(pieces):
            self._write(part, now)

        def rest(connection: Connection) -> None:
            connection.execute(delete(schema.pause).where(schema.pause.c.part >= pieces))

        self._writer.write(rest)

    def _write(self, part: int, now: int) -> None:
        kept = self._pauses.part(part * _PART, _PART)
        row = {"part": part, "saved": now, "rows": kept.tobytes()}
        self._writer.write(lambda connection: connection.execute(self._put, row))
