"""A load's way to an engine in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Final

from sqlalchemy import Engine as Database
from sqlalchemy import select

from tocsin.engine.batch import Batch, Receipt
from tocsin.engine.engine import Engine
from tocsin.errors import QueueFullError
from tocsin.store import schema
from tocsin.store.database import told_as_store_error

__all__ = ["EngineSink"]

_FULL_S: Final = 0.01
#: How often to look why an answer does not come.
_LOOK_S: Final = 1.0


class EngineSink:
    """Gives batches to an engine that runs on ``database``; ``notice`` is told why one waits."""

    def __init__(self, engine: Engine, database: Database, notice: Callable[[str], None]) -> None:
        self._engine = engine
        self._database = database
        self._notice = notice

    def position(self, source: str) -> int:
        """How many samples of ``source`` are stored. Errors: `StoreError`."""
        c = schema.delivery.c
        with told_as_store_error(), self._database.connect() as connection:
            found = connection.execute(select(c.position).where(c.source == source)).scalar()
        return int(found or 0)

    def send(self, batch: Batch) -> Receipt:
        """Wait for room in the queue, then for the commit. Errors: `StoreError`."""
        while True:
            try:
                return self._answer(self._engine.submit(batch))
            except QueueFullError:
                time.sleep(_FULL_S)

    def _answer(self, promised: Future[Receipt]) -> Receipt:
        while not wait([promised], _LOOK_S).done:
            if self._engine.trouble:
                self._notice(self._engine.trouble)
        return promised.result()
