"""What if: the alarms that other settings would have given, on the stored history of a metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from tocsin.detect.events import Event
from tocsin.detect.settings import Settings
from tocsin.engine.history import DAY_NS, History, scored_again
from tocsin.errors import ActionRefusedError, BadInputError, ConfigurationError
from tocsin.store.queries import Reader

if TYPE_CHECKING:
    from tocsin.engine.engine import Engine

__all__ = ["TRIED", "Rehearsal", "Told", "what_if"]

#: What may be tried: it changes what is told, and not what is learnt.
TRIED: Final = ("false_alarms_per_week", "direction", "least_change", "least_relative_change")

Change = Literal["same", "added", "removed"]


@dataclass(frozen=True, slots=True)
class Told:
    """An alarm that is told now, then, or both."""

    event: Event
    change: Change


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The alarms of a time with the settings as they are, and with others."""

    #: First and last sample that was looked at (ns), and how many.
    start: int | None
    end: int | None
    samples: int
    #: How many alarms there are now, and would be then.
    now: int
    then: int
    #: By start.
    told: Sequence[Told]


def what_if(engine: Engine, uid: str, tried: dict[str, Any], days: float) -> Rehearsal:
    """Score the last ``days`` of a metric again as it is watched, and as it would be.

    Its marks and calendars act as they do. ``tried``: some of `TRIED`; any thread.
    Errors: `UnknownMetricError`, `ActionRefusedError` when it is not monitored or the model is
    somebody else's, `BadInputError` for settings that cannot be, `StoreError`.
    Cost: some 25 µs a sample; with an HTM model some 0.5 ms, and at most 20,000 samples.
    """
    row = engine.actions.row(uid)
    if engine.lanes.of(row) is None:
        raise ActionRefusedError("it is not monitored: monitor it first")
    settings = engine.lanes.settings(row)
    if settings.foreign:
        raise ActionRefusedError(
            f"model = {settings.model!r}: this is code of somebody else's, which cannot be asked "
            "what it would have found: try other settings on a clone"
        )
    other = _other(settings, tried)
    record = engine.registry.position[row].copy()
    history = History(Reader(engine.database))
    since = int(record["timestamp"]) - int(days * DAY_NS)
    course = history.stored(int(record["id"]), since, slow=bool(record["slow"]))
    marks = engine.scoring.events.marks(row)
    held = engine.windows.unlearnt(np.full(len(course.seq), row), course.timestamps)

    def mute(event: Event, _seq: int) -> str:
        return engine.windows.muted(row, event.end)

    def alarms(chosen: Settings) -> list[Event]:
        events = scored_again(course, chosen, held).told(marks, chosen.timezone, mute)
        return [one for one in events if not one.muted and one.end >= since]

    now, then = alarms(settings), alarms(other)
    seen = course.timestamps[course.timestamps >= since]
    return Rehearsal(
        int(seen[0]) if len(seen) else None,
        int(seen[-1]) if len(seen) else None,
        len(seen),
        len(now),
        len(then),
        _compared(now, then),
    )


def _other(settings: Settings, tried: dict[str, Any]) -> Settings:
    for name in tried:
        if name not in TRIED:
            raise BadInputError(f"settings: {name!r}: must be one of {', '.join(TRIED)}")
    try:
        return replace(settings, **tried)
    except ConfigurationError as error:
        raise BadInputError(f"settings: {error}") from error


def _compared(now: Sequence[Event], then: Sequence[Event]) -> list[Told]:
    """All alarms by start; one of then that touches one of now is the same."""
    told = [Told(event, "same" if _touched(event, now) else "added") for event in then]
    told += [Told(event, "removed") for event in now if not _touched(event, then)]
    return sorted(told, key=lambda one: (one.event.start, -_score(one.event)))


def _touched(event: Event, others: Sequence[Event]) -> bool:
    return any(one.start <= event.end and event.start <= one.end for one in others)


def _score(event: Event) -> float:
    return event.anomaly_score if math.isfinite(event.anomaly_score) else 0.0
