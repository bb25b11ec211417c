"""What other settings would have told, tried on a metric's stored history."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final

import msgspec
from litestar import post
from litestar.params import BodyKwarg, FromPath
from msgspec import UNSET, UnsetType

from tocsin.api.parts import Parts
from tocsin.api.query import stored_metric
from tocsin.engine.what_if import Rehearsal, Told, what_if
from tocsin.samples import iso

__all__ = ["try_settings"]

#: Alarms that are shown: the newest.
_SHOWN: Final = 500


class TriedIn(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be tried; left out: as it is."""

    false_alarms_per_week: float | UnsetType = UNSET
    direction: str | UnsetType = UNSET
    least_change: float | UnsetType = UNSET
    least_relative_change: float | UnsetType = UNSET


class WhatIfIn(msgspec.Struct, forbid_unknown_fields=True):
    """Settings, and how far back they are tried."""

    settings: TriedIn
    days: Annotated[float, msgspec.Meta(gt=0, le=366)] = 30.0


class AlarmsOut(msgspec.Struct):
    """How many."""

    alarms: int


class TriedEvent(msgspec.Struct):
    """An alarm that is told now, then ("added", "removed"), or both ("same")."""

    start: str
    peak: str
    end: str
    value: float | None
    expected: float | None
    why: str
    pattern: str
    anomaly_score: float | None
    change: str

    @classmethod
    def of(cls, told: Told) -> TriedEvent:
        """Of an alarm."""
        event = told.event
        return cls(
            start=iso(event.start),
            peak=iso(event.peak),
            end=iso(event.end),
            value=_known(event.value),
            expected=_known(event.expected),
            why=event.why,
            pattern=event.pattern,
            anomaly_score=_known(event.anomaly_score),
            change=told.change,
        )


class WhatIfOut(msgspec.Struct):
    """The alarms of these days as it is watched now, and as it would be then."""

    days: float
    #: First and last sample that was looked at; null: there is none.
    first: str | None = msgspec.field(name="from")
    last: str | None = msgspec.field(name="to")
    samples: int = 0
    now: AlarmsOut = msgspec.field(default_factory=lambda: AlarmsOut(0))
    then: AlarmsOut = msgspec.field(default_factory=lambda: AlarmsOut(0))
    #: The newest, by start.
    events: list[TriedEvent] = []

    @classmethod
    def of(cls, found: Rehearsal, days: float) -> WhatIfOut:
        """Of what was found."""
        return cls(
            days,
            None if found.start is None else iso(found.start),
            None if found.end is None else iso(found.end),
            found.samples,
            AlarmsOut(found.now),
            AlarmsOut(found.then),
            [TriedEvent.of(told) for told in found.told[-_SHOWN:]],
        )


@post(
    "/metrics/{uid:str}/what-if",
    opt={"scope": "read"},
    sync_to_thread=True,
    status_code=200,
    summary="Which alarms other settings would have given",
)
def try_settings(
    state: Parts, uid: FromPath[str], data: Annotated[WhatIfIn, BodyKwarg()]
) -> WhatIfOut:
    """Score the stored samples again, as live, with other settings; nothing is changed."""
    stored_metric(state, uid)
    tried: dict[str, Any] = {
        name: given
        for name, given in msgspec.structs.asdict(data.settings).items()
        if given is not UNSET
    }
    return WhatIfOut.of(what_if(state.engine, uid, tried, data.days), data.days)


def _known(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None
