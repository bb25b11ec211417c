"""Calendars of all metrics: made, listed, taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import structlog

from tocsin.calendars import Calendar
from tocsin.engine.registry import NEVER
from tocsin.engine.windows import Windows
from tocsin.errors import ActionRefusedError
from tocsin.store.calendars import Calendars

if TYPE_CHECKING:
    from tocsin.engine.engine import Engine

__all__ = ["Maintenance"]

_log = structlog.get_logger("tocsin.engine")


class Maintenance:
    """What changes something is for the engine's thread (`Engine.control`)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def _stored(self) -> Calendars:
        return Calendars(self._engine.database, self._engine.writer)

    @property
    def windows(self) -> Windows:
        """What the calendars say of metrics."""
        return self._engine.windows

    def all(self) -> Sequence[Calendar]:
        """Those that act, by id; any thread. Errors: `StoreError`."""
        return [one for one in self._stored.all() if one.until is None]

    def add(self, calendar: Calendar) -> Calendar:
        """Let a calendar act from the next sample on; returns it with its id.

        "Do not learn" begins after the newest sample of all metrics that it is about.
        Errors: `ActionRefusedError` when one of these has a model that cannot forget, or there
        are too many calendars; `StoreError`. Cost: a microsecond for each metric.
        """
        if not calendar.learn:
            self._refuse_foreign(calendar)
            calendar = msgspec.structs.replace(calendar, since=self._newest(calendar))
        number = self._stored.add(calendar)
        self.look()
        _log.info("calendar_added", calendar=number, match=calendar.match)
        return msgspec.structs.replace(calendar, id=number)

    def take_back(self, number: int) -> bool:
        """Let a calendar act no longer; False: there is none with this id. Errors: `StoreError`."""
        found = next((one for one in self.all() if one.id == number), None)
        if found is None:
            return False
        self._stored.take_back(number, None if found.learn else self._newest(found))
        self.look()
        return True

    def look(self) -> None:
        """Take over all calendars from the database."""
        self.windows.put(self._stored.all())

    def _newest(self, calendar: Calendar) -> int:
        """The time of the newest sample of all metrics that it is about."""
        about = self.windows.rows(calendar)
        times = self._engine.registry.position["timestamp"][: len(about)][about]
        return int(times.max(initial=NEVER))

    def _refuse_foreign(self, calendar: Calendar) -> None:
        lanes, registry = self._engine.lanes, self._engine.registry
        about = np.flatnonzero(self.windows.rows(calendar))
        watched = about[registry.position["lane"][about] >= 0]
        if not len(watched):
            return
        foreign = watched[lanes.foreign(watched)]
        if len(foreign):
            metric = registry.metrics[int(foreign[0])]
            raise ActionRefusedError(
                f"learn: {metric} has a model of somebody else's, which cannot be made to forget; "
                "pause it for that time, or choose a pattern that leaves it out"
            )
