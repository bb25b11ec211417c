"""What answers of the page are looked up in, kept up to date in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final

import structlog

from tocsin.alert.groups import WEEK_NS, Groups
from tocsin.engine.engine import Engine
from tocsin.engine.index import Index
from tocsin.errors import StoreError
from tocsin.store.courses import Courses

__all__ = ["Lookups"]

_log: Final = structlog.get_logger("tocsin.api")

#: Pauses: while there is more to take in, so that others come to work; when there is nothing; and
#: when the database is away (seconds).
_MORE_S: Final = 0.02
_IDLE_S: Final = 1.0
_AWAY_S: Final = 5.0
#: Events that are read at once.
_EVENTS: Final = 5_000


class Lookups:
    """The index of names, and the ranking of groups."""

    def __init__(self, engine: Engine, places: Sequence[str]) -> None:
        """Before the engine is started; ``places``: labels that groups are called by."""
        self.index = Index(engine.registry.metrics)
        self.groups = Groups(engine.registry.metrics, places)
        engine.listeners.append(self.groups.take)
        self._engine = engine
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tocsin-lookups", daemon=True)

    def start(self) -> None:
        """Begin to take in what there is."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        events = _Past(self._engine, self.groups)
        while not self._stop.is_set():
            pause = _IDLE_S
            try:
                if events.take() | self.index.grow() | self.groups.grow():
                    pause = _MORE_S
            except StoreError as error:
                _log.warning("events_not_read", reason=str(error))
                pause = _AWAY_S
            self._stop.wait(pause)


class _Past:
    """Events from before the start, for the ranking of groups."""

    def __init__(self, engine: Engine, groups: Groups) -> None:
        self._engine, self._groups = engine, groups
        self._courses = Courses(engine.database)
        self._after = 0
        self._over = False

    def take(self) -> bool:
        """Take some; whether there are more. Errors: `StoreError`; nothing is taken then."""
        if self._over:
            return False
        rows = self._courses.since(time.time_ns() - WEEK_NS, self._after, _EVENTS)
        for event in rows:
            row = self._engine.registry.row_of_id(event["metric"])
            if row >= 0 and event["anomaly_score"] is not None:
                self._groups.note(row, event["start"], event["end"], event["anomaly_score"])
            self._after = event["id"]
        self._over = len(rows) < _EVENTS
        return not self._over
