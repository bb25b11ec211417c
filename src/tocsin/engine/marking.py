"""Labels that act: made, shown, taken back; what one would have changed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import structlog

from tocsin.detect.events import Event, event_of
from tocsin.detect.marks import Course, Mark, Signature, Wish
from tocsin.detect.settings import Settings
from tocsin.engine.history import DAY_NS, History, scored_again
from tocsin.errors import BadInputError
from tocsin.store.annotations import Annotations
from tocsin.store.queries import Reader

if TYPE_CHECKING:
    from tocsin.engine.engine import Engine

__all__ = ["Marking", "Preview", "mark_of_row"]

_log: Final = structlog.get_logger("tocsin.engine")

#: The most events that are looked at for a preview.
_EVENTS: Final = 10_000


class _Kept(msgspec.Struct):
    """What is kept of a mark beside its columns."""

    signature: Signature
    peak: int
    same_hour: bool
    limit: float
    timezone: str
    level: float | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a mark would have done."""

    mark: Mark
    days: int
    #: Alarms in these days, and the events that would (not) have been alarms.
    alarms: int
    changed: Sequence[Event]


def mark_of_row(row: Mapping[Any, Any]) -> Mark | None:
    """The mark of a row of `annotation`; None: it is none that acts."""
    if not row["signature"]:
        return None
    try:
        kept = msgspec.json.decode(row["signature"], type=_Kept)
    except msgspec.MsgspecError as error:
        _log.warning("mark_unreadable", annotation=row["id"], reason=str(error))
        return None
    return Mark(
        kind=row["kind"],
        signature=kept.signature,
        peak=kept.peak,
        since=row["since_seq"] or 0,
        until=row["until_seq"],
        same_hour=kept.same_hour,
        limit=kept.limit,
        timezone=kept.timezone,
        level=kept.level,
    )


class Marking:
    """Marks of all metrics. What changes something is for the engine's thread (`Engine.control`).

    Every method that is given a uid: errors `UnknownMetricError`, `StoreError`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = Reader(engine.database)
        self._history = History(self._reader)

    @property
    def _notes(self) -> Annotations:
        return Annotations(self._engine.database, self._engine.writer)

    def restore(self) -> None:
        """Take over the marks of all metrics from the database."""
        made: dict[int, list[Mark]] = {}
        for note in self._notes.acting():
            row, mark = self._engine.registry.row_of_id(note["metric"]), mark_of_row(note)
            if row >= 0 and mark is not None:
                made.setdefault(row, []).append(mark)
        for row, marks in made.items():
            self._engine.scoring.events.mark(row, marks)

    def look(self, row: int) -> None:
        """Take over the marks of a metric from the database."""
        metric = int(self._engine.registry.position[row]["id"])
        marks = [mark_of_row(note) for note in self._notes.acting(metric)]
        self._engine.scoring.events.mark(row, [mark for mark in marks if mark])

    def preview(self, uid: str, wish: Wish, event: int | None, days: int) -> Preview:
        """What a mark on this stretch, or this event, would have changed; for any thread.

        Errors: `BadInputError` when nothing was scored there. Cost: up to a second, where samples
        must be scored again (for an anomaly).
        """
        row = self._engine.actions.row(uid)
        metric = int(self._engine.registry.position[row]["id"])
        settings = self._engine.watching.settings(self._engine.registry.metrics[row])
        mark = self._mark(metric, wish, event, settings)
        newest = int(self._engine.registry.position[row]["timestamp"])
        start = newest - days * DAY_NS
        told = self._events(metric, start, None)
        alarms = [one for one in told if not one.muted]
        if wish.kind != "anomaly":
            timezone = settings.timezone
            changed = [one for one in alarms if mark.like(Signature.of(one, timezone))]
            return Preview(mark, days, len(alarms), changed)
        course = self._course(metric, start, settings)
        before = self._engine.scoring.events.marks(row)
        timezone, windows = settings.timezone, self._engine.windows
        now = {one.start for one in _copied(course).told(before, timezone)}
        then = course.told([*before, mark], timezone, lambda e, _: windows.muted(row, e.end))
        changed = [one for one in then if one.start >= start and one.start not in now]
        return Preview(mark, days, len(alarms), changed)

    def add(self, uid: str, mark: Mark, columns: Mapping[str, Any]) -> int:
        """Let a mark act from the next sample on; returns the annotation's id.

        ``columns``: of `annotation`: kind, start, end, event, text, author.
        """
        row = self._engine.actions.row(uid)
        record = self._engine.registry.position[row]
        kept = _Kept(
            mark.signature, mark.peak, mark.same_hour, mark.limit, mark.timezone, mark.level
        )
        number = self._notes.add(
            metric=int(record["id"]),
            created=time.time_ns(),
            signature=msgspec.json.encode(kept).decode(),
            since_seq=int(record["seq"]),
            **columns,
        )
        self.look(row)
        return number

    def take_back(self, number: int) -> bool:
        """Let a mark act no longer; False: there is none with this id."""
        note = self._notes.get(number)
        if note is None or not note["signature"]:
            return False
        row = self._engine.registry.row_of_id(note["metric"])
        seq = int(self._engine.registry.position[row]["seq"]) if row >= 0 else 0
        self._notes.change(number, until_seq=seq)
        if row >= 0:
            self.look(row)
        return True

    def _mark(self, metric: int, wish: Wish, event: int | None, settings: Settings) -> Mark:
        events = self._events(metric, wish.start, wish.end + 1)
        if event is not None:
            events = self._numbered(metric, event)
        course = self._history.stretch(metric, wish.end)
        mark = course.mark(wish, events, settings)
        if mark is None:
            raise BadInputError("start, end: no sample of this time has a score to mark")
        # It has not been made yet: in a preview it holds for everything.
        return replace(mark, since=0)

    def _numbered(self, metric: int, event: int) -> list[Event]:
        found = self._reader.event(metric, event)
        if found is None:
            raise BadInputError(f"event: this metric has no event {event}")
        return [event_of(found)]

    def _events(self, metric: int, start: int, end: int | None) -> list[Event]:
        rows = self._reader.events(
            metrics=[metric], start=start, end=end, before=None, limit=_EVENTS
        )
        return [event_of(row) for row in rows]

    def _course(self, metric: int, since: int, settings: Settings) -> Course:
        """The metric's newest samples with results: scored again where the model is quick."""
        course = self._history.stored(metric, since)
        if settings.foreign or settings.model == "htm":
            return course
        row = self._engine.registry.row_of_id(metric)
        held = self._engine.windows.unlearnt(np.full(len(course.seq), row), course.timestamps)
        return scored_again(course, settings, held)


def _copied(course: Course) -> Course:
    """The same, with results of its own."""
    return Course(course.seq, course.timestamps, course.values, course.scored.copy())
